import CMS
import FoundationEssentials
public import Log
public import Metrics
import OperatingSystem
public import SigningPipeline
import TimeStampProtocol

/// What stands between this process and one time-stamping authority, for all profiles and streams together: how many requests it gets at
/// once, how many in any span of time, and whether it is asked at all.
///
/// * **Requests under way** rise while more of them bring more stamps, up to `inFlightMax`, and fall on time-outs and slow answers.
/// * **Budget**: the configured rate, or what was learned from "429 Too Many Requests", is never exceeded in any window, by all workers of
///   the group together. `Retry-After` is obeyed.
/// * **Breaker**: an authority that fails is left alone, for pauses that grow; then one probe with a random imprint of its own is sent, when
///   somebody wants a stamp, before anybody's jobs go there again. One that lies, refuses or has another time is out at once, with an alert.
/// * **Memory**: breaker and budget outlive the process (`AuthorityMemory`).
///
/// Alerts are log events of level error: `timestamp-authority-out`, `timestamp-authority-still-out` (after a minute, two, four, …, with
/// `out_seconds`), `timestamp-authority-limits` (429). `timestamp-authority-back` ends them.
public final class Governor: Sendable {
    public struct Settings: Sendable {
        /// The bound of requests under way; how many are of use is found below it. The client's bound should be no less.
        public var inFlightMax = 64
        /// What the authority allows to all workers together; nil: no limit is known, and one is learned if it shows.
        public var budget: RequestRate?
        /// The longest pause between two probes while the authority is away.
        public var probePauseMax: Duration = .seconds(30)
        /// How long it may take until all workers know of a change in their group.
        public var settling: Duration = .seconds(10)

        public init() {}
    }

    /// The authority's, in the configuration.
    public let name: String
    let settings: Settings
    let asker: any TimeStampAsker
    let clock: PipelineClock
    let log: Log
    let metrics: GovernorMetrics
    let memory: AuthorityMemory?
    let state: Locked<State>

    struct State {
        var budget: Budget
        var breaker: Breaker
        var finder: InFlightFinder
        /// Requests without an answer, the probe among them.
        var inFlight = 0
        /// Stamps that are promised and wait, or have their document signed.
        var promised = 0
        var isClosed = false
        /// Why it is out, for people.
        var reason = ""
        var skew: Duration?
        /// Of the last jobs: what it is probed with.
        var algorithm = DigestAlgorithm.sha256
        /// How long it was out at the last alert.
        var alertedAfter = Duration.zero
        var timer: Timer?
        var timers: UInt64 = 0
        var listeners: [@Sendable () -> Void] = []
        var turn = 0
        var membersByStream: [String: Int] = [:]

        var width: Int { budget.isOnTrial ? 1 : finder.width }
    }

    struct Timer {
        let number: UInt64
        let due: Duration
        let task: Task<Void, Never>
    }

    /// - Parameter memory: shared by all governors of the process; nil begins anew each time.
    public convenience init(
        _ client: TimeStampClient, _ settings: Settings = Settings(), memory: AuthorityMemory? = nil, clock: PipelineClock = .system,
        metrics: Metrics, log: Log
    ) {
        self.init(asking: client, settings, memory: memory, clock: clock, metrics: metrics, log: log)
    }

    init(
        asking asker: any TimeStampAsker, _ settings: Settings, memory: AuthorityMemory?, clock: PipelineClock, metrics: Metrics, log: Log
    ) {
        name = asker.name
        self.settings = settings
        self.asker = asker
        self.clock = clock
        self.memory = memory
        self.log = log.with([("authority", .text(asker.name))])
        self.metrics = GovernorMetrics(metrics, asker.name)
        var state = State(
            budget: Budget(settings.budget, settling: settings.settling), breaker: Breaker(awayPauseMax: settings.probePauseMax),
            finder: InFlightFinder(most: settings.inFlightMax))
        if let record = memory?.record(of: asker.name) { state.restore(record, clock) }
        self.metrics.show(&state, at: clock.elapsed())
        self.state = Locked(state)
    }

    /// So many workers of this stream's group divide the budget from now on; of several streams the greatest number holds.
    public func share(among members: Int, in stream: String) {
        state.withLock { state in
            state.membersByStream[stream] = members
            let now = clock.elapsed()
            state.budget.divide(among: state.membersByStream.values.max() ?? 1, at: now)
            metrics.show(&state, at: now)
        }
        notify()
    }

    /// Ends everything: whoever waits for this authority alone gets a `CancellationError`.
    public func close() async {
        let timer = state.withLock { state in
            state.isClosed = true
            defer { state.timer = nil }
            return state.timer
        }
        timer?.task.cancel()
        await asker.close()
        notify()
        await remember(isUrgent: true)
    }
}

// MARK: - For the groups

extension Governor {
    /// A request that may be sent now.
    struct Ticket: Sendable {
        let sent: Duration
        /// Whether it took the last place.
        let wasFull: Bool
    }

    enum Turn: Sendable {
        case taken(Ticket)
        /// All places are taken: an answer will free one.
        case busy
        /// The budget is spent for now.
        case spent
        /// The breaker is open, or the authority asked to be left alone.
        case out
    }

    /// Promises up to `wanted` requests: few more than are under way, and none beyond the budget.
    func promise(_ wanted: Int) -> Int {
        guard wanted > 0 else { return 0 }
        let granted = state.withLock { state -> Int? in
            let now = clock.elapsed()
            guard !state.isClosed else { return 0 }
            guard state.breaker.isClosed else { return nil }
            let room = min(Self.promisesMax(state.width) - state.promised - state.inFlight, state.budget.left(at: now) - state.promised)
            let granted = max(0, min(wanted, room))
            state.promised += granted
            return granted
        }
        if granted == nil { awaken() }
        return granted ?? 0
    }

    /// For a stamp that has its promise, and comes from elsewhere or after a failure.
    func promiseAnyway() { state.withLock { $0.promised += 1 } }

    func unpromise(_ count: Int) { state.withLock { $0.promised -= count } }

    /// - Parameter isPromised: one of the promises is used; else only what no promise holds is given.
    func take(isPromised: Bool) -> Turn {
        state.withLock { state in
            let now = clock.elapsed()
            guard !state.isClosed, state.breaker.isClosed, !state.budget.isHeld(at: now) else { return .out }
            guard state.inFlight < state.width else { return .busy }
            guard isPromised || state.budget.left(at: now) > state.promised, state.budget.take(at: now) else { return .spent }
            state.inFlight += 1
            if isPromised { state.promised -= 1 }
            return .taken(Ticket(sent: now, wasFull: state.inFlight == state.width))
        }
    }

    /// The request is not sent after all.
    func giveBack(_ ticket: Ticket) {
        state.withLock { state in
            state.inFlight -= 1
            state.budget.giveBack()
        }
        notify()
    }

    var isClosed: Bool { state.withLock { $0.isClosed } }

    /// Whether it is asked at all now.
    var isIn: Bool { state.withLock { !$0.isClosed && $0.breaker.isClosed && !$0.budget.isHeld(at: clock.elapsed()) } }

    /// Called whenever a stamp may be asked for that could not be before. Takes no lock of this object's while it calls.
    func listen(_ listener: @escaping @Sendable () -> Void) { state.withLock { $0.listeners.append(listener) } }

    func notify() {
        let listeners = state.withLock { state in
            // Another one is first each time: no group lives from what another leaves
            state.turn &+= 1
            let first = state.listeners.isEmpty ? 0 : state.turn % state.listeners.count
            return state.listeners[first...] + state.listeners[..<first]
        }
        for listener in listeners { listener() }
    }

    /// Somebody waits: what time alone can change is looked at when it has.
    func awaken() {
        state.withLock { state in
            guard !state.isClosed else { return }
            let now = clock.elapsed()
            switch state.breaker.state {
            case .probing: return
            case .open(let until):
                // Without an opening in sight an answer or another share brings the next look.
                guard let opening = state.budget.opening(at: now) else { return }
                arm(&state, due: max(until, opening), at: now)
            case .closed:
                guard let due = state.budget.opening(at: now), due > now else { return }
                arm(&state, due: due, at: now)
            }
        }
    }

    /// How many promises may be out at once: enough to keep all places filled while documents are signed.
    static func promisesMax(_ width: Int) -> Int { 4 * width + 4 }

    private func arm(_ state: inout State, due: Duration, at now: Duration) {
        if let timer = state.timer {
            guard due < timer.due else { return }
            timer.task.cancel()
        }
        state.timers += 1
        let number = state.timers
        state.timer = Timer(
            number: number, due: due,
            task: Task { [clock, weak self] in
                try? await clock.sleep(due - now)
                await self?.timeIsUp(number)
            })
    }

    private func timeIsUp(_ number: UInt64) async {
        let (isDue, probe) = state.withLock { state -> (Bool, Ticket?) in
            guard state.timer?.number == number else { return (false, nil) }
            state.timer = nil
            let now = clock.elapsed()
            guard !state.isClosed, !state.breaker.isClosed, state.budget.left(at: now) > 0, state.breaker.takeProbe(at: now) else {
                return (true, nil)
            }
            _ = state.budget.take(at: now)
            state.inFlight += 1
            return (true, Ticket(sent: now, wasFull: false))
        }
        guard isDue else { return }
        if let probe { await self.probe(probe) } else { notify() }
    }
}
