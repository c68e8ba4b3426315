@testable import TokenSigner

/// A token that exists in arithmetic only: signatures begin and end in a time of its own, as many at once as a `KneeFinder` says.
struct SimulatedToken {
    /// How long the next signature takes.
    enum Kind {
        /// `seconds` each up to `knee` at once. Past it each takes longer the more there are: with `growth` 1 so that the rate stays, with
        /// more so that it falls.
        case latency(seconds: Double, knee: Int, growth: Double)
        /// This many units that work; whatever else was taken in waits for one.
        case units(Int, seconds: Double)
        /// Rises ever more slowly: `seconds` alone, and at `n` at once a rate of n / (1 + (n - 1) * share).
        case soft(seconds: Double, share: Double)

        /// Signatures a second at a width, without noise.
        func rate(_ width: Int) -> Double {
            let n = Double(width)
            switch self {
            case .latency(let seconds, let knee, let growth):
                return n / (width <= knee ? seconds : seconds * (1 + growth * (n / Double(knee) - 1)))
            case .units(let units, let seconds): return Double(min(width, units)) / seconds
            case .soft(let seconds, let share): return n / (seconds * (1 + (n - 1) * share))
            }
        }
    }

    var kind: Kind
    /// Spread of a signature's time, as a share of it; drawn evenly around it.
    var noise = 0.0
    var batch = 1
    private(set) var now = 0.0
    private(set) var signatures = 0
    private var running: [Lane] = []
    private var unitsFree: [Double] = []
    private var random: Generator

    private struct Lane {
        let began: Double
        /// When the signature that it is at will be done.
        var end: Double
        var left: Int
    }

    init(_ kind: Kind, noise: Double = 0, batch: Int = 1, seed: UInt64 = 1) {
        self.kind = kind
        self.noise = noise
        self.batch = batch
        random = Generator(state: seed)
    }

    /// Signs for that long with as much work as lanes can take. Calls `changed` with each new width.
    mutating func sign(for seconds: Double, _ finder: inout KneeFinder, changed: (Double, Int) -> Void = { _, _ in }) {
        let end = now + seconds
        while now < end {
            while running.count < finder.width {
                running.append(Lane(began: now, end: 0, left: batch))
                running[running.count - 1].end = now + nextDuration()
            }
            let next = running.indices.min { running[$0].end < running[$1].end }!
            now = running[next].end
            running[next].left -= 1
            signatures += 1
            if running[next].left > 0 {
                running[next].end = now + nextDuration()
                continue
            }
            let lane = running.remove(at: next)
            if finder.record(start: lane.began, end: now, signatures: batch, wasBusy: true) { changed(now, finder.width) }
        }
    }

    /// Of a signature that begins now, while all that `running` holds are under way.
    private mutating func nextDuration() -> Double {
        let factor = Double.random(in: (1 - noise)...(1 + noise), using: &random)
        switch kind {
        case .latency, .soft: return Double(running.count) / kind.rate(running.count) * factor
        case .units(let units, let seconds):
            if unitsFree.count != units { unitsFree = Array(repeating: now, count: units) }
            let unit = unitsFree.indices.min { unitsFree[$0] < unitsFree[$1] }!
            unitsFree[unit] = max(now, unitsFree[unit]) + seconds * factor
            return unitsFree[unit] - now
        }
    }

    /// SplitMix64: the same numbers for the same seed, wherever the test runs.
    struct Generator: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var bits = state
            bits = (bits ^ (bits >> 30)) &* 0xBF58_476D_1CE4_E5B9
            bits = (bits ^ (bits >> 27)) &* 0x94D0_49BB_1331_11EB
            return bits ^ (bits >> 31)
        }
    }
}
