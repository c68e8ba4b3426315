internal import DER
public import LibCrypto

/// The algorithms that a reader of signatures knows. Everything else is refused, by its object identifier.
public struct KnownAlgorithms: Sendable {
    public let digests: [DigestAlgorithm]
    public let signatures: [SignatureAlgorithm]

    public init(digests: [DigestAlgorithm], signatures: [SignatureAlgorithm]) {
        self.digests = digests
        self.signatures = signatures
    }

    /// SHA-256, SHA-384 and SHA-512, each with RSA PKCS #1 v1.5, ECDSA and RSASSA-PSS; SHA-512 with Ed25519.
    public static let standard: KnownAlgorithms = {
        let digests: [DigestAlgorithm] = [.sha256, .sha384, .sha512]
        return KnownAlgorithms(digests: digests, signatures: digests.flatMap { [.rsaPKCS1($0), .ecdsa($0), .rsaPSS($0)] } + [.ed25519])
    }()

    /// These and more.
    public func adding(digests: [DigestAlgorithm], signatures: [SignatureAlgorithm]) -> KnownAlgorithms {
        KnownAlgorithms(digests: self.digests + digests, signatures: self.signatures + signatures)
    }

    /// By name (`sha256`) or dotted object identifier.
    public func digest(named name: String) -> DigestAlgorithm? {
        if let found = digests.first(where: { $0.name == name }) { return found }
        guard let oid = ObjectIdentifier(dotted: name) else { return nil }
        return digests.first { $0.oid == oid }
    }

    /// As a file names it; parameters must be absent or NULL.
    public func digest(_ identifier: AlgorithmIdentifier) -> DigestAlgorithm? {
        digests.first { $0.oid == identifier.algorithm && identifier.hasNoParameters }
    }

    /// As a SignerInfo names it beside its digest.
    public func signature(_ identifier: AlgorithmIdentifier, digest: DigestAlgorithm) -> SignatureAlgorithm? {
        signatures.first { $0.digest == digest && $0.isNamed(by: identifier) }
    }

    /// What a key signs with over a digest; the first that fits, of those that the choice allows.
    public func signature(fitting key: PublicKey, digest: DigestAlgorithm, by choice: MechanismChoice? = nil) -> SignatureAlgorithm? {
        signatures.first { $0.digest == digest && $0.fits(key) && choice?.allows($0) != false }
    }

    /// The same with any digest.
    public func signature(fitting key: PublicKey, by choice: MechanismChoice? = nil) -> SignatureAlgorithm? {
        signatures.first { $0.fits(key) && choice?.allows($0) != false }
    }
}
