/// The pause after a transaction was taken back: longer each time, until one is committed. Whatever the reason, a batch that is tried
/// again at once would sign without end.
struct Backoff {
    /// How often in a row.
    private(set) var failures = 0
    /// The pause after the last time.
    private(set) var pause = Duration.zero
    private var end: ContinuousClock.Instant?

    static let first = Duration.milliseconds(100)
    static let longest = Duration.seconds(10)

    /// How much of the pause is left.
    func left(at now: ContinuousClock.Instant) -> Duration { end.map { max(.zero, $0 - now) } ?? .zero }

    mutating func failed(at now: ContinuousClock.Instant) {
        failures += 1
        pause = min(Self.first * (1 << min(failures - 1, 10)), Self.longest)
        end = now + pause
    }

    mutating func succeeded() { self = Backoff() }
}
