internal import Dispatch
internal import OperatingSystem

/// Sessions with one token, each on a lane of its own: what is given to the pool runs on the first lane that is free.
///
/// A lane is one serial Dispatch queue without a target and the one session that only this queue touches. Such a queue has a thread of its
/// own as soon as it works, so calls that block for milliseconds run as wide as there are lanes, and Swift's own threads are left alone. A
/// hop to a lane costs 10 to 40 us: give batches. A lane that has finished takes the next waiting batch without a hop.
public final class SessionPool: Sendable {
    public let token: Token
    /// How many lanes there are; sessions are opened when they are first needed.
    public let width: Int

    private let state: Locked<State>
    private let lanes: [Lane]

    private struct State {
        /// Lanes at rest, by number; the last one used is the first to be used again (its session is warm).
        var idle: [Int]
        /// Batches that wait for a lane, oldest first. Bounded by the callers: each has one batch here and awaits it.
        var waiting = Waiting()
        var isClosed = false
    }

    typealias Work = @Sendable (Lane) -> Void

    /// - Parameter onLoss: told, on a lane's thread, of each error that makes the pool open sessions again.
    public init(token: Token, sessions: Int, onLoss: @escaping @Sendable (PKCS11Error) -> Void = { _ in }) {
        precondition(sessions > 0)
        self.token = token
        width = sessions
        lanes = (0..<sessions).map { Lane(token: token, label: "pkcs11.lane.\($0)", onLoss: onLoss) }
        state = Locked(State(idle: Array((0..<sessions).reversed())))
    }

    /// Runs the body with a session that is nobody else's meanwhile.
    ///
    /// A session that is lost (whatever the error calls it: `Advice.reopenSession`, `logInAgain`) is opened again after the token was
    /// restored, and **the body runs again from its start**, twice at most; handles that it found before are void, so it asks the session
    /// anew. Throws the error that is left, and `closed` after `close`.
    public func run<R: Sendable>(_ body: @escaping @Sendable (borrowing Session) throws(PKCS11Error) -> R) async throws(PKCS11Error) -> R {
        let result = await withUnsafeContinuation { (continuation: UnsafeContinuation<Result<R, PKCS11Error>, Never>) in
            let work: Work = { lane in continuation.resume(returning: lane.perform(body)) }
            if !submit(work) { continuation.resume(returning: .failure(PKCS11Error(.closed))) }
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

    private func submit(_ work: @escaping Work) -> Bool {
        let lane: Int? = state.withLock { state in
            if state.isClosed { return -1 }
            if let lane = state.idle.popLast() { return lane }
            state.waiting.append(work)
            return nil
        }
        guard let lane else { return true }
        guard lane >= 0 else { return false }
        lanes[lane].queue.async { [self] in drive(lane, work) }
        return true
    }

    /// On the lane's queue: the first piece of work, then whatever waits, until nothing does.
    private func drive(_ lane: Int, _ first: @escaping Work) {
        var next: Work? = first
        while let work = next {
            work(lanes[lane])
            next = state.withLock { state in
                if let work = state.waiting.popFirst() { return work }
                state.idle.append(lane)
                return nil
            }
        }
    }
}

/// A queue that gives up its memory as it empties.
private struct Waiting {
    private var items: [SessionPool.Work?] = []
    private var head = 0

    mutating func append(_ work: @escaping SessionPool.Work) { items.append(work) }

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

/// Sendable: `session` is touched on `queue` only.
final class Lane: @unchecked Sendable {
    let queue: DispatchQueue
    private let token: Token
    private let onLoss: @Sendable (PKCS11Error) -> Void
    private var session: Session?

    init(token: Token, label: String, onLoss: @escaping @Sendable (PKCS11Error) -> Void) {
        self.token = token
        self.onLoss = onLoss
        queue = DispatchQueue(label: label)
    }

    func closeSession() { session = nil }

    /// The body with this lane's session, again after a loss; see `SessionPool.run`.
    func perform<R>(_ body: (borrowing Session) throws(PKCS11Error) -> R) -> Result<R, PKCS11Error> {
        dispatchPrecondition(condition: .onQueue(queue))
        var repeats = 0
        while true {
            let epoch = token.epoch
            do throws(PKCS11Error) {
                return .success(try once(body, epoch: epoch))
            } catch {
                guard error.isLoss, repeats < 2 else { return .failure(error) }
                repeats += 1
                onLoss(error)
                do throws(PKCS11Error) { try token.restore(after: epoch) } catch { return .failure(error) }
            }
        }
    }

    /// The session is kept for the next batch unless the body failed: then what state it is in is anybody's guess.
    private func once<R>(_ body: (borrowing Session) throws(PKCS11Error) -> R, epoch: Int) throws(PKCS11Error) -> R {
        let session: Session
        if let kept = self.session.take(), kept.epoch == epoch { session = kept } else { session = try token.openSession() }
        let answer = try body(session)
        self.session = consume session
        return answer
    }
}

extension PKCS11Error {
    var isLoss: Bool { advice == .reopenSession || advice == .logInAgain }
}
