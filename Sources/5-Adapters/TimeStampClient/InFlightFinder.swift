import OperatingSystem

/// How many requests should be under way at an authority at once: rises while the rate rises, falls on time-outs and when answers take much
/// longer. A value: who uses it brings the time, the answers and a lock.
///
/// A width is judged by answers to requests that were sent when all places were taken; then its rate is `width * answers / seconds` (Little's
/// law). From `start` the width doubles while that brings a tenth more; then it stays at the best one, tries a quarter more every half minute,
/// and gives up a quarter when answers take twice as long as when it was found.
struct InFlightFinder: Sendable {
    private(set) var width: Int
    let most: Int

    private var answers = 0
    private var seconds = 0.0
    /// The best so far of this search; when it is over, what `width` was chosen by.
    private var best: (width: Int, rate: Double)?
    private var settled: (at: Duration, latency: Double)?
    /// Requests sent before were sent at another width.
    private var judgedFrom = Duration.seconds(Int64.min / 4)

    static let start = 2
    static let reviewPause = Duration.seconds(30)

    init(most: Int) {
        self.most = max(1, most)
        width = min(Self.start, self.most)
    }

    /// A request was answered.
    /// - Parameter wasFull: whether all places were taken when it was sent.
    mutating func answered(sent: Duration, at now: Duration, wasFull: Bool) {
        guard wasFull, sent >= judgedFrom, now > sent else { return }
        answers += 1
        seconds += (now - sent).seconds
        guard answers >= max(8, 2 * width) else { return }
        let (latency, rate) = (seconds / Double(answers), Double(width * answers) / seconds)
        (answers, seconds) = (0, 0)
        if let settled { watch(latency, rate, settled, at: now) } else { search(latency, rate, at: now) }
    }

    /// A request was not answered in time.
    mutating func timedOut(sent: Duration, at now: Duration) {
        guard sent >= judgedFrom else { return }
        move(to: max(1, width / 2), at: now)
        best = nil
        settled = (now, .infinity)
    }

    /// The authority came back from an outage: it is asked gently.
    mutating func restart(at now: Duration) {
        move(to: min(Self.start, most), at: now)
        (best, settled) = (nil, nil)
    }

    private mutating func search(_ latency: Double, _ rate: Double, at now: Duration) {
        guard let found = best, rate <= found.rate * 1.1 else {
            best = (width, rate)
            guard width < most else { return settle(latency, at: now) }
            return move(to: min(most, 2 * width), at: now)
        }
        move(to: found.width, at: now)
        settle(Double(found.width) / found.rate, at: now)
    }

    private mutating func watch(_ latency: Double, _ rate: Double, _ settled: (at: Duration, latency: Double), at now: Duration) {
        if latency > 2 * settled.latency, width > 1 {
            move(to: max(1, width * 3 / 4), at: now)
            // Less in flight makes each answer quicker; where it does not, the authority is slow by itself, and is not punished on.
            self.settled = (now, latency)
            best = nil
        } else if now - settled.at >= Self.reviewPause, width < most {
            best = (width, rate)
            self.settled = nil
            move(to: min(most, width + max(1, width / 4)), at: now)
        } else if settled.latency == .infinity {
            self.settled = (settled.at, latency)
        }
    }

    private mutating func settle(_ latency: Double, at now: Duration) { settled = (now, latency) }

    private mutating func move(to width: Int, at now: Duration) {
        (answers, seconds) = (0, 0)
        self.width = width
        judgedFrom = now
    }
}
