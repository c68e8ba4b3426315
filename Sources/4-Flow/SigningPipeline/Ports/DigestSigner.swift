public import CMS
public import LibCrypto

/// One private key somewhere that signs digests, with its certificate: the pipeline's port to tokens and key files.
///
/// A signer does not wait for its world inside `sign`: it throws, its jobs go to another key of the profile or wait, and `recover` tells
/// when it may be used again.
public protocol DigestSigner: Sendable {
    /// For logs and people: "key 01 on token hsm-1".
    var name: String { get }
    /// The certificate whose private key signs.
    var certificate: Certificate { get }
    /// Further certificates for the signature, issuers of `certificate`; may be empty.
    var chain: [Certificate] { get }
    /// How many calls of `sign` at once make use of the key's token now; it may change at any time.
    var width: Int { get }
    /// How many digests one call should bring when enough wait.
    var batchSize: Int { get }
    /// The key's world is there, as far as is known without asking it.
    var isIn: Bool { get }

    /// Signs each digest.
    ///
    /// - Parameter digests: what the algorithm signs (`SignatureAlgorithm.input`): hashes of signed attributes, each of its digest's length;
    ///   for Ed25519 the attributes themselves.
    /// - Returns: signature values in the order of `digests`, written as CMS wants them (ECDSA: DER SEQUENCE of r and s), each
    ///   checked with the certificate's public key.
    /// - Throws: `SignerError` when the world failed; then no signature of the call is given out.
    func sign(_ digests: [[UInt8]], with algorithm: SignatureAlgorithm) async throws(SignerError) -> [[UInt8]]

    /// After `sign` threw, or while `isIn` is false: returns when the key has proved itself against its certificate, however long that takes.
    ///
    /// - Throws: a permanent `SignerError` when only a person can help; `CancellationError` when the task was cancelled.
    func recover() async throws

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
    /// What the configuration says and what the token has do not fit (a key that is not there, another key's certificate).
    public var isMisfit: Bool

    public init(token: String, reason: String, remedy: String, isPermanent: Bool, isMisfit: Bool = false) {
        self.token = token
        self.reason = reason
        self.remedy = remedy
        self.isPermanent = isPermanent
        self.isMisfit = isMisfit
    }

    /// Of a key in a file.
    public init(keyFile path: String, reason: String, remedy: String, isPermanent: Bool, isMisfit: Bool = false) {
        self.init(token: path, reason: reason, remedy: remedy, isPermanent: isPermanent, isMisfit: isMisfit)
        kind = "key file"
    }

    /// "token hsm-1" or "key file office.p12"
    public var place: String { "\(kind) \(token)" }

    public var description: String { "\(place): \(reason)\(remedy.isEmpty ? "" : "; \(remedy)")" }

    private var kind = "token"
}
