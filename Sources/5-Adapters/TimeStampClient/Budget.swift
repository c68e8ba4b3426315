/// How many requests an authority may be sent now: never more than its rate in any window of that length, wherever the window begins.
///
/// A request counts from when it is sent until a whole window after its answer, so that the promise holds by the authority's clock too,
/// whatever the network does in between. The rate is configured, or learned from "429 Too Many Requests", or both: then the lower one holds.
/// It is the authority's, and all workers of a group divide it: each takes `requests / members`, rounded down.
///
/// A value: who uses it brings the time (elapsed, from any origin) and a lock.
struct Budget: Sendable {
    /// Requests that were answered at about the same time.
    struct Use: Sendable, Hashable {
        /// When the last of them was answered.
        var time: Duration
        /// When the first of them was.
        var first: Duration
        var count: Int
        /// Those of them that the authority did not turn away, and that are known to have been sent.
        var granted: Int
    }

    let configured: RequestRate?
    /// The whole authority's, as far as it was learned.
    private(set) var learned: RequestRate?
    /// Workers that divide the rate.
    private(set) var members = 1
    /// Answered requests, by time; what others may have used stands among them, and may lie ahead. The first `gone` do not count any more: from
    /// them a rate is learned.
    private(set) var uses: [Use] = []
    private var gone = 0
    /// Requests without an answer yet.
    private(set) var underWay = 0
    /// The authority wants no request before.
    private(set) var heldUntil: Duration?

    /// How long a change of members may take to reach all of them: what is gained is not used before.
    private let settling: Duration
    private var hasMembers = false
    private var counted = 0
    private var limitedAt: Duration?
    /// 429 in a row.
    private var limitedTimes = 0
    private var lastHold = Duration.zero
    private var grownAt = Duration.zero
    /// Whether the rate was what stopped a request since it last grew.
    private var wasSpent = false

    /// What is remembered without a rate: from it one is learned.
    private static let memory = Duration.seconds(3600)
    private static let usesMax = 1024
    /// Windows that limits commonly have.
    private static let windows: [Duration] = [.seconds(1), .seconds(10), .seconds(60), .seconds(600), .seconds(3600), .seconds(86_400)]
    private static let holdMax = Duration.seconds(900)
    /// An authority that wants to be left alone for longer than this is not tried with more by itself.
    private static let harmlessHoldMax = Duration.seconds(60)

    init(_ configured: RequestRate?, settling: Duration = .zero) {
        self.configured = configured
        self.settling = settling
    }

    var rate: RequestRate? { learned ?? configured }

    /// This worker's part of `rate`; nil without one. 0 when there are more workers than requests: then this worker may send none.
    var share: Int? { rate.map { $0.requests / members } }

    /// How many requests may be sent at this moment.
    mutating func left(at now: Duration) -> Int {
        if isHeld(at: now) { return 0 }
        forget(at: now)
        guard let share else { return .max }
        return max(0, share - counted - underWay)
    }

    /// When a request may be sent if no other is sent until then; `now` when one may at once; nil when that hangs on an answer under way, or
    /// this worker has no part.
    mutating func opening(at now: Duration) -> Duration? {
        let held = max(heldUntil ?? now, now)
        guard let share, let rate else { return held }
        forget(at: now)
        guard underWay < share else { return nil }
        var excess = counted + underWay - share + 1
        guard excess > 0 else { return held }
        for use in uses[gone...] {
            excess -= use.count
            if excess <= 0 { return max(held, use.time + rate.window) }
        }
        return nil
    }

    /// One request is sent now.
    /// - Returns: false when none may be.
    mutating func take(at now: Duration) -> Bool {
        grow(at: now)
        guard left(at: now) > 0 else {
            wasSpent = true
            return false
        }
        underWay += 1
        return true
    }

    /// A request was not sent after all.
    mutating func giveBack() { underWay -= 1 }

    enum Answer: Sendable { case granted, limited, other }

    /// A request was answered, or nobody knows what became of it (`other`).
    mutating func answered(_ answer: Answer, at now: Duration) {
        underWay -= 1
        if answer == .granted, !isHeld(at: now) { limitedTimes = 0 }
        count(1, at: now, isGranted: answer != .limited)
    }

    func isHeld(at now: Duration) -> Bool { heldUntil.map { $0 > now } ?? false }

    /// Since the last 429 nothing was granted: one request at a time is enough to see whether it is over.
    var isOnTrial: Bool { limitedTimes > 0 }

    // MARK: - Members

    /// So many workers divide the rate from now on.
    ///
    /// What this worker gains counts as used now, by whoever had it before; a worker that comes to others has used its whole share. So within any
    /// window the members together stay within the rate, whoever comes and goes.
    mutating func divide(among members: Int, at now: Duration) {
        let members = max(1, members)
        let before = hasMembers || members == 1 ? share : share.map { _ in 0 }
        self.members = members
        hasMembers = true
        if let share, let before, share > before { count(share - before, at: now + settling, isGranted: false) }
    }

    // MARK: - Learning

    /// The authority turned away a request (429), to be called before `answered`.
    ///
    /// - Parameters:
    ///   - sent: when the request was sent; one that was under way when another was turned away teaches nothing new.
    ///   - retryAfter: as the authority says; nil when it does not.
    /// - Returns: whether this was news.
    @discardableResult mutating func wasLimited(at now: Duration, sent: Duration, retryAfter: Duration?) -> Bool {
        if let limitedAt, sent <= limitedAt {
            if let retryAfter { hold(until: now + retryAfter) }
            return false
        }
        limitedAt = now
        limitedTimes += 1
        let pause = retryAfter ?? min(Self.holdMax, .seconds(1 << min(limitedTimes - 1, 10)))
        lastHold = pause
        hold(until: now + pause)
        learn(from: pause, at: now)
        return true
    }

    mutating func hold(until time: Duration) { heldUntil = max(heldUntil ?? time, time) }

    private mutating func learn(from pause: Duration, at now: Duration) {
        func uses(in window: Duration) -> (all: Int, granted: Int) {
            self.uses.reduce(into: (0, 0)) { sums, use in
                guard use.time + window > now, use.time <= now else { return }
                sums = (sums.0 + use.count, sums.1 + use.granted)
            }
        }
        let window: Duration
        if let configured {
            // Its window is the authority's word.
            window = configured.window
        } else if let learned, (uses(in: learned.window).all + underWay) * members < learned.requests {
            // Turned away though less was used than is believed to be allowed: the window is a longer one.
            window = Self.windows.first { $0 > learned.window && $0 >= pause } ?? max(learned.window, pause)
        } else {
            // The least common one that such a pause can belong to.
            window = max(learned?.window ?? .zero, Self.windows.first { $0 >= pause } ?? pause)
        }
        var requests = uses(in: window).granted * members
        if let rate, rate.window == window { requests = min(requests, rate.requests - max(1, rate.requests / 10)) }
        learned = RequestRate(max(1, requests), in: window)
        grownAt = now
        wasSpent = false
        recount(at: now)
    }

    /// What was learned may have been too little: where a 429 costs little, it is tried with a tenth more after ten quiet windows.
    private mutating func grow(at now: Duration) {
        guard let rate = learned, wasSpent, lastHold <= Self.harmlessHoldMax, lastHold > .zero,
            now - grownAt >= max(rate.window * 10, .seconds(60))
        else { return }
        grownAt = now
        wasSpent = false
        let more = rate.requests + max(1, rate.requests / 10)
        // Its window stays as it is, so that what counts does, too.
        learned = configured.map { $0.requests <= more } ?? false ? nil : RequestRate(more, in: rate.window)
    }

    // MARK: - Uses

    private mutating func count(_ count: Int, at time: Duration, isGranted: Bool = true) {
        let window = rate?.window ?? Self.memory
        counted += count
        var place = uses.count
        while place > 0, uses[place - 1].time > time { place -= 1 }
        // Neighbours are put together, under the later time, so that memory does not grow with the rate.
        if place > 0, place == uses.count, uses.count >= Self.usesMax, time - uses[place - 1].first < window / Self.usesMax {
            uses[place - 1].time = time
            uses[place - 1].count += count
            uses[place - 1].granted += isGranted ? count : 0
        } else {
            uses.insert(Use(time: time, first: time, count: count, granted: isGranted ? count : 0), at: place)
        }
        // What does not count any more is kept for an hour, but not at any price.
        if uses.count > 2 * Self.usesMax, gone > 0 {
            let few = min(gone, uses.count - Self.usesMax)
            uses.removeFirst(few)
            gone -= few
        }
    }

    /// What is a window old does not count any more.
    private mutating func forget(at now: Duration) {
        let window = rate?.window ?? Self.memory
        while gone < uses.count, uses[gone].time + window <= now {
            counted -= uses[gone].count
            gone += 1
        }
        guard gone > 0, uses[0].time + max(window, Self.memory) * 2 <= now else { return }
        let old = uses[..<gone].prefix { $0.time + max(window, Self.memory) <= now }.count
        uses.removeFirst(old)
        gone -= old
    }

    /// The window has become another one.
    private mutating func recount(at now: Duration) {
        gone = 0
        counted = uses.reduce(0) { $0 + $1.count }
        forget(at: now)
    }

    // MARK: - Memory

    /// Takes up what an earlier process left: what it learned, if that still goes with the configuration, and what it used.
    mutating func restore(learned: RequestRate?, heldUntil: Duration?, lastHold: Duration, uses: [(time: Duration, count: Int)], at now: Duration) {
        if let learned, configured.map({ $0.window == learned.window && $0.requests > learned.requests }) ?? true {
            self.learned = learned
            self.lastHold = lastHold
            grownAt = now
        }
        if let heldUntil, heldUntil > now { hold(until: heldUntil) }
        for use in uses where use.count > 0 { count(use.count, at: min(use.time, now)) }
        recount(at: now)
    }

    /// For the memory: what still counts.
    var counting: ArraySlice<Use> { uses[gone...] }

    /// For the memory: how long the authority last wanted to be left alone.
    var pauseThatWasAsked: Duration { lastHold }
}
