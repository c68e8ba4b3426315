import FoundationEssentials
import OperatingSystem
import SigningPipeline

/// Time that nobody waits for: a sleep ends at once and moves the time by its length. What is to happen at a moment happens in the first
/// sleep that reaches it, so hours of an outage cost a test nothing, and it ends when its time has come and not when a test has guessed.
final class FaultClock: Sendable {
    typealias Action = @Sendable () async -> Void

    private struct State {
        var skipped = Duration.zero
        var due: [(at: Duration, action: Action)] = []
        var sleeps = 0
    }

    private let origin = ContinuousClock.now
    private let state = Locked(State())

    /// The machine's time, and what was slept.
    var elapsed: Duration { (ContinuousClock.now - origin) + state.withLock { $0.skipped } }

    /// How many sleeps began.
    var sleeps: Int { state.withLock { $0.sleeps } }

    /// Does this when that much time has passed from now, and somebody sleeps.
    func after(_ duration: Duration, _ action: @escaping Action) {
        let moment = elapsed + duration
        state.withLock { $0.due.append((moment, action)) }
    }

    func sleep(_ duration: Duration) async throws {
        try Task.checkCancellation()
        state.withLock { state in
            state.skipped += duration
            state.sleeps += 1
        }
        let now = elapsed
        let due = state.withLock { state in
            let due = state.due.filter { $0.at <= now }
            state.due.removeAll { $0.at <= now }
            return due
        }
        for (_, action) in due { await action() }
        await Task.yield()
    }

    var pipelineClock: PipelineClock {
        // The certificates of TokenLab begin today.
        PipelineClock(wall: { Date() }, elapsed: { self.elapsed }, sleep: { try await self.sleep($0) })
    }
}
