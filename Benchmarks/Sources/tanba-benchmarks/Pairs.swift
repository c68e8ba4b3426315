import CBare

/// How long to measure.
struct Effort {
    /// Rounds of each pair; the median of their ratios counts.
    let rounds: Int
    /// Of the documents that a full round has, this share.
    let share: Double

    static let full = Effort(rounds: 15, share: 1)
    static let quick = Effort(rounds: 5, share: 0.25)

    func documents(_ full: Int) -> Int { max(1, Int(Double(full) * share)) }
    func seconds(_ full: Double) -> Double { full * share }
    /// Rounds of a measure of seconds.
    var turns: Int { (rounds + 2) / 3 }
}

/// One way to do the work of a measure.
struct Side {
    let name: String
    /// Microseconds of CPU so far. All threads of this process, unless the work is done by children.
    var clock: () -> Double = { bare_process_cpu_us() }
    /// Done before each round, uncounted.
    var prepare: () async throws -> Void = {}
    let work: () async throws -> Void
}

/// What a measure found.
struct Outcome {
    /// What is compared, and which way is better.
    enum Unit: String {
        /// Less is better: the ratio is reference / ours.
        case microseconds = "CPU us/document"
        /// By the wall clock, where signatures wait for a token and not for a processor. More is better: the ratio is ours / reference.
        case rate = "signatures/s"
        /// Memory, 10⁶ bytes. Less is better: the ratio is reference / ours.
        case megabytes = "MB"
    }

    let measure: String
    var unit = Unit.microseconds
    /// Medians.
    let ours: Double
    let reference: Double
    let referenceName: String
    /// Median of the rounds' ratios, with the quartiles.
    let ratio: Double
    let spread: (Double, Double)
    /// Others that were measured in the same rounds.
    var beside: [(name: String, microseconds: Double)] = []
    /// Ours less each of those: medians of the rounds' differences.
    var above: [Double] = []
    /// Documents a second by the wall clock, medians; of interest where several threads work.
    var rates: (ours: Double, reference: Double)?
    /// What else is to be said.
    var remarks: [String] = []
}

extension Outcome {
    /// From rates that were measured in turns.
    init(_ measure: String, ours: [Double], reference: [Double], referenceName: String, remarks: [String]) {
        let ratios = zip(ours, reference).map { $0 / $1 }
        self.init(
            measure: measure, unit: .rate, ours: quantile(ours, 0.5), reference: quantile(reference, 0.5), referenceName: referenceName,
            ratio: quantile(ratios, 0.5), spread: (quantile(ratios, 0.25), quantile(ratios, 0.75)), remarks: remarks)
    }
}

/// Does all sides' work in each round, in turns first to last and last to first, so that what changes on the machine meets all alike.
func measurePairs(
    _ measure: String, effort: Effort, documents: Int, ours: Side, reference: Side, beside: [Side] = [], showsRates: Bool = false
) async throws -> Outcome {
    let sides = [ours, reference] + beside
    var costs = [[Double]](repeating: [], count: sides.count)
    var rates = costs
    for side in sides {
        try await side.prepare()
        try await side.work()
    }  // that was to warm up: caches, sessions that are opened late, the page cache
    for round in 0..<effort.rounds {
        let order = round.isMultiple(of: 2) ? Array(sides.indices) : sides.indices.reversed()
        for index in order {
            try await sides[index].prepare()
            let wall = ContinuousClock.now
            let start = sides[index].clock()
            try await sides[index].work()
            costs[index].append((sides[index].clock() - start) / Double(documents))
            rates[index].append(Double(documents) / ((ContinuousClock.now - wall) / .seconds(1)))
        }
    }
    let ratios = zip(costs[0], costs[1]).map { $1 / $0 }
    return Outcome(
        measure: measure, ours: quantile(costs[0], 0.5), reference: quantile(costs[1], 0.5), referenceName: reference.name,
        ratio: quantile(ratios, 0.5), spread: (quantile(ratios, 0.25), quantile(ratios, 0.75)),
        beside: zip(beside, costs.dropFirst(2)).map { ($0.name, quantile($1, 0.5)) },
        above: costs.dropFirst(2).map { quantile(zip(costs[0], $0).map { $0 - $1 }, 0.5) },
        rates: showsRates ? (quantile(rates[0], 0.5), quantile(rates[1], 0.5)) : nil)
}

func quantile(_ values: [Double], _ part: Double) -> Double {
    let sorted = values.sorted()
    let place = part * Double(sorted.count - 1)
    let below = Int(place)
    let above = min(below + 1, sorted.count - 1)
    return sorted[below] + (sorted[above] - sorted[below]) * (place - Double(below))
}

/// Keeps the optimiser from leaving out work whose result nobody reads.
@inline(never) func consume<T>(_ value: T) { withExtendedLifetime(value) {} }
