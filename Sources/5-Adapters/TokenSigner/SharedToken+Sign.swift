import PKCS11
import SigningPipeline

/// The signatures of one batch.
struct SignedBatch: Sendable {
    /// In the order of the digests, as CMS writes them.
    let signatures: [[UInt8]]
    /// The token's epoch in which they were made.
    let epoch: Int
    /// Of one signature, on average.
    let seconds: Double
}

extension SharedToken {
    /// Signs the digests one after the other on one session.
    func sign(_ digests: [[UInt8]], _ method: SigningMethod, key id: [UInt8]) async throws(SignerError) -> SignedBatch {
        let metrics = metrics
        let clock = ContinuousClock()
        return try await run { (session: borrowing Session) throws(PKCS11Error) in
            let key = try session.keyPair(id: id)
            var signatures: [[UInt8]] = []
            signatures.reserveCapacity(digests.count)
            let begin = clock.now
            var start = begin
            for digest in digests {
                let answer = try session.sign(method.input(digest).span, with: method.mechanism, key: key)
                // What is no signature at all becomes an empty one, which no public key verifies.
                signatures.append(method.signature(answer) ?? [])
                let end = clock.now
                metrics.signed(in: start.duration(to: end))
                start = end
            }
            return SignedBatch(
                signatures: signatures, epoch: session.epoch, seconds: begin.duration(to: start).seconds / Double(max(1, digests.count)))
        }
    }
}

extension SignerError {
    init(_ error: PKCS11Error, token: String) {
        self.init(
            token: token, reason: "\(error)", remedy: error.remedy, isPermanent: error.advice == .takeOutOfService || error.advice == .stop)
    }
}

/// "0a1b" for [0x0A, 0x1B]; how configuration writes ids.
func hexadecimal(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}
