public import CMS
public import LibCrypto

/// A private key somewhere that signs digests: the pipeline's port to tokens and key files.
public protocol DigestSigner: Sendable {
    /// The certificate whose private key signs.
    var certificate: Certificate { get }
    /// Further certificates for the signature, issuers of `certificate`; may be empty.
    var chain: [Certificate] { get }
    /// How many calls of `sign` at once make use of the key's token.
    var width: Int { get }
    /// How many digests one call should bring when enough wait.
    var batchSize: Int { get }

    /// Signs each digest.
    ///
    /// - Parameter digests: hashes of signed attributes, each of the algorithm's digest length.
    /// - Returns: signature values in the order of `digests`, written as CMS wants them (ECDSA: DER SEQUENCE of r and s), each
    ///   checked with the certificate's public key.
    /// - Throws: `SignerError` when the world failed; then no signature of the call is given out.
    func sign(_ digests: [[UInt8]], with algorithm: SignatureAlgorithm) async throws(SignerError) -> [[UInt8]]

    /// Logs out; called once, after the last `sign`.
    func close() async
}

/// The key's world failed: its token is gone, locked or answers wrongly.
public struct SignerError: Error, CustomStringConvertible {
    /// The token's label or the key file's path.
    public var token: String
    public var reason: String
    /// What a person can do.
    public var remedy: String
    /// Waiting does not mend it (a wrong PIN, a missing key).
    public var isPermanent: Bool

    public init(token: String, reason: String, remedy: String, isPermanent: Bool) {
        self.token = token
        self.reason = reason
        self.remedy = remedy
        self.isPermanent = isPermanent
    }

    public var description: String { "token \(token): \(reason); \(remedy)" }
}
