internal import DER
public import LibCrypto

/// A way to sign: its digest, how a SignerInfo names it, which keys it fits, and how a signature is checked.
///
/// A value, not a case that CMS and CAdES switch on: another module may define one and hand it to the template, or put it into its own
/// `KnownAlgorithms` for reading. Two are equal when name and identifier are.
public struct SignatureAlgorithm: Sendable {
    /// Such as `rsa-pkcs1-sha256` or `ecdsa-sha256`.
    public let name: String
    /// Hashes the document and the signed attributes.
    public let digest: DigestAlgorithm
    /// The AlgorithmIdentifier as it is written into `SignerInfo.signatureAlgorithm`.
    public let identifier: [UInt8]

    private let accepted: [AlgorithmIdentifier]
    private let fits: @Sendable (PublicKey) -> Bool
    private let verify: @Sendable (_ signature: [UInt8], _ digest: [UInt8], _ key: PublicKey) -> Bool

    /// - Parameters:
    ///   - identifier: What is written.
    ///   - accepted: What is read as this algorithm beside it.
    ///   - fits: Whether a key can sign this way.
    ///   - verify: Whether a signature, as the SignerInfo holds it, is right for the digest of the signed attributes.
    public init(
        name: String, digest: DigestAlgorithm, identifier: AlgorithmIdentifier, alsoAccepted accepted: [AlgorithmIdentifier] = [],
        fits: @escaping @Sendable (PublicKey) -> Bool, verify: @escaping @Sendable ([UInt8], [UInt8], PublicKey) -> Bool
    ) {
        self.name = name
        self.digest = digest
        self.identifier = identifier.encoded
        self.accepted = [identifier] + accepted
        self.fits = fits
        self.verify = verify
    }

    public func fits(_ key: PublicKey) -> Bool { fits(key) }

    /// Whether `identifier`, beside this algorithm's digest, names this algorithm in a SignerInfo.
    public func isNamed(by identifier: AlgorithmIdentifier) -> Bool { accepted.contains(identifier) }

    /// Whether `signature` is `key`'s over the data with this digest. False for a key of another kind.
    public func isValid(signature: [UInt8], ofDigest digest: [UInt8], by key: PublicKey) -> Bool {
        fits(key) && verify(signature, digest, key)
    }

    /// The standard algorithm that signs with a key over a digest, nil when there is none.
    public static func fitting(_ key: PublicKey, _ digest: DigestAlgorithm) -> SignatureAlgorithm? {
        KnownAlgorithms.standard.signature(fitting: key, digest: digest)
    }

    /// The standard algorithm that a SignerInfo names, nil when there is none or it does not go with the digest.
    public static func read(_ identifier: AlgorithmIdentifier, digest: DigestAlgorithm) -> SignatureAlgorithm? {
        KnownAlgorithms.standard.signature(identifier, digest: digest)
    }
}

// MARK: Standard algorithms

extension SignatureAlgorithm {
    /// RSASSA-PKCS1-v1_5 (RFC 8017, 8.2). Written as rsaEncryption with NULL, which every CMS reader must know (RFC 3370, 3.2); the
    /// identifier that names the digest too is read as well, if it is the same digest.
    ///
    /// - Precondition: SHA-256, SHA-384 or SHA-512.
    public static func rsaPKCS1(_ digest: DigestAlgorithm) -> SignatureAlgorithm {
        // sha256WithRSAEncryption and its sisters (RFC 5754, 3.2)
        guard let arc = [DigestAlgorithm.sha256: 11, .sha384: 12, .sha512: 13][digest] as UInt64? else {
            preconditionFailure("no RSA signature over \(digest)")
        }
        let named = ObjectIdentifier(1, 2, 840, 113549, 1, 1, arc)
        let rsaEncryption = ObjectIdentifier(1, 2, 840, 113549, 1, 1, 1)
        let null = AlgorithmIdentifier.null
        return SignatureAlgorithm(
            name: "rsa-pkcs1-\(digest)", digest: digest, identifier: AlgorithmIdentifier(rsaEncryption, parameters: null),
            alsoAccepted: [
                AlgorithmIdentifier(rsaEncryption), AlgorithmIdentifier(named, parameters: null), AlgorithmIdentifier(named),
            ],
            fits: { key in
                if case .rsa = key.kind { true } else { false }
            },
            verify: { $2.verifyPKCS1(signature: $0, digest: $1, function: digest.function) })
    }

    /// ECDSA; the signature is the DER of two INTEGERs (RFC 5753, 2.1.1). Its identifier has no parameters (RFC 5754, 3.3).
    ///
    /// - Precondition: SHA-256, SHA-384 or SHA-512.
    public static func ecdsa(_ digest: DigestAlgorithm) -> SignatureAlgorithm {
        guard let arc = [DigestAlgorithm.sha256: 2, .sha384: 3, .sha512: 4][digest] as UInt64? else {
            preconditionFailure("no ECDSA signature over \(digest)")
        }
        return SignatureAlgorithm(
            name: "ecdsa-\(digest)", digest: digest, identifier: AlgorithmIdentifier(ObjectIdentifier(1, 2, 840, 10045, 4, 3, arc)),
            fits: { key in
                if case .ec = key.kind { true } else { false }
            },
            verify: { $2.verifyECDSA(signature: $0, digest: $1) })
    }
}

// MARK: Hashable

extension SignatureAlgorithm: Hashable, CustomStringConvertible {
    public static func == (left: SignatureAlgorithm, right: SignatureAlgorithm) -> Bool {
        left.name == right.name && left.identifier == right.identifier
    }

    public func hash(into hasher: inout Swift.Hasher) { hasher.combine(name) }

    public var description: String { name }
}
