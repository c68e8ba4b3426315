import Log
import Metrics
import OperatingSystem
import PKCS11
import SigningPipeline

/// One token that several signers share: its login, its sessions, its health.
public final class SharedToken: Sendable {
    public let name: String
    private let settings: TokenSettings
    private let log: Log
    let metrics: TokenSeries
    /// Opening and closing block; they happen here, one after the other.
    private let control = SerialLane(label: "token.control")
    private let state = Locked(State())

    private struct State {
        var pool: SessionPool?
        var users = 0
        var isClosed = false
        /// nil until the token was asked for the first time.
        var isHealthy: Bool?
    }

    init(_ settings: TokenSettings, log: Log, metrics: TokenMetrics) {
        name = settings.name
        self.settings = settings
        self.log = log.with([("token", LogValue(settings.name))])
        self.metrics = metrics.series(token: settings.name)
    }

    /// How many batches can be signed at once.
    var width: Int { state.withLock { $0.pool }?.width ?? settings.sessions }

    /// As far as is known without asking it.
    var isHealthy: Bool { state.withLock { $0.isHealthy != false } }

    var isClosed: Bool { state.withLock { $0.isClosed } }

    func open() async throws(SignerError) {
        do throws(PKCS11Error) {
            if try await control.run({ () throws(PKCS11Error) in try self.openNow() }) { became(healthy: true) }
        } catch {
            became(healthy: false, "\(error)")
            throw SignerError(error, token: name)
        }
    }

    /// - Returns: whether it was not open before.
    private func openNow() throws(PKCS11Error) -> Bool {
        guard state.withLock({ $0.pool == nil }) else { return false }
        let module = try Module.load(path: settings.module, environment: settings.environment)
        let token = try Token(module: module, label: settings.label)
        try token.logIn(settings.pin)
        let info = try token.info()
        var sessions = max(1, settings.sessions)
        if let limit = info.sessionCountMax, limit <= sessions {
            sessions = max(1, limit - 1)
            log.warning(
                "token-sessions", "the token allows \(limit) sessions and one stays logged in; \(sessions) sign",
                [("configured", LogValue(settings.sessions))])
        }
        let pool = SessionPool(
            token: token, sessionsMax: sessions,
            onLoss: { [log] error in log.warning("token-session-lost", "\(error)", [("advice", LogValue(error.advice.rawValue))]) })
        state.withLock { $0.pool = pool }
        log.info(
            "token-open", "",
            [
                ("label", LogValue(info.label)), ("model", LogValue(info.model)), ("serial", LogValue(info.serialNumber)),
                ("sessions", LogValue(sessions)),
            ])
        return true
    }

    /// Runs the body with a session that is nobody else's meanwhile; again from its start after a loss (`SessionPool.run`).
    func run<R: Sendable>(_ body: @escaping @Sendable (borrowing Session) throws(PKCS11Error) -> R) async throws(SignerError) -> R {
        guard let pool = state.withLock({ $0.pool }) else {
            throw SignerError(token: name, reason: "the token is closed", remedy: "", isPermanent: true)
        }
        do throws(PKCS11Error) {
            return try await pool.run(body)
        } catch {
            // What the call itself did wrong says nothing of the token.
            if error.advice != .stop { became(healthy: false, "\(error)") }
            throw SignerError(error, token: name)
        }
    }

    /// The token made signatures and they are right.
    func trust() { became(healthy: true) }

    /// A signature made in this epoch was wrong: sessions and handles are opened and found again before the next is made.
    func distrust(epoch: Int, _ reason: String) async {
        log.error("token-wrong-signature", reason)
        metrics.mismatch()
        became(healthy: false, reason)
        guard let pool = state.withLock({ $0.pool }) else { return }
        // A token that cannot be restored says so at the next signature.
        try? await control.run { () throws(PKCS11Error) in try pool.token.restore(after: epoch) }
    }

    func retain() { state.withLock { $0.users += 1 } }

    /// Logs out after the last signer.
    func release() async {
        let pool: SessionPool? = state.withLock { state in
            state.users -= 1
            guard state.users == 0, !state.isClosed else { return nil }
            state.isClosed = true
            defer { state.pool = nil }
            return state.pool
        }
        guard let pool else { return }
        await pool.close()
        await control.run { pool.token.close() }
        metrics.set(healthy: false)
        log.info("token-closed")
    }

    private func became(healthy: Bool, _ reason: String = "") {
        let changed = state.withLock { state in
            defer { state.isHealthy = healthy }
            return state.isHealthy != healthy
        }
        guard changed else { return }
        metrics.set(healthy: healthy)
        if healthy { log.info("token-healthy") } else { log.error("token-out", reason) }
    }
}
