public import Log
public import Metrics
import OperatingSystem
public import SigningPipeline
public import TimeStampProtocol

/// The authorities of a profile: which of them stamps, and what happens while none can.
///
/// Without weights the first that can take more is asked, in the order given; with weights those that can take more share the stamps in
/// proportion. A stamp that one authority fails to give goes to another, or waits, by a continuation, for the first that can: never longer than
/// needed, and with no request that a governor would not let pass. Waiting stamps are bounded by the governors' promises.
///
/// With `hedgeAfter`, a request without an answer by then is sent to another authority too, if that one can take it at once; the first
/// good answer wins, and the other only counts.
///
/// A stamp that fails again and again while its authorities serve others waits longer each time, and is reported
/// (`timestamp-request-stuck`). Metric: `tanba_timestamp_hedges_total{authority,outcome}`, the second authority, `won` or `lost`.
public final class AuthorityGroup: TimeStampAuthority {
    public struct Member: Sendable {
        public var governor: Governor
        /// Of all members or of none.
        public var weight: Int?

        public init(_ governor: Governor, weight: Int? = nil) { (self.governor, self.weight) = (governor, weight) }
    }

    public let name: String
    let governors: [Governor]
    let hedgeAfter: Duration?
    let clock: PipelineClock
    let hedges: Counter
    private let log: Log
    private let weights: [Int]?
    private let state: Locked<State>

    private struct State {
        /// Promises that nobody uses yet, by authority.
        var promises: [Int]
        /// For weights: how much each is behind its part.
        var credits: [Int]
        var waiters: [Waiter] = []
        var lastID: UInt64 = 0
    }

    /// A stamp whose turn has not come.
    private struct Waiter {
        let id: UInt64
        /// The authority whose promise it has.
        var account: Int
        let continuation: CheckedContinuation<Turn?, Never>
    }

    /// Leave to send one request.
    struct Turn: Sendable {
        let index: Int
        let ticket: Governor.Ticket
    }

    /// - Precondition: at least one member; weights, if any, for all and positive.
    /// - Parameter hedgeAfter: nil never asks two at once.
    public init(_ members: [Member], hedgeAfter: Duration? = nil, clock: PipelineClock = .system, metrics: Metrics, log: Log) {
        precondition(!members.isEmpty, "a group without an authority")
        let weights = members.compactMap(\.weight)
        precondition(weights.isEmpty || weights.count == members.count && weights.allSatisfy { $0 > 0 }, "weights of authorities")
        governors = members.map(\.governor)
        name = governors.map(\.name).joined(separator: ", ")
        self.weights = weights.isEmpty ? nil : weights
        self.hedgeAfter = governors.count > 1 ? hedgeAfter : nil
        self.clock = clock
        self.log = log
        hedges = metrics.counter(
            "tanba_timestamp_hedges_total", help: "Requests that a second authority was asked too, by whether its answer came first.",
            labels: ["authority", "outcome"])
        let none = members.map { _ in 0 }
        state = Locked(State(promises: none, credits: none))
        for governor in governors { governor.listen { [weak self] in self?.dispatch() } }
    }

    public var obstacle: String? {
        var obstacles: [String] = []
        for governor in governors {
            guard let obstacle = governor.obstacle else { return nil }
            obstacles.append(obstacle)
        }
        return obstacles.joined(separator: "; ")
    }

    public func reserve(_ wanted: Int) -> Int {
        guard wanted > 0 else { return 0 }
        return state.withLock { state in
            var granted = 0
            guard let weights else {
                for (index, governor) in governors.enumerated() where granted < wanted {
                    let some = governor.promise(wanted - granted)
                    state.promises[index] += some
                    granted += some
                }
                return granted
            }
            var open = Array(governors.indices)
            while granted < wanted, !open.isEmpty {
                // Who is furthest behind its part; all others get a little nearer to theirs.
                let first = open.max { state.credits[$0] + weights[$0] < state.credits[$1] + weights[$1] }!
                guard governors[first].promise(1) == 1 else {
                    open.removeAll { $0 == first }
                    continue
                }
                for index in open { state.credits[index] += weights[index] }
                state.credits[first] -= open.reduce(0) { $0 + weights[$1] }
                state.promises[first] += 1
                granted += 1
            }
            // Nobody saves up while it is out.
            for index in governors.indices where !open.contains(index) { state.credits[index] = 0 }
            return granted
        }
    }

    public func release(_ count: Int) {
        guard count > 0 else { return }
        let freed = state.withLock { state in
            var left = count
            var freed: [Int] = []
            for index in governors.indices.reversed() where left > 0 && state.promises[index] > 0 {
                let some = min(left, state.promises[index])
                state.promises[index] -= some
                governors[index].unpromise(some)
                freed.append(index)
                left -= some
            }
            return freed
        }
        for index in freed { governors[index].notify() }
    }

    public func timeStamp(_ imprint: MessageImprint, isWanted: @Sendable () async -> Bool) async throws -> Stamp {
        var account = takePromise()
        var failures = 0
        while true {
            let turn = try await turn(account)
            guard !Task.isCancelled, await isWanted() else {
                governors[turn.index].giveBack(turn.ticket)
                throw CancellationError()
            }
            let (index, result) = await request(imprint, turn)
            switch result {
            case .success(let answer): return Stamp(token: answer.token, authority: governors[index].name)
            case .failure(let error):
                failures += 1
                account = nextAccount(after: index)
                do {
                    try await pause(after: failures, error)
                } catch {
                    governors[account].unpromise(1)
                    throw error
                }
            }
        }
    }

    public func share(among members: Int, in stream: String) {
        for governor in governors { governor.share(among: members, in: stream) }
    }

    // MARK: - Turns

    /// - Returns: whose promise is used. One that was never made is made up: the stamp is counted all the same.
    private func takePromise() -> Int {
        state.withLock { state in
            if let index = state.promises.firstIndex(where: { $0 > 0 }) {
                state.promises[index] -= 1
                return index
            }
            governors[0].promiseAnyway()
            return 0
        }
    }

    /// Where a stamp waits after a failure: at another authority that is in, if there is one.
    private func nextAccount(after failed: Int) -> Int {
        let next = governors.indices.first { $0 != failed && governors[$0].isIn } ?? failed
        governors[next].promiseAnyway()
        return next
    }

    /// Once may be chance. After that a stamp waits: its authority may be in for all others, and would be asked as fast as it fails. One that is
    /// rejected waits for longer than an authority that rejects is left alone, so that the others have their time.
    private func pause(after failures: Int, _ error: TimeStampAuthorityError) async throws {
        try Task.checkCancellation()
        if failures >= 8, failures & (failures - 1) == 0 {
            log.error("timestamp-request-stuck", "\(error)", [("authorities", LogValue(name)), ("failures", LogValue(failures))])
        }
        let pause: Duration
        if error.cause == .rejecting, failures >= governors.count {
            pause = min(.seconds(3600), .seconds(60) * (1 << min(failures - governors.count, 16)))
        } else if failures > 1 {
            pause = min(.seconds(30), .milliseconds(100) * (1 << min(failures - 2, 16)))
        } else {
            return
        }
        try await clock.sleep(pause * Double.random(in: 0.8...1.2))
    }

    /// Waits until a request may be sent.
    /// - Throws: `CancellationError`, when cancelled or when all authorities are closed; then the promise has been given back.
    private func turn(_ account: Int) async throws -> Turn {
        let id = state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
        let turn = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                state.withLock { $0.waiters.append(Waiter(id: id, account: account, continuation: continuation)) }
                if Task.isCancelled { leave(id) }
                dispatch()
            }
        } onCancel: {
            leave(id)
        }
        guard let turn else { throw CancellationError() }
        return turn
    }

    private func leave(_ id: UInt64) {
        let waiter = state.withLock { state -> Waiter? in
            guard let index = state.waiters.firstIndex(where: { $0.id == id }) else { return nil }
            return state.waiters.remove(at: index)
        }
        guard let waiter else { return }
        governors[waiter.account].unpromise(1)
        waiter.continuation.resume(returning: nil)
    }

    /// Gives leave to those who wait, in order, as far as the governors let them pass.
    private func dispatch() {
        let (resumed, isAnyLeft) = state.withLock { state -> ([(CheckedContinuation<Turn?, Never>, Turn?)], Bool) in
            guard !state.waiters.isEmpty else { return ([], false) }
            if governors.allSatisfy(\.isClosed) {
                defer { state.waiters = [] }
                return (state.waiters.map { ($0.continuation, nil) }, false)
            }
            var round = Round(governors)
            var resumed: [(CheckedContinuation<Turn?, Never>, Turn?)] = []
            var left: [Waiter] = []
            for var waiter in state.waiters {
                if let turn = round.turn(for: &waiter.account) {
                    resumed.append((waiter.continuation, turn))
                } else {
                    left.append(waiter)
                }
            }
            state.waiters = left
            return (resumed, !left.isEmpty)
        }
        for (continuation, turn) in resumed { continuation.resume(returning: turn) }
        if isAnyLeft {
            for governor in governors { governor.awaken() }
        }
    }
}

/// One look at all governors: who said no once is not asked again.
private struct Round {
    private let governors: [Governor]
    /// What each said to those with its promise, and to others.
    private var own: [Governor.Turn?]
    private var extra: [Governor.Turn?]

    init(_ governors: [Governor]) {
        self.governors = governors
        own = governors.map { _ in nil }
        extra = own
    }

    /// - Parameter account: whose promise the stamp has; moved where that one is out and another is in.
    mutating func turn(for account: inout Int) -> AuthorityGroup.Turn? {
        let home = account
        if own[home] == nil {
            let answer = governors[home].take(isPromised: true)
            if case .taken(let ticket) = answer { return AuthorityGroup.Turn(index: home, ticket: ticket) }
            own[home] = answer
        }
        if case .busy = own[home] { return nil }
        var refuge: Int?
        for index in governors.indices where index != home {
            if extra[index] == nil {
                let answer = governors[index].take(isPromised: false)
                if case .taken(let ticket) = answer {
                    governors[home].unpromise(1)
                    return AuthorityGroup.Turn(index: index, ticket: ticket)
                }
                extra[index] = answer
            }
            if refuge == nil, let answer = extra[index] {
                if case .out = answer {} else { refuge = index }
            }
        }
        if case .out = own[home], let refuge {
            governors[home].unpromise(1)
            governors[refuge].promiseAnyway()
            account = refuge
        }
        return nil
    }
}
