/// Whether an authority is asked at all. A value: who uses it brings the time, the chance and a lock.
///
///     closed   -> open      three failures in a row; one, where the answer says that asking again is of no use
///     open     -> probing   when its pause is over and somebody wants a stamp: one request with an imprint of its own
///     probing  -> closed    it was granted, and everything about it is right
///     probing  -> open      anything else, with a longer pause
struct Breaker: Sendable {
    enum State: Sendable, Hashable {
        case closed
        case open(until: Duration)
        case probing
    }

    /// Why an authority is out; how long it is left alone depends on it.
    enum Cause: String, Sendable, CaseIterable {
        /// It does not answer, or not in time, or has trouble of its own.
        case away
        /// It does not serve this machine, or nothing there is an authority (403, 404).
        case refusing
        /// It answers properly, and does not stamp.
        case rejecting
        /// Its time is not ours.
        case clock
        /// Its answer does not stand up.
        case lying

        /// The first pause and the longest.
        func pauses(awayMax: Duration) -> (least: Duration, most: Duration) {
            switch self {
            case .away: (min(.seconds(1), awayMax), awayMax)
            case .refusing: (.seconds(600), .seconds(3600))
            case .rejecting: (.seconds(5), .seconds(600))
            case .clock: (.seconds(60), .seconds(600))
            // One bad answer may have been a proxy's; the pauses grow fast enough for an authority that goes on.
            case .lying: (.seconds(5), .seconds(3600))
            }
        }
    }

    private(set) var state = State.closed
    private(set) var cause: Cause?
    /// When it went out, in the caller's time.
    private(set) var outSince: Duration?
    /// Pauses since it was last in for a while.
    private(set) var openings = 0
    /// Failures in a row.
    private(set) var failures = 0
    /// What was sent before this moment says nothing of how the authority is now.
    private var judgedFrom = Duration.seconds(Int64.min / 4)
    private var closedAt: Duration?
    private let awayPauseMax: Duration

    static let failuresMax = 3
    /// An authority that goes out again sooner was not really back: its pauses go on growing.
    private static let provenAfter = Duration.seconds(60)

    init(awayPauseMax: Duration = .seconds(30)) { self.awayPauseMax = awayPauseMax }

    var isClosed: Bool { state == .closed }

    /// A request was granted. While the breaker is not closed that is the probe's affair.
    mutating func succeeded(sent: Duration) {
        if isClosed, sent >= judgedFrom { failures = 0 }
    }

    /// A request failed.
    /// - Parameters:
    ///   - sent: when it was sent.
    ///   - notBefore: the authority wants no request earlier.
    ///   - chance: 0...1; pauses are shortened by up to a fifth, so that workers do not probe all at once.
    /// - Returns: whether the authority went out by it.
    mutating func failed(_ cause: Cause, sent: Duration, at now: Duration, notBefore: Duration? = nil, chance: Double) -> Bool {
        guard isClosed, sent >= judgedFrom else { return false }
        failures += 1
        guard cause != .away || failures >= Self.failuresMax || notBefore != nil else { return false }
        let isRelapse = closedAt.map { now - $0 < Self.provenAfter } ?? false
        if !isRelapse { openings = 0 }
        outSince = now
        open(cause, at: now, notBefore: notBefore, chance: chance)
        return true
    }

    /// - Returns: whether the caller is the one who probes, now.
    mutating func takeProbe(at now: Duration) -> Bool {
        guard case .open(let until) = state, until <= now else { return false }
        state = .probing
        return true
    }

    /// - Returns: how long it was out.
    mutating func probeSucceeded(at now: Duration) -> Duration {
        let since = outSince ?? now
        (state, cause, outSince, failures) = (.closed, nil, nil, 0)
        closedAt = now
        judgedFrom = now
        return now - since
    }

    /// - Parameter cause: nil when the probe was not sent after all, or nobody knows what came of it: the pause is not longer then.
    mutating func probeFailed(_ cause: Cause?, at now: Duration, notBefore: Duration? = nil, chance: Double) {
        if cause == nil { openings = max(0, openings - 1) }
        open(cause ?? self.cause ?? .away, at: now, notBefore: notBefore, chance: chance)
    }

    /// Takes up what an earlier process left.
    mutating func restore(_ cause: Cause, since: Duration, until: Duration, openings: Int) {
        state = .open(until: until)
        self.cause = cause
        outSince = since
        self.openings = max(1, openings)
    }

    private mutating func open(_ cause: Cause, at now: Duration, notBefore: Duration?, chance: Double) {
        let (least, most) = cause.pauses(awayMax: awayPauseMax)
        // Another cause than before begins anew.
        if let before = self.cause, before != cause { openings = 0 }
        let pause = min(most, least * (1 << min(openings, 12))) * (1 - 0.2 * chance)
        openings += 1
        self.cause = cause
        state = .open(until: max(now + pause, notBefore ?? now))
        judgedFrom = now
    }
}
