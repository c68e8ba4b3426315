import Log
import Metrics
import OperatingSystem
import PKCS11
import SigningPipeline

/// One token that several signers share: its login, its sessions, its width, its health.
///
/// Opened by the first signer that starts, closed with the last. What state it is in: `TokenState`.
public final class SharedToken: Sendable {
    public let name: String
    let settings: TokenSettings
    let log: Log
    let metrics: TokenSeries
    let clock: PipelineClock
    let prober: Prober
    let memory: KneeMemory?
    /// Opening and closing block; they happen here, one after the other.
    let control = SerialLane(label: "token.control")
    let state: Locked<State>

    struct State {
        var module: Module?
        var pool: SessionPool?
        var users = 0
        var isClosed = false
        /// Why the token as a whole does not sign; nil while it is connected.
        var outage: Outage?
        /// Counts up with each outage and each wrong signature. A key that proved itself before that proves itself again first.
        var trust = 0
        var keys: [Int: KeyHealth] = [:]
        var lastKey = 0
        var finder: KneeFinder
        var meter = RateMeter()
        /// Somebody asks it after readers changed; and they changed again since.
        var isChecking = false
        var mustCheckAgain = false
        /// When the token last refused a session.
        var shortageAt: Duration?
        /// What log and metrics were last told; nil before the token was asked for the first time.
        var shown: TokenState?
    }

    struct Outage {
        let state: TokenState
        let error: SignerError
    }

    init(_ settings: TokenSettings, log: Log, metrics: TokenMetrics, clock: PipelineClock, memory: KneeMemory?) {
        name = settings.name
        self.settings = settings
        self.log = log.with([("token", LogValue(settings.name))])
        self.metrics = metrics.series(token: settings.name)
        self.clock = clock
        self.memory = memory
        prober = Prober(clock: clock)
        let unopened = SignerError(token: settings.name, reason: "the token has not been opened yet", remedy: "", isPermanent: false)
        let remembered = memory?.width(module: settings.module, label: settings.label)
        state = Locked(
            State(
                outage: Outage(state: .away, error: unopened), finder: KneeFinder(limit: settings.sessions, remembered: remembered)))
    }

    /// How many batches can be signed at once.
    var width: Int { state.withLock { $0.pool }?.width ?? 1 }

    var isClosed: Bool { state.withLock { $0.isClosed } }

    /// What the token says it can do, asked now.
    func mechanisms() async throws(SignerError) -> [Mechanism] {
        guard let pool = state.withLock({ $0.pool }) else { throw Self.closed(name) }
        do throws(PKCS11Error) {
            return try await control.run { () throws(PKCS11Error) in try pool.token.slot.mechanisms() }
        } catch {
            throw SignerError(error, token: name, isPermanent: false)
        }
    }

    // MARK: - Opening and closing

    /// Makes sure that the token is there and logged in, opening or restoring it where it is not.
    ///
    /// - Parameter doubted: the epoch of a wrong signature: sessions and key handles of that time are not used any more.
    func connect(doubting doubted: Int? = nil) async throws(TokenFailure) {
        do throws(PKCS11Error) {
            try await control.run { () throws(PKCS11Error) in try self.connectNow(doubting: doubted) }
        } catch {
            throw wentOut(error, isOpening: true)
        }
    }

    private func connectNow(doubting doubted: Int?) throws(PKCS11Error) {
        let (known, isOut) = state.withLock { ($0.pool, $0.outage != nil) }
        guard let pool = known else { return try openNow() }
        if let doubted { try pool.token.restore(after: doubted) }
        guard isOut else { return }
        let epoch = pool.token.epoch
        var absence: PKCS11Error?
        do throws(PKCS11Error) { try pool.token.confirm() } catch { absence = error }
        if let absence {
            do throws(PKCS11Error) { try pool.token.restore(after: epoch) } catch {
                // That the token is nowhere says less than what its slot answered.
                if case .tokenNotFound = error.fault { throw absence }
                throw error
            }
        }
        liftLimit()
    }

    private func openNow() throws(PKCS11Error) {
        guard !isClosed else { throw PKCS11Error.closed }
        let module = try Module.load(path: settings.module, environment: settings.environment)
        state.withLock { $0.module = module }
        let token = try Token(module: module, label: settings.label)
        try token.logIn(settings.pin)
        let info = try token.info()
        var sessions = max(1, settings.sessions)
        if let limit = info.sessionCountMax, limit <= sessions {
            sessions = max(1, limit - 1)
            log.info("token-sessions", "the token allows \(limit) sessions and one stays logged in; \(sessions) sign at most")
        }
        let now = clock.elapsed().seconds
        let width = state.withLock { state in
            state.finder.setLimit(sessions, at: now)
            return settings.fixedWidth ?? state.finder.width
        }
        let pool = SessionPool(
            token: token, sessionsMax: sessions, width: width,
            onLoss: { [log] error in log.warning("token-session-lost", "\(error)", [("advice", LogValue(error.advice.rawValue))]) },
            onShortage: { [weak self] error, ceiling in self?.gaveNoSession(error, ceiling) })
        state.withLock { $0.pool = pool }
        metrics.set(width: pool.width)
        log.info(
            "token-open", "",
            [
                ("label", LogValue(info.label)), ("model", LogValue(info.model)), ("serial", LogValue(info.serialNumber)),
                ("sessions", LogValue(sessions)), ("width", LogValue(pool.width)),
            ])
    }

    func retain() { state.withLock { $0.users += 1 } }

    /// Logs out after the last signer.
    func release() async {
        let last: (pool: SessionPool?, isLast: Bool) = state.withLock { state in
            state.users -= 1
            guard state.users == 0, !state.isClosed else { return (nil, false) }
            state.isClosed = true
            state.outage = Outage(state: .away, error: Self.closed(name))
            defer { state.pool = nil }
            return (state.pool, true)
        }
        guard last.isLast else { return }
        metrics.set(healthy: false)
        if let knee = state.withLock({ $0.finder.knee }) { await keep(knee) }
        guard let pool = last.pool else { return }
        await pool.close()
        await control.run { pool.token.close() }
        log.info("token-closed")
    }

    static func closed(_ name: String) -> SignerError {
        SignerError(token: name, reason: "the token is closed", remedy: "", isPermanent: true)
    }

    // MARK: - Readers

    /// Asks the token whether it is still there; where it is out, or has become so, everything that waits for it is tried at once.
    ///
    /// While that goes on already it is only done once more afterwards, and this returns: a token that hangs hangs one caller.
    func readersChanged() async {
        let isFirst = state.withLock { state in
            defer { (state.isChecking, state.mustCheckAgain) = (true, state.isChecking) }
            return !state.isChecking
        }
        guard isFirst else { return }
        var isDone = false
        while !isDone {
            await check()
            isDone = state.withLock { state in
                defer { (state.isChecking, state.mustCheckAgain) = (state.mustCheckAgain, false) }
                return !state.mustCheckAgain
            }
        }
    }

    private func check() async {
        let (pool, outage) = state.withLock { ($0.pool, $0.outage) }
        if let pool, outage == nil {
            do throws(PKCS11Error) { try await control.run { () throws(PKCS11Error) in try pool.token.confirm() } } catch {
                _ = wentOut(error, isOpening: true)
            }
        }
        let out = restartPauses()
        await prober.wake()
        for signer in out {
            // Whoever has the turn was just woken and probes.
            guard await prober.takeFreeTurn() else { return }
            _ = await signer.probe()
            await prober.endTurn()
        }
    }

    // MARK: - What is shown

    var status: TokenStatus {
        let now = clock.elapsed().seconds
        let (pool, reported, isKneeFound, rate) = state.withLock { state in
            (state.pool, state.reported, state.finder.isSettled, state.meter.perSecond(at: now))
        }
        let reason = reported.error.map { $0.remedy.isEmpty ? $0.reason : "\($0.reason); \($0.remedy)" }
        return TokenStatus(
            name: name, label: settings.label, state: reported.state, reason: reason ?? "", width: pool?.width ?? 1,
            isKneeFound: isKneeFound || settings.fixedWidth != nil, sessions: pool?.ceiling ?? settings.sessions, signaturesPerSecond: rate)
    }
}
