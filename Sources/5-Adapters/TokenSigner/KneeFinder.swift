/// How many signatures a token should make at once: the least width whose rate is within a twentieth of the best.
///
/// Up to its knee a token makes more signatures a second the more it is asked for at once; past it each one only takes longer. The knee is
/// found by trying: from 1 (or from what was found before) the width doubles while the rate rises, then the gaps around the best width are
/// halved. A width is judged by the batches that began and ended at it while work waited for lanes all the time; then its rate is
/// `width * signatures / seconds in lanes` (Little's law), which needs no more than a few batches a lane and takes no harm from the
/// pauses between bursts of work. A trial lasts until its mean is known to 1.5 %.
///
/// What was found is reviewed after a minute of work, then ever more rarely; soon when the rate has become another one.
/// A value: who uses it brings the time, the batches and a lock.
struct KneeFinder: Sendable {
    /// How many lanes should run now.
    private(set) var width: Int
    /// The greatest width that may be tried.
    private(set) var limit: Int
    /// The width that was found; nil until the first search has ended.
    private(set) var knee: Int?
    /// Signatures a second at `knee`, judged when it was found and as long as it stands.
    private(set) var rate: Double?

    /// Rates of the widths that this search has tried.
    private var rates: [Int: Double] = [:]
    /// Whether this search began at a width that was good once: then its first steps are small.
    private var isReview: Bool
    /// Tries in this search, and the one after which it ends whatever has been found.
    private var tries = 0
    private var trial = Trial()
    /// Batches that began before this moment ran at another width.
    private var judgedFrom = 0.0
    /// When the knee was found, in the caller's time; -infinity before.
    private var settledAt = -Double.infinity
    /// Since `settledAt`: trials in a row whose rate was another one than when the knee was found.
    private var surprises = 0
    /// Seconds from one review to the next; longer each time that a review finds nothing new.
    private var reviewPause = Self.reviewPauseMin
    /// Seconds from a search to a review for surprises; the same.
    private var surprisePause = Self.surprisePauseMin
    private var isSurprised = false

    /// What has been seen at the present width.
    private struct Trial {
        var batches = 0
        var signatures = 0
        var seconds = 0.0
        /// For the spread of a batch's seconds per signature (Welford).
        var mean = 0.0
        var squares = 0.0
        /// The longest batch.
        var longest = 0.0

        mutating func add(_ count: Int, _ duration: Double) {
            batches += 1
            signatures += count
            seconds += duration
            longest = max(longest, duration)
            let each = duration / Double(count)
            let delta = each - mean
            mean += delta / Double(batches)
            squares += delta * (each - mean)
        }

        /// Whether the mean's standard error is at most this share of it.
        func isSure(to share: Double) -> Bool {
            guard batches > 1 else { return false }
            return squares / Double(batches - 1) / Double(batches) <= share * share * mean * mean
        }
    }

    /// Rates this close are the same.
    private static let margin = 0.05
    private static let triesMax = 24
    static let reviewPauseMin = 60.0
    static let reviewPauseMax = 1800.0
    static let surprisePauseMin = 10.0

    /// - Parameters:
    ///   - limit: how many sessions may sign, at least 1.
    ///   - remembered: the width that was found when the program last ran.
    init(limit: Int, remembered: Int? = nil) {
        self.limit = max(1, limit)
        width = min(max(1, remembered ?? 1), self.limit)
        isReview = remembered != nil
    }

    var isSettled: Bool { settledAt > -.infinity }

    /// Takes in one batch that a lane has signed.
    ///
    /// - Parameters:
    ///   - start: when it began, in seconds from any origin.
    ///   - end: when it ended.
    ///   - wasBusy: whether from start to end every lane that may run had work.
    /// - Returns: whether `width` has changed.
    mutating func record(start: Double, end: Double, signatures: Int, wasBusy: Bool) -> Bool {
        guard wasBusy, signatures > 0, end > start, start >= judgedFrom else { return false }
        trial.add(signatures, end - start)
        guard trial.batches >= max(8, 3 * width), isJudged else { return false }
        return judge(at: end)
    }

    /// The token gives no more sessions than these (or, later, more again).
    mutating func setLimit(_ limit: Int, at now: Double) {
        self.limit = max(1, limit)
        rates = rates.filter { $0.key <= self.limit }
        if let found = knee, found > self.limit { (knee, rate) = (self.limit, nil) }
        if width > self.limit { move(to: self.limit, at: now) }
    }

    /// What was measured last is void: sessions were lost meanwhile.
    mutating func forgetTrial() { trial = Trial() }

    // MARK: - Judging

    /// Enough has been seen: a fifth of a second of every lane and a mean that is sure; less sure after a second; after three seconds and
    /// forty batches in any case.
    private var isJudged: Bool {
        let seconds = trial.seconds / Double(width)
        if seconds < 0.2 { return false }
        if seconds >= 3, trial.batches >= 40 { return true }
        return trial.isSure(to: seconds < 1 ? 0.015 : 0.03)
    }

    private mutating func judge(at now: Double) -> Bool {
        let seen = Double(width) * Double(trial.signatures) / trial.seconds
        if isSettled {
            trial = Trial()
            return watch(seen, at: now)
        }
        rates[width] = seen
        tries += 1
        guard tries < Self.triesMax, let next = nextWidth() else { return settle(at: now) }
        return move(to: next, at: now)
    }

    /// While the knee stands: whether the token is still the one that it was measured to be.
    private mutating func watch(_ seen: Double, at now: Double) -> Bool {
        let expected = rate ?? seen
        rate = expected
        surprises = abs(seen - expected) > 0.25 * expected ? surprises + 1 : 0
        // A token that has become another is looked at soon, but not for ever anew where its rate will not keep still.
        isSurprised = surprises >= 3 && now - settledAt >= surprisePause
        guard isSurprised || now - settledAt >= reviewPause, limit > 1 else { return false }
        settledAt = -.infinity
        surprises = 0
        isReview = true
        rates = [width: seen]
        tries = 1
        guard let next = nextWidth() else { return settle(at: now) }
        return move(to: next, at: now)
    }

    private mutating func settle(at now: Double) -> Bool {
        let found = best ?? width
        let isNews = knee.map { abs($0 - found) > max(1, $0 / 8) } ?? true
        reviewPause = isNews ? Self.reviewPauseMin : min(2 * reviewPause, Self.reviewPauseMax)
        surprisePause = isSurprised && !isNews ? min(2 * surprisePause, Self.reviewPauseMax) : Self.surprisePauseMin
        isSurprised = false
        knee = found
        rate = rates[found]
        settledAt = now
        surprises = 0
        tries = 0
        rates = [:]
        return move(to: found, at: now)
    }

    @discardableResult private mutating func move(to next: Int, at now: Double) -> Bool {
        defer { trial = Trial() }
        guard next != width else { return false }
        // What began at the old width is over after as long as a batch took there.
        judgedFrom = now + trial.longest
        width = next
        return true
    }

    // MARK: - Searching

    /// The least width that is as good as the best.
    private var best: Int? {
        guard let most = rates.values.max() else { return nil }
        return rates.filter { $0.value >= most * (1 - Self.margin) }.keys.min()
    }

    /// The width to try next; nil when the best has no neighbour that could be better, or as good and less.
    private func nextWidth() -> Int? {
        guard let best else { return width }
        let above = rates.keys.filter { $0 > best }.min()
        let below = rates.keys.filter { $0 < best }.max()
        if let above {
            // Where signatures already wait for each other inside the token, more at once make no higher rate.
            if above - best > 1, !isQueueing(at: best) { return (best + above) / 2 }
        } else if best < limit {
            return min(limit, isReview && rates.count <= 2 ? best + max(1, best / 4) : 2 * best)
        }
        guard best > 1 else { return nil }
        // Only a review has not come from below.
        guard let below else { return best - max(1, best / 4) }
        return best - below > 1 ? (best + below) / 2 : nil
    }

    /// Whether a signature takes notably longer at this width than at the width where it was quickest.
    private func isQueueing(at width: Int) -> Bool {
        func latency(_ width: Int) -> Double { Double(width) / rates[width]! }
        let least = rates.keys.map(latency).min()!
        return latency(width) > 1.15 * least
    }
}
