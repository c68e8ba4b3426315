internal import Dispatch
internal import OperatingSystem
internal import Synchronization

/// Sessions with one token, each on a lane of its own: what is given to the pool runs on the first lane that is free.
///
/// A lane is one serial Dispatch queue without a target and the one session that only this queue touches. Such a queue has a thread of its
/// own as soon as it works, so calls that block for milliseconds run as wide as lanes are let, and Swift's own threads are left alone. A
/// hop to a lane costs 10 to 40 us: give batches. A lane that has finished takes the next waiting batch without a hop.
///
/// `width` says how many lanes run at once; it may be set at any time and holds from the next batch on. Sessions are opened when a lane
/// first needs one. Where the token gives none (CKR_SESSION_COUNT, or no memory for one), the lane gives way: its work goes to a lane that
/// has a session, and the pool's `ceiling` sinks to the number of those.
public final class SessionPool: Sendable {
    public let token: Token
    /// How many lanes there are.
    public let sessionsMax: Int

    private let lanes: [Lane]
    private let state: Locked<State>
    private let rests = Atomic(0)
    private let pauses: [Duration]
    private let onShortage: @Sendable (PKCS11Error, Int) -> Void

    private struct State {
        /// As it was asked for; `ceiling` may hold it down.
        var width: Int
        var ceiling: Int
        var running = 0
        /// Lanes at rest, by number; the last one that has a session is the first to be used again.
        var idle: [Int]
        /// Batches that wait for a lane, oldest first. Bounded by the callers: each has one batch here and awaits it.
        var waiting = Waiting()
        var isClosed = false

        var hasRoom: Bool { running < min(width, ceiling) }
    }

    struct Work: Sendable {
        /// nil when the work is done and its caller knows; else why this lane has no session, and nothing has happened.
        let run: @Sendable (Lane) -> PKCS11Error?
        let fail: @Sendable (PKCS11Error) -> Void
    }

    /// - Parameters:
    ///   - sessionsMax: how many sessions there are at most; the one that stays logged in is not among them.
    ///   - width: how many lanes run at once to begin with; nil for all.
    ///   - retryPauses: how long a lane waits before it repeats what failed with `Advice.retry`, each time; that many times.
    ///   - onLoss: told, on a lane's thread, of each error that makes the pool open sessions again.
    ///   - onShortage: told, on a lane's thread, that the token gave no further session, and how many there are to sign with.
    public init(
        token: Token, sessionsMax: Int, width: Int? = nil, retryPauses: [Duration] = [.milliseconds(5), .milliseconds(20), .milliseconds(80)],
        onLoss: @escaping @Sendable (PKCS11Error) -> Void = { _ in }, onShortage: @escaping @Sendable (PKCS11Error, Int) -> Void = { _, _ in }
    ) {
        precondition(sessionsMax > 0)
        self.token = token
        self.sessionsMax = sessionsMax
        self.onShortage = onShortage
        pauses = retryPauses
        lanes = (0..<sessionsMax).map { Lane(token: token, label: "pkcs11.lane.\($0)", pauses: retryPauses, onLoss: onLoss) }
        state = Locked(State(width: max(1, min(width ?? sessionsMax, sessionsMax)), ceiling: sessionsMax, idle: Array((0..<sessionsMax).reversed())))
    }

    /// How many lanes run at once, 1 to `ceiling`. What is set beyond is held for the time when the ceiling rises.
    public var width: Int {
        get { state.withLock { min($0.width, $0.ceiling) } }
        set {
            let due = state.withLock { state in
                state.width = max(1, min(newValue, sessionsMax))
                let due = fill(&state)
                if state.hasRoom { rests.wrappingAdd(1, ordering: .relaxed) }
                return due
            }
            start(due)
        }
    }

    /// How many sessions the token gives to sign with, as far as is known: `sessionsMax` until it refused one.
    public var ceiling: Int { state.withLock { $0.ceiling } }

    /// Counts the times when a lane had nothing to do: between two equal readings work waited for lanes all the time. Costs nothing to ask.
    public var restCount: Int { rests.load(ordering: .relaxed) }

    /// Lets the pool ask for sessions again that the token refused: another program may have given some back.
    public func liftCeiling() {
        start(
            state.withLock { state in
                state.ceiling = sessionsMax
                return fill(&state)
            })
    }

    /// Runs the body with a session that is nobody else's meanwhile.
    ///
    /// What fails is treated as its code advises. `retry`: **the body runs again from its start** on the same session after a short pause, a
    /// few times. `reopenSession` and `logInAgain`: it runs again after the token was restored, twice at most (for an operation that was
    /// left active, once with a fresh session alone); handles that it found before are void, so it asks the session anew.
    /// `takeOutOfService`: the token is not used again by this program. `stop`: the error is thrown at once.
    /// Throws the error that is left, and `closed` after `close`.
    public func run<R: Sendable>(_ body: @escaping @Sendable (borrowing Session) throws(PKCS11Error) -> R) async throws(PKCS11Error) -> R {
        let result = await withUnsafeContinuation { (continuation: UnsafeContinuation<Result<R, PKCS11Error>, Never>) in
            let work = Work(
                run: { lane in
                    switch lane.perform(body) {
                    case .done(let result):
                        continuation.resume(returning: result)
                        return nil
                    case .noSession(let error): return error
                    }
                },
                fail: { continuation.resume(returning: .failure($0)) })
            if !submit(work) { work.fail(PKCS11Error(.closed)) }
        }
        return try result.get()
    }

    /// Takes nothing new, waits for what runs and waits in line, and closes the sessions. The token stays logged in.
    public func close() async {
        state.withLock { $0.isClosed = true }
        for lane in lanes {
            await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
                lane.queue.async {
                    lane.closeSession()
                    continuation.resume()
                }
            }
        }
    }

    // MARK: - Lanes and their work

    private func submit(_ work: Work) -> Bool {
        let due: [(Int, Work)]? = state.withLock { state in
            if state.isClosed { return nil }
            if state.hasRoom { rests.wrappingAdd(1, ordering: .relaxed) }
            state.waiting.append(work)
            return fill(&state)
        }
        guard let due else { return false }
        start(due)
        return true
    }

    /// Under the lock: lanes for what waits, as far as there is room.
    private func fill(_ state: inout State) -> [(Int, Work)] {
        var due: [(Int, Work)] = []
        while state.hasRoom, !state.idle.isEmpty, let work = state.waiting.popFirst() {
            let index = state.idle.lastIndex { lanes[$0].hasSession } ?? state.idle.count - 1
            due.append((state.idle.remove(at: index), work))
            state.running += 1
        }
        return due
    }

    private func start(_ due: [(Int, Work)]) {
        for (lane, work) in due { lanes[lane].queue.async { [self] in drive(lane, work) } }
    }

    /// On the lane's queue: the first piece of work, then whatever waits, until nothing does or the pool has become narrower.
    private func drive(_ lane: Int, _ first: Work) {
        var next: Work? = first
        var repeats = 0
        while let work = next {
            if let shortage = work.run(lanes[lane]) {
                if giveWay(lane, work, shortage) { return }
                // No lane has a session, so there is none to wait for; another program may give one back.
                if repeats < pauses.count {
                    pause(pauses[repeats])
                    repeats += 1
                    continue
                }
                work.fail(shortage)
            }
            repeats = 0
            next = state.withLock { state in
                if state.running <= min(state.width, state.ceiling) {
                    if let work = state.waiting.popFirst() { return work }
                    rests.wrappingAdd(1, ordering: .relaxed)
                }
                state.idle.append(lane)
                state.running -= 1
                return nil
            }
        }
    }

    /// The lane has no session and gets none: its work goes back to the front of the line.
    /// - Returns: false where no other lane has a session either.
    private func giveWay(_ lane: Int, _ work: Work, _ shortage: PKCS11Error) -> Bool {
        let outcome: (due: [(Int, Work)], ceiling: Int)? = state.withLock { state in
            let holders = lanes.count { $0.hasSession }
            guard holders > 0 else { return nil }
            state.ceiling = min(state.ceiling, holders)
            state.waiting.prepend(work)
            state.idle.insert(lane, at: 0)
            state.running -= 1
            return (fill(&state), state.ceiling)
        }
        guard let outcome else { return false }
        start(outcome.due)
        onShortage(shortage, outcome.ceiling)
        return true
    }
}

/// A queue that gives up its memory as it empties.
private struct Waiting {
    private var items: [SessionPool.Work?] = []
    private var head = 0

    mutating func append(_ work: SessionPool.Work) { items.append(work) }

    /// In front of all others.
    mutating func prepend(_ work: SessionPool.Work) {
        if head > 0 {
            head -= 1
            items[head] = work
        } else {
            items.insert(work, at: 0)
        }
    }

    mutating func popFirst() -> SessionPool.Work? {
        guard head < items.count else { return nil }
        let first = items[head]
        items[head] = nil
        head += 1
        if head == items.count {
            items.removeAll(keepingCapacity: head <= 64)
            head = 0
        }
        return first
    }
}
