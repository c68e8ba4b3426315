public import CMS
public import LibCrypto
import OperatingSystem
import PKCS11
public import SigningPipeline

/// A key on a token, with its certificate.
public final class TokenSigner: DigestSigner {
    public let certificate: Certificate
    public let chain: [Certificate]

    let token: SharedToken
    let key: [UInt8]
    private let checks: Checks
    /// Seconds of one private-key operation, smoothed.
    let pace: Locked<Double>

    /// Whether each signature is verified with the certificate's public key before it is given out.
    public enum Checks: Sendable {
        case always
        /// For benchmarks only: a token that answers with another key's signature goes unnoticed.
        case off
    }

    /// Finds the key and its certificate, and proves that they belong together: a random challenge is signed and verified.
    ///
    /// - Parameters:
    ///   - key: CKA_ID of the private key.
    ///   - certificate: nil for the one that lies on the token under the same id.
    ///   - chain: issuers of the certificate, for the signatures; may be empty.
    /// - Throws: `SignerError`, permanent where the key or certificate is missing or they do not match.
    public init(
        _ token: SharedToken, key: [UInt8], certificate: Certificate? = nil, chain: [Certificate] = [], checks: Checks = .always
    ) async throws(SignerError) {
        let probe = KeyProbe(token: token, key: key)
        let proven = try await probe.prove(certificate)
        self.certificate = proven.certificate
        self.chain = chain
        self.token = token
        self.key = key
        self.checks = checks
        pace = Locked(proven.seconds)
        token.retain()
    }

    /// The same key with other checks, for tests; it does not count as a user of the token.
    init(_ other: TokenSigner, checks: Checks) {
        certificate = other.certificate
        chain = other.chain
        token = other.token
        key = other.key
        pace = other.pace
        self.checks = checks
    }

    public var width: Int { token.width }

    /// As many as a session signs in about 20 ms: enough to make a hand-over cheap, few enough that none waits long for the others.
    public var batchSize: Int { max(1, min(64, Int(0.020 / max(1e-6, pace.withLock { $0 })))) }

    public func sign(_ digests: [[UInt8]], with algorithm: SignatureAlgorithm) async throws(SignerError) -> [[UInt8]] {
        guard let method = SigningMethod.making(algorithm) else {
            throw SignerError(
                token: token.name, reason: "signatures with \(algorithm.name) are not made on tokens", remedy: "choose another algorithm",
                isPermanent: true)
        }
        guard !digests.isEmpty else { return [] }
        // A wrong signature makes the token find its keys again; if that does not help, a person must look.
        for _ in 0..<2 {
            let batch = try await token.sign(digests, method, key: key)
            pace.withLock { $0 += (batch.seconds - $0) / 8 }
            guard checks == .always, let wrong = await firstWrong(batch.signatures, digests, algorithm) else {
                token.trust()
                return batch.signatures
            }
            await token.distrust(
                epoch: batch.epoch,
                "signature \(wrong + 1) of \(digests.count) by key \(hexadecimal(key)) does not verify with the certificate of \(certificate)"
            )
        }
        throw SignerError(
            token: token.name,
            reason: "the key \(hexadecimal(key)) makes signatures that the certificate of \(certificate) does not verify",
            remedy: "check which key the token has under this id", isPermanent: false)
    }

    public func close() async { await token.release() }

    /// The index of a signature that the certificate's public key does not verify; nil when all are right.
    private func firstWrong(_ signatures: [[UInt8]], _ digests: [[UInt8]], _ algorithm: SignatureAlgorithm) async -> Int? {
        let publicKey = certificate.publicKey
        let verdicts = await CPUWork.map(Array(digests.indices)) { index in
            algorithm.isValid(signature: signatures[index], ofDigest: digests[index], by: publicKey)
        }
        return verdicts.firstIndex(of: false)
    }
}
