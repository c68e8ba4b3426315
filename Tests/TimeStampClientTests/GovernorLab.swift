import CMS
import Foundation
import Log
import Metrics
import OperatingSystem
import SigningPipeline
import SigningTestKit
import Testing
import TimeStampProtocol

@testable import TimeStampClient

/// Time that passes only when nobody has anything to do: then it jumps to where the next sleeper wakes. So an afternoon takes a second.
final class VirtualTime: Sendable {
    private struct State {
        var now = Duration.zero
        var sleepers: [UInt64: (until: Duration, continuation: CheckedContinuation<Void, any Error>)] = [:]
        var lastID: UInt64 = 0
        /// Grows with each look at the clock: whoever works, looks.
        var activity: UInt64 = 0
        /// Sleepers that were woken and have not run yet.
        var waking = 0
    }

    static let origin = Date(timeIntervalSince1970: 1_790_000_000)
    private let state = Locked(State())
    /// What works without looking at the clock.
    private let busy = Locked<[@Sendable () -> Bool]>([])

    /// Time does not pass while this is so.
    func waits(while isBusy: @escaping @Sendable () -> Bool) { busy.withLock { $0.append(isBusy) } }

    var now: Duration { state.withLock { $0.now } }
    var sleepers: Int { state.withLock { $0.sleepers.count } }

    var clock: PipelineClock {
        PipelineClock(
            wall: { Self.origin.addingTimeInterval(self.look() / .seconds(1)) }, elapsed: { self.look() },
            sleep: { try await self.sleep($0) })
    }

    func sleep(_ duration: Duration) async throws {
        let id = state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
        defer {
            state.withLock { state in
                state.activity += 1
                state.waking -= 1
            }
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                state.withLock { state in
                    state.activity += 1
                    state.sleepers[id] = (state.now + max(.zero, duration), continuation)
                }
                if Task.isCancelled { wake(id, by: CancellationError()) }
            }
        } onCancel: {
            wake(id, by: CancellationError())
        }
    }

    /// Runs the body, and time along with it.
    func run<T: Sendable>(_ body: @escaping @Sendable () async throws -> T) async throws -> T {
        let outcome = Locked<Result<T, any Error>?>(nil)
        let task = Task {
            do {
                let value = try await body()
                outcome.withLock { $0 = .success(value) }
            } catch {
                outcome.withLock { $0 = .failure(error) }
            }
        }
        let deadline = ContinuousClock.now + .seconds(100)
        while true {
            await settle()
            if let outcome = outcome.withLock({ $0 }) { return try outcome.get() }
            guard ContinuousClock.now < deadline else {
                task.cancel()
                throw Stuck(now: now, sleepers: sleepers)
            }
            advance()
        }
    }

    struct Stuck: Error { let now: Duration, sleepers: Int }

    /// Until nobody has looked at the clock for a while: for so many turns of the scheduler, and, as a thread may lose its core in the middle of
    /// its work, for some real time that grows with the jump ahead.
    private func settle() async {
        var quiet = 0
        var seen: UInt64 = 0
        var since = ContinuousClock.now
        while true {
            await Task.yield()
            let (activity, waking) = state.withLock { ($0.activity, $0.waking) }
            let isBusy = waking > 0 || busy.withLock { $0 }.contains { $0() }
            if activity != seen || isBusy {
                (quiet, seen, since) = (0, activity, .now)
                continue
            }
            quiet += 1
            guard quiet >= 25 else { continue }
            let jump = state.withLock { state in (state.sleepers.values.lazy.map(\.until).min() ?? state.now) - state.now }
            let quietFor = ContinuousClock.now - since
            let wanted = min(.milliseconds(30), jump / 200)
            if quietFor >= wanted { return }
            // The processor is for those who work.
            if wanted > .milliseconds(1) { try? await Task.sleep(for: .milliseconds(1)) }
        }
    }

    private func advance() {
        let due = state.withLock { state -> [CheckedContinuation<Void, any Error>] in
            guard let next = state.sleepers.values.map(\.until).min() else { return [] }
            state.now = max(state.now, next)
            let due = state.sleepers.filter { $0.value.until <= next }
            for id in due.keys { state.sleepers[id] = nil }
            state.waking += due.count
            return due.sorted { $0.key < $1.key }.map(\.value.continuation)
        }
        for continuation in due { continuation.resume() }
    }

    private func look() -> Duration {
        state.withLock { state in
            state.activity += 1
            return state.now
        }
    }

    private func wake(_ id: UInt64, by error: any Error) {
        let sleeper = state.withLock { state in
            state.activity += 1
            let sleeper = state.sleepers.removeValue(forKey: id)
            if sleeper != nil { state.waking += 1 }
            return sleeper
        }
        sleeper?.continuation.resume(throwing: error)
    }
}

/// An authority in virtual time that does what a test says. Its token is a real one, always the same: what governs does not look into it.
final class SimulatedAuthority: TimeStampAsker {
    enum Reply: Sendable {
        case grant(after: Duration = .milliseconds(20), skew: Duration = .zero)
        case fault(String, after: Duration = .milliseconds(20), status: Int? = nil, retryAfter: Duration? = nil, skew: Duration? = nil)

        static let dead = Reply.fault("unreachable", after: .milliseconds(1))
        static let timeout = Reply.fault("timeout", after: .seconds(10))
        static func status(_ status: Int, retryAfter: Duration? = nil) -> Reply {
            .fault("http-status", status: status, retryAfter: retryAfter)
        }
    }

    let name: String
    private let time: VirtualTime
    private let script: Locked<@Sendable (_ number: Int, _ now: Duration, _ granted: [Duration]) -> Reply>
    private let seen = Locked(Seen())

    private struct Seen {
        var arrivals: [Duration] = []
        var granted: [Duration] = []
        var inFlight = 0
        var inFlightMost = 0
        var imprints: [MessageImprint] = []
        var isClosed = false
    }

    init(
        _ name: String, _ time: VirtualTime,
        script: @escaping @Sendable (_ number: Int, _ now: Duration, _ granted: [Duration]) -> Reply = { _, _, _ in .grant() }
    ) {
        self.name = name
        self.time = time
        self.script = Locked(script)
    }

    /// From its next request on.
    func follow(_ script: @escaping @Sendable (_ number: Int, _ now: Duration, _ granted: [Duration]) -> Reply) {
        self.script.withLock { $0 = script }
    }

    /// When requests came in.
    var arrivals: [Duration] { seen.withLock { $0.arrivals } }
    var granted: Int { seen.withLock { $0.granted.count } }
    var inFlightMost: Int { seen.withLock { $0.inFlightMost } }
    var imprints: [MessageImprint] { seen.withLock { $0.imprints } }
    var isClosed: Bool { seen.withLock { $0.isClosed } }

    func ask(_ imprint: MessageImprint) async throws(TimeStampAuthorityError) -> AuthorityAnswer {
        guard !isClosed else { throw TimeStampAuthorityError(authority: name, fault: "closed", reason: "closed", remedy: "") }
        let (number, now, granted) = seen.withLock { seen in
            seen.arrivals.append(time.now)
            seen.imprints.append(imprint)
            seen.inFlight += 1
            seen.inFlightMost = max(seen.inFlightMost, seen.inFlight)
            return (seen.arrivals.count, time.now, seen.granted)
        }
        let reply = script.withLock { $0 }(number, now, granted)
        defer { seen.withLock { $0.inFlight -= 1 } }
        let after: Duration
        switch reply {
        case .grant(let latency, _):
            after = latency
            seen.withLock { $0.granted.append(now) }
        case .fault(_, let latency, _, _, _): after = latency
        }
        do { try await time.sleep(after) } catch {
            throw TimeStampAuthorityError(authority: name, fault: "cancelled", reason: "cancelled", remedy: "")
        }
        switch reply {
        case .grant(_, let skew): return AuthorityAnswer(token: Self.token, skew: skew)
        case .fault(let fault, _, let status, let retryAfter, let skew):
            throw TimeStampAuthorityError(
                authority: name, fault: fault, reason: "scripted \(fault) \(status ?? 0)", remedy: "none", status: status, retryAfter: retryAfter,
                skew: skew)
        }
    }

    func close() async { seen.withLock { $0.isClosed = true } }

    /// "N in W, then 429 (and Retry-After)", by a sliding window over what was granted.
    static func limited(to count: Int, in window: Duration, retryAfter: Duration?) -> @Sendable (Int, Duration, [Duration]) -> Reply {
        { _, now, granted in
            granted.filter { $0 > now - window }.count < count ? .grant() : .status(429, retryAfter: retryAfter)
        }
    }

    private static let token: TimeStampToken = {
        let imprint = MessageImprint(of: [1], by: .sha256)
        let authority = LocalTimeStampAuthority(SigningTestKit.TestPKI.shared.authority)
        return try! TimeStampToken.check(authority.token(imprint, serialNumber: 1), imprint: imprint) { _, _, _ in nil }
    }()
}

/// What a test of governors needs.
struct GovernorLab: Sendable {
    let time = VirtualTime()
    let metrics = Metrics()
    private let events = Locked<[LogEvent]>([])

    var log: Log { Log(minimum: .debug) { [events] event in events.withLock { $0.append(event) } } }
    /// The names of what was reported with level error.
    var alerts: [String] { events.withLock { $0.filter { $0.level == .error }.map(\.event) } }
    func events(_ name: String) -> [LogEvent] { events.withLock { $0.filter { $0.event == name } } }

    func governor(
        _ authority: SimulatedAuthority, inFlight: Int = 16, budget: RequestRate? = nil, settling: Duration = .seconds(2),
        memory: AuthorityMemory? = nil
    ) -> Governor {
        var settings = Governor.Settings()
        settings.inFlightMax = inFlight
        settings.budget = budget
        settings.settling = settling
        return Governor(asking: authority, settings, memory: memory, clock: time.clock, metrics: metrics, log: log)
    }

    func group(_ governors: [Governor], weights: [Int]? = nil, hedgeAfter: Duration? = nil) -> AuthorityGroup {
        let members = governors.enumerated().map { AuthorityGroup.Member($1, weight: weights?[$0]) }
        return AuthorityGroup(members, hedgeAfter: hedgeAfter, clock: time.clock, metrics: metrics, log: log)
    }

    /// Time waits for its file.
    func memory(_ path: String) -> AuthorityMemory {
        let memory = AuthorityMemory(path: path)
        time.waits { memory.isWriting }
        return memory
    }

    /// Asks for so many stamps as a pipeline does: as many at once as are promised.
    /// - Returns: how many each authority made, and the most promises that were out at once.
    func stamp(_ count: Int, by group: AuthorityGroup, poll: Duration = .milliseconds(50)) async throws -> (by: [String: Int], promisesMost: Int) {
        let out = Locked(0)
        var most = 0
        let by = try await withThrowingTaskGroup(of: String.self) { tasks in
            var begun = 0
            while begun < count {
                let some = group.reserve(count - begun)
                begun += some
                most = max(
                    most,
                    out.withLock { out in
                        out += some
                        return out
                    })
                for _ in 0..<some {
                    tasks.addTask {
                        defer { out.withLock { $0 -= 1 } }
                        return try await group.timeStamp(Self.imprint) { true }.authority
                    }
                }
                if begun < count { try await time.sleep(poll) }
            }
            var by: [String: Int] = [:]
            for try await authority in tasks { by[authority, default: 0] += 1 }
            return by
        }
        return (by, most)
    }

    static let imprint = MessageImprint(of: [7], by: .sha256)
}

/// The most of these moments that lie in one window of this length.
func mostInAnyWindow(_ moments: [Duration], _ window: Duration) -> Int {
    let sorted = moments.sorted()
    var most = 0
    var first = 0
    for (index, moment) in sorted.enumerated() {
        while sorted[first] <= moment - window { first += 1 }
        most = max(most, index - first + 1)
    }
    return most
}
