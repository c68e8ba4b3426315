public import CMS
internal import LibCrypto

/// What a timestamp is over: a hash of it (RFC 3161, 2.4.1).
///
///     MessageImprint ::= SEQUENCE {
///         hashAlgorithm  AlgorithmIdentifier,
///         hashedMessage  OCTET STRING }
public struct MessageImprint: Sendable, Hashable {
    public let algorithm: DigestAlgorithm
    public let digest: [UInt8]

    /// - Precondition: as long as the algorithm's digests.
    public init(algorithm: DigestAlgorithm, digest: [UInt8]) {
        precondition(digest.count == algorithm.function.byteCount, "a digest of another length than the algorithm's")
        self.algorithm = algorithm
        self.digest = digest
    }

    /// Of these octets, hashed here. For a signature timestamp they are those of the signature value (EN 319 122-1, 5.3).
    public init(of octets: [UInt8], by algorithm: DigestAlgorithm) {
        self.init(algorithm: algorithm, digest: algorithm.function.digest(octets))
    }
}
