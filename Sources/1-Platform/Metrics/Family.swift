import OperatingSystem
import Synchronization

/// All lines of one metric.
final class Family: Sendable {
    enum Kind: Sendable, Hashable {
        case counter, gauge
        case histogram([Double])
    }

    let name: String
    let kind: Kind
    let help: String
    let labels: [String]

    private let lines = Locked<[[String]: Series]>([:])
    /// Of a metric without labels, which shows 0 from the start.
    private let single: Series?

    init(name: String, kind: Kind, help: String, labels: [String]) {
        self.name = name
        self.kind = kind
        self.help = help
        self.labels = labels
        single = labels.isEmpty ? Series(kind) : nil
    }

    func series(_ values: [String]) -> Series {
        precondition(values.count == labels.count, "\(name) has the labels \(labels), not \(values.count) of them")
        if let single { return single }
        return lines.withLock { lines in
            if let known = lines[values] { return known }
            let new = Series(kind)
            lines[values] = new
            return new
        }
    }

    func remove(_ values: [String]) { lines.withLock { _ = $0.removeValue(forKey: values) } }

    func write(to text: inout String) {
        let sorted: [(values: [String], series: Series)]
        if let single {
            sorted = [([], single)]
        } else {
            sorted = lines.withLock { $0.map { ($0.key, $0.value) } }.sorted { $0.values.lexicographicallyPrecedes($1.values) }
        }
        text += "# HELP \(name) \(escaped(help, quotes: false))\n"
        let bounds: [Double]
        switch kind {
        case .counter:
            text += "# TYPE \(name) counter\n"
            bounds = []
        case .gauge:
            text += "# TYPE \(name) gauge\n"
            bounds = []
        case .histogram(let buckets):
            text += "# TYPE \(name) histogram\n"
            bounds = buckets
        }
        for (values, series) in sorted {
            let pairs = zip(labels, values).map { "\($0)=\"\(escaped($1, quotes: true))\"" }
            guard !bounds.isEmpty else {
                text += sample(name, pairs, series.number.value)
                continue
            }
            let state = series.histogram
            var count: UInt64 = 0
            for (bound, inBucket) in zip(bounds + [.infinity], state.counts) {
                count += inBucket
                text += sample(name + "_bucket", pairs + ["le=\"\(number(bound))\""], Double(count))
            }
            text += sample(name + "_sum", pairs, state.sum)
            text += sample(name + "_count", pairs, Double(count))
        }
    }
}

/// One line, or one histogram's lines.
final class Series: Sendable {
    struct HistogramState: Sendable {
        let bounds: [Double]
        /// Not cumulative; one more than there are bounds.
        var counts: [UInt64]
        var sum = 0.0
    }

    let number = Number()
    private let state: Locked<HistogramState>?

    init(_ kind: Family.Kind) {
        if case .histogram(let bounds) = kind {
            state = Locked(HistogramState(bounds: bounds, counts: Array(repeating: 0, count: bounds.count + 1)))
        } else {
            state = nil
        }
    }

    var histogram: HistogramState { state!.withLock { $0 } }

    func observe(_ observed: Double) {
        state!.withLock { state in
            let bucket = state.bounds.firstIndex { observed <= $0 } ?? state.bounds.count
            state.counts[bucket] += 1
            state.sum += observed
        }
    }
}

/// A double that several threads add to.
final class Number: Sendable {
    private let bits = Atomic<UInt64>(0)

    var value: Double { Double(bitPattern: bits.load(ordering: .relaxed)) }

    func set(_ number: Double) { bits.store(number.bitPattern, ordering: .relaxed) }

    func add(_ number: Double) {
        var old = bits.load(ordering: .relaxed)
        while true {
            let new = (Double(bitPattern: old) + number).bitPattern
            let (isDone, seen) = bits.weakCompareExchange(expected: old, desired: new, ordering: .relaxed)
            if isDone { return }
            old = seen
        }
    }
}

private func sample(_ name: String, _ pairs: [String], _ value: Double) -> String {
    (pairs.isEmpty ? name : name + "{" + pairs.joined(separator: ",") + "}") + " " + number(value) + "\n"
}

/// As Go's strconv.ParseFloat reads it: whole numbers without a fraction, `+Inf`, `-Inf`, `NaN`.
private func number(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
    if let whole = Int64(exactly: value), abs(value) < 1e15 { return String(whole) }
    return String(value)
}

/// Backslash and line feed are escaped everywhere, quotation marks in label values only.
private func escaped(_ text: String, quotes: Bool) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\\": result += "\\\\"
        case "\n": result += "\\n"
        case "\"" where quotes: result += "\\\""
        default: result.unicodeScalars.append(scalar)
        }
    }
    return result
}
