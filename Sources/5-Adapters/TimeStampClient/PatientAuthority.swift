public import Log
import OperatingSystem
public import SigningPipeline
public import TimeStampProtocol

/// One authority that is asked until it answers: while it is away one request probes with growing pauses, all others wait.
public final class PatientAuthority: TimeStampAuthority {
    public let name: String
    private let client: TimeStampClient
    private let clock: PipelineClock
    private let log: Log
    private let promisesMax: Int
    private let state = Locked(State())

    private struct State {
        var promises = 0
        var outage: String?
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    public init(_ client: TimeStampClient, promisesMax: Int, clock: PipelineClock = .system, log: Log) {
        name = client.name
        self.client = client
        self.clock = clock
        self.log = log
        self.promisesMax = promisesMax
    }

    public var obstacle: String? { state.withLock { $0.outage } }

    public func reserve(_ wanted: Int) -> Int {
        state.withLock { state in
            guard state.outage == nil else { return 0 }
            let granted = max(0, min(wanted, promisesMax - state.promises))
            state.promises += granted
            return granted
        }
    }

    public func release(_ count: Int) { state.withLock { $0.promises -= count } }

    public func timeStamp(_ imprint: MessageImprint, isWanted: @Sendable () async -> Bool) async throws -> Stamp {
        defer { release(1) }
        var failures = 0
        defer { if failures > 0 { comeIn() } }
        while true {
            try Task.checkCancellation()
            guard await isWanted() else { throw CancellationError() }
            if failures == 0, await !waitUntilIn() { continue }
            do throws(TimeStampAuthorityError) {
                return Stamp(token: try await client.timeStamp(imprint), authority: name)
            } catch {
                if failures == 0, !goOut(error) { continue }
                failures += 1
            }
            try await clock.sleep(min(.seconds(10), .milliseconds(100) * (1 << min(failures, 16))) * Double.random(in: 0.1...1))
        }
    }

    public func share(among members: Int, in stream: String) {}

    /// - Returns: false after a wait, when the caller looks again.
    private func waitUntilIn() async -> Bool {
        guard obstacle != nil else { return true }
        await withCheckedContinuation { continuation in
            let isOut = state.withLock { state in
                guard state.outage != nil else { return false }
                state.waiting.append(continuation)
                return true
            }
            if !isOut { continuation.resume() }
        }
        return false
    }

    /// - Returns: whether the caller is the one who probes.
    private func goOut(_ error: TimeStampAuthorityError) -> Bool {
        let isFirst = state.withLock { state in
            guard state.outage == nil else { return false }
            state.outage = "\(error)"
            return true
        }
        if isFirst { log.warning("waiting", "\(error)", [("for", LogValue(name))]) }
        return isFirst
    }

    private func comeIn() {
        let waiting = state.withLock { state in
            state.outage = nil
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }
}
