public import CMS
public import LibCrypto
import OperatingSystem
public import SigningPipeline

/// A key in memory: the fake of the `DigestSigner` port. Counts what it signs; failures are scripted.
public final class SoftwareSigner: DigestSigner {
    public let name: String
    public let certificate: Certificate
    public let chain: [Certificate]
    public let width = 2
    public let batchSize: Int
    private let key: PrivateKey
    private let state = Locked(State())

    private struct State {
        var signed = 0
        var calls = 0
        var failures: [SignerError] = []
        var isClosed = false
        var isAway = false
        var recoveries = 0
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    public init(key: PrivateKey, certificate: Certificate, chain: [Certificate] = [], batchSize: Int = 16) {
        name = "key in memory"
        self.key = key
        self.certificate = certificate
        self.chain = chain
        self.batchSize = batchSize
    }

    /// Private-key operations so far.
    public var signed: Int { state.withLock { $0.signed } }
    public var isClosed: Bool { state.withLock { $0.isClosed } }

    public var isIn: Bool { state.withLock { !$0.isAway } }
    /// How often `recover` was called.
    public var recoveries: Int { state.withLock { $0.recoveries } }

    /// While away every call fails, and `recover` waits.
    public func set(isAway: Bool) {
        let waiting = state.withLock { state in
            state.isAway = isAway
            defer { if !isAway { state.waiting = [] } }
            return isAway ? [] : state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    /// The next calls fail with these, one each.
    public func fail(with errors: [SignerError]) { state.withLock { $0.failures += errors } }

    public func sign(_ digests: [[UInt8]], with algorithm: SignatureAlgorithm) async throws(SignerError) -> [[UInt8]] {
        let failure = state.withLock { state -> SignerError? in
            state.calls += 1
            if state.isAway { return SignerError(token: "software", reason: "away", remedy: "", isPermanent: false) }
            guard state.failures.isEmpty else { return state.failures.removeFirst() }
            state.signed += digests.count
            return nil
        }
        if let failure { throw failure }
        do {
            return try digests.map { try algorithm.sign($0, with: key) }
        } catch {
            throw SignerError(token: "software", reason: "\(error)", remedy: "none", isPermanent: true)
        }
    }

    public func recover() async throws {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isIn = state.withLock { state in
                    state.recoveries += 1
                    if state.isAway, !Task.isCancelled { state.waiting.append(continuation) } else { return true }
                    return false
                }
                if isIn { continuation.resume() }
            }
        } onCancel: {
            for continuation in state.withLock({ $0.waiting }) { continuation.resume() }
            state.withLock { $0.waiting = [] }
        }
        try Task.checkCancellation()
    }

    public func close() async { state.withLock { $0.isClosed = true } }
}
