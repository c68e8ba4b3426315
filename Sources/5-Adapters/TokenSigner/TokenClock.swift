/// The time that tokens live by: how long to wait before the next probe, how long signatures took. Tests bring their own.
public struct TokenClock: Sendable {
    /// Monotonic, from any origin.
    public var elapsed: @Sendable () -> Duration
    /// Throws only when the task is cancelled.
    public var sleep: @Sendable (Duration) async throws -> Void

    public init(elapsed: @escaping @Sendable () -> Duration, sleep: @escaping @Sendable (Duration) async throws -> Void) {
        self.elapsed = elapsed
        self.sleep = sleep
    }

    /// The machine's.
    public static let system: TokenClock = {
        let origin = ContinuousClock.now
        return TokenClock(elapsed: { ContinuousClock.now - origin }, sleep: { try await ContinuousClock().sleep(for: $0) })
    }()
}
