public import FoundationEssentials

/// Time, as the pipeline and what stands behind its ports see it: an argument, so that tests can own it.
public struct PipelineClock: Sendable {
    /// What signing times and expiry are judged by.
    public var wall: @Sendable () -> Date
    /// Monotonic, from any origin.
    public var elapsed: @Sendable () -> Duration
    /// Throws only when the task is cancelled.
    public var sleep: @Sendable (Duration) async throws -> Void

    public init(
        wall: @escaping @Sendable () -> Date, elapsed: @escaping @Sendable () -> Duration, sleep: @escaping @Sendable (Duration) async throws -> Void
    ) {
        self.wall = wall
        self.elapsed = elapsed
        self.sleep = sleep
    }

    /// The machine's clocks.
    public static let system: PipelineClock = {
        let origin = ContinuousClock.now
        return PipelineClock(
            wall: { Date() }, elapsed: { ContinuousClock.now - origin }, sleep: { try await ContinuousClock().sleep(for: $0) })
    }()
}

/// A pause before something is tried again: 0.1 s, doubled for each failure, at most `max`; a random part of it.
func fullJitter(after failures: Int, max: Duration) -> Duration {
    min(max, .milliseconds(100) * (1 << min(failures, 16))) * Double.random(in: 0.1...1)
}
