public import CMS
public import LibCrypto
import Log
import OperatingSystem
import PKCS11
public import SigningPipeline

/// A key on a token, with its certificate.
public final class TokenSigner: DigestSigner {
    public let certificate: Certificate
    public let chain: [Certificate]

    let token: SharedToken
    let key: [UInt8]
    /// What the token knows this key by.
    let number: Int
    let use: Use?
    private let checks: Checks
    /// Seconds of one private-key operation, smoothed.
    let pace: Locked<Double>

    /// Whether each signature is verified with the certificate's public key before it is given out.
    public enum Checks: Sendable {
        case always
        /// For benchmarks only: a token that answers with another key's signature goes unnoticed.
        case off
    }

    /// What a profile wants of a key.
    public struct Use: Sendable {
        public var digest: DigestAlgorithm
        /// nil for what fits the certificate's key.
        public var mechanism: MechanismChoice?

        public init(_ digest: DigestAlgorithm, _ mechanism: MechanismChoice? = nil) {
            self.digest = digest
            self.mechanism = mechanism
        }
    }

    /// Opens the token where nobody has yet, finds the key and its certificate, and proves that they belong together: random challenges are
    /// signed and verified.
    ///
    /// A token that is away does not keep a program from starting: where the certificate is given, the signer is made all the same. It is
    /// not in then (`isIn`), and `recover` opens the token and proves the key.
    /// - Parameters:
    ///   - key: CKA_ID of the private key.
    ///   - certificate: nil for the one that lies on the token under the same id.
    ///   - chain: issuers of the certificate, for the signatures; may be empty.
    ///   - mayBeAway: false where nobody waits for a token that is away: then that is thrown too.
    ///   - use: what the key will sign with, so that it is proved by that; nil for any that fits.
    /// - Throws: `SignerError`, permanent where a PIN was refused and where the key or certificate is missing or they do not match.
    public static func start(
        _ token: SharedToken, key: [UInt8], certificate: Certificate? = nil, chain: [Certificate] = [], checks: Checks = .always,
        mayBeAway: Bool = true, use: Use? = nil
    ) async throws(SignerError) -> TokenSigner {
        var proven: KeyProbe.Proven?
        var trust = 0
        do throws(TokenFailure) {
            try await token.connect()
            trust = token.state.withLock { $0.trust }
            proven = try await KeyProbe(token: token, key: key, use: use).prove(certificate)
        } catch {
            if error.scope != .token { token.didNotBegin(error.error) }
            guard mayBeAway, certificate != nil, !error.error.isPermanent else { throw error.error }
        }
        let signer = TokenSigner(
            token, key: key, number: token.register(), certificate: proven?.certificate ?? certificate!, chain: chain, checks: checks,
            use: use, pace: Locked(proven?.seconds ?? 0.020))
        token.retain()
        if proven == nil { token.update(signer.number) { $0.signer = signer } } else { token.proved(signer, trust) }
        return signer
    }

    private init(
        _ token: SharedToken, key: [UInt8], number: Int, certificate: Certificate, chain: [Certificate], checks: Checks,
        use: Use?, pace: Locked<Double>
    ) {
        self.token = token
        self.key = key
        self.number = number
        self.certificate = certificate
        self.chain = chain
        self.checks = checks
        self.use = use
        self.pace = pace
    }

    /// The same key with other checks, for tests; it does not count as a user of the token.
    convenience init(_ other: TokenSigner, checks: Checks) {
        self.init(
            other.token, key: other.key, number: other.number, certificate: other.certificate, chain: other.chain, checks: checks,
            use: other.use, pace: other.pace)
    }

    /// "key 01 on token hsm-1"
    public var name: String { "key \(hexadecimal(key)) on token \(token.name)" }

    public var width: Int { token.width }

    /// As many as a session signs in about 20 ms: enough to make a hand-over cheap, few enough that none waits long for the others.
    public var batchSize: Int { max(1, min(64, Int(0.020 / max(1e-6, pace.withLock { $0 })))) }

    public var isIn: Bool { token.obstacle(number) == nil }

    /// Signs on one of the token's sessions; nothing is repeated here but what the token's codes advise to (`SessionPool.run`).
    ///
    /// A wrong signature makes the token `suspect` and raises the alert `token-wrong-signature`; nothing of the batch is given out, and
    /// nothing more is signed before `recover`.
    public func sign(_ digests: [[UInt8]], with algorithm: SignatureAlgorithm) async throws(SignerError) -> [[UInt8]] {
        guard let method = SigningMethod.making(algorithm, by: use?.mechanism) else {
            throw SignerError(
                token: token.name, reason: "signatures with \(algorithm.name) are not made on tokens", remedy: "choose another algorithm",
                isPermanent: true, isMisfit: true)
        }
        guard !digests.isEmpty else { return [] }
        if let obstacle = token.obstacle(number) { throw obstacle }
        let batch: SignedBatch
        do throws(TokenFailure) { batch = try await token.sign(digests, method, key: key) } catch {
            throw token.failed(number, error).error
        }
        pace.withLock { $0 += (batch.seconds - $0) / 8 }
        guard checks == .always, let wrong = await firstWrong(batch.signatures, digests, algorithm) else {
            token.trusted(number)
            return batch.signatures
        }
        let error = SignerError(
            token: token.name,
            reason:
                "signature \(wrong + 1) of \(digests.count) by key \(hexadecimal(key)) does not verify with the certificate of \(certificate)",
            remedy: "check which key the token has under this id; it is used again when it has proved itself", isPermanent: false)
        token.distrust(number, epoch: batch.epoch, error)
        throw error
    }

    public func close() async {
        token.forget(number)
        await token.release()
    }

    /// The index of a signature that the certificate's public key does not verify; nil when all are right.
    private func firstWrong(_ signatures: [[UInt8]], _ digests: [[UInt8]], _ algorithm: SignatureAlgorithm) async -> Int? {
        let publicKey = certificate.publicKey
        let verdicts = await CPUWork.map(Array(digests.indices)) { index in
            algorithm.isValid(signature: signatures[index], ofInput: digests[index], by: publicKey)
        }
        return verdicts.firstIndex(of: false)
    }
}
