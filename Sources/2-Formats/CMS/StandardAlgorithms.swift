internal import DER
internal import LibCrypto

/// The algorithms of the standards, each with the clauses that say how it is written.
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
            name: "rsa-pkcs1-\(digest)", digest: digest, mechanism: .rsaPKCS1, identifier: AlgorithmIdentifier(rsaEncryption, parameters: null),
            alsoAccepted: [
                AlgorithmIdentifier(rsaEncryption), AlgorithmIdentifier(named, parameters: null), AlgorithmIdentifier(named),
            ],
            fits: { key in
                if case .rsa = key.kind { true } else { false }
            },
            verify: { $2.verifyPKCS1(signature: $0, digest: $1, function: digest.function) },
            sign: { (input, key) throws(CryptoError) in try key.signPKCS1(digest: input, function: digest.function) })
    }

    /// RSASSA-PSS (RFC 8017, 8.1; RFC 4056), with one digest for everything: the data, the padding and MGF1; the salt is as long as the
    /// digest. Other parameters are another algorithm, which is not known.
    ///
    ///     RSASSA-PSS-params ::= SEQUENCE {  -- RFC 4055, 3.1
    ///         hashAlgorithm     [0] HashAlgorithm DEFAULT sha1Identifier,
    ///         maskGenAlgorithm  [1] MaskGenAlgorithm DEFAULT mgf1SHA1Identifier,
    ///         saltLength        [2] INTEGER DEFAULT 20,
    ///         trailerField      [3] INTEGER DEFAULT 1 }
    ///
    /// Hash functions are written with NULL, as RFC 4055, 3.1 defines them, and read without it too (2.1). The trailer field is never
    /// there, as it is always its DEFAULT; the others never are.
    ///
    /// - Precondition: SHA-256, SHA-384 or SHA-512.
    public static func rsaPSS(_ digest: DigestAlgorithm) -> SignatureAlgorithm {
        precondition([DigestAlgorithm.sha256, .sha384, .sha512].contains(digest), "no RSA signature over \(digest)")
        let octets = digest.function.byteCount
        func identifier(hash: [UInt8]?, maskHash: [UInt8]?) -> AlgorithmIdentifier {
            let parameters = DERWriter.encode { der in
                der.sequence { der in
                    der.constructed(.context(0)) { AlgorithmIdentifier(digest.oid, parameters: hash).write(to: &$0) }
                    der.constructed(.context(1)) { der in
                        let mask = AlgorithmIdentifier(digest.oid, parameters: maskHash).encoded
                        AlgorithmIdentifier(.mgf1, parameters: mask).write(to: &der)
                    }
                    der.constructed(.context(2)) { $0.integer(octets) }
                }
            }
            return AlgorithmIdentifier(.rsassaPSS, parameters: parameters)
        }
        let null = AlgorithmIdentifier.null
        return SignatureAlgorithm(
            name: "rsa-pss-\(digest)", digest: digest, mechanism: .rsaPSS, identifier: identifier(hash: null, maskHash: null),
            alsoAccepted: [
                identifier(hash: nil, maskHash: nil), identifier(hash: nil, maskHash: null), identifier(hash: null, maskHash: nil),
            ],
            fits: { key in
                guard case .rsa(let bits) = key.kind else { return false }
                // emLen >= hLen + sLen + 2 (RFC 8017, 9.1.1); emBits is one less than the modulus has
                return (bits + 6) / 8 >= 2 * octets + 2
            },
            verify: { $2.verifyPSS(signature: $0, digest: $1, function: digest.function) },
            sign: { (input, key) throws(CryptoError) in try key.signPSS(digest: input, function: digest.function) })
    }

    /// ECDSA; the signature is the DER of two INTEGERs (RFC 5753, 2.1.1). Its identifier has no parameters (RFC 5754, 3.3).
    ///
    /// - Precondition: SHA-256, SHA-384 or SHA-512.
    public static func ecdsa(_ digest: DigestAlgorithm) -> SignatureAlgorithm {
        guard let arc = [DigestAlgorithm.sha256: 2, .sha384: 3, .sha512: 4][digest] as UInt64? else {
            preconditionFailure("no ECDSA signature over \(digest)")
        }
        return SignatureAlgorithm(
            name: "ecdsa-\(digest)", digest: digest, mechanism: .ecdsa,
            identifier: AlgorithmIdentifier(ObjectIdentifier(1, 2, 840, 10045, 4, 3, arc)),
            fits: { key in
                if case .ec = key.kind { true } else { false }
            },
            verify: { $2.verifyECDSA(signature: $0, digest: $1) },
            sign: { (input, key) throws(CryptoError) in try key.signECDSA(digest: input) })
    }

    /// Ed25519 (RFC 8419): the pure form, over the signed attributes themselves. Beside it stands SHA-512 alone, which makes the message
    /// digest. Its identifier has no parameters, the signature is the 64 octets of RFC 8032.
    public static let ed25519 = SignatureAlgorithm(
        name: "ed25519", digest: .sha512, input: .message, mechanism: .eddsa,
        identifier: AlgorithmIdentifier(ObjectIdentifier(1, 3, 101, 112)),
        fits: { $0.kind == .ed25519 }, verify: { $2.verifyEd25519(signature: $0, message: $1) },
        sign: { (input, key) throws(CryptoError) in try key.signEd25519(message: input) })
}

extension ObjectIdentifier {
    /// id-RSASSA-PSS (RFC 4055, 3.1)
    fileprivate static let rsassaPSS = ObjectIdentifier(1, 2, 840, 113549, 1, 1, 10)
    /// id-mgf1 (RFC 4055, 2.2)
    fileprivate static let mgf1 = ObjectIdentifier(1, 2, 840, 113549, 1, 1, 8)
}
