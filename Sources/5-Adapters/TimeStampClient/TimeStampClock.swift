public import FoundationEssentials

/// The time that authorities are governed by: budgets, pauses between probes, stamps' times. Tests bring their own.
public struct TimeStampClock: Sendable {
    /// What stamped times are compared with, and what outlives a restart is dated by.
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

    /// The machine's.
    public static let system: TimeStampClock = {
        let origin = ContinuousClock.now
        return TimeStampClock(
            wall: { Date() }, elapsed: { ContinuousClock.now - origin }, sleep: { try await ContinuousClock().sleep(for: $0) })
    }()
}

extension Duration {
    var seconds: Double { self / .seconds(1) }
}
