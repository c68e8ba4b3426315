import OperatingSystem

/// The counters, gauges and histograms of one program, and their Prometheus text.
///
/// Asking twice for one name gives the same instrument; asking with another kind, help, labels or buckets is a programmer's error, and so
/// is a name that `promtool check metrics` would complain of. Names carry their unit: `tanba_sign_seconds`.
public final class Metrics: Sendable {
    private let families = Locked<[String: Family]>([:])

    public init() {}

    /// A number that only grows; its name ends in `_total`.
    public func counter(_ name: String, help: String, labels: [String] = []) -> Counter {
        precondition(name.hasSuffix("_total"), "the counter \(name) must end in _total")
        return Counter(family: family(name, .counter, help: help, labels: labels))
    }

    /// A number that goes up and down.
    public func gauge(_ name: String, help: String, labels: [String] = []) -> Gauge {
        Gauge(family: family(name, .gauge, help: help, labels: labels))
    }

    /// How observations spread over buckets.
    /// - Parameter buckets: upper bounds, inclusive and ascending; a last one for everything above is added.
    public func histogram(_ name: String, help: String, labels: [String] = [], buckets: [Double]) -> Histogram {
        precondition(!buckets.isEmpty && zip(buckets, buckets.dropFirst()).allSatisfy { $0 < $1 }, "\(name): buckets must ascend")
        precondition(buckets.allSatisfy(\.isFinite), "\(name): the bucket for all is added by itself")
        return Histogram(family: family(name, .histogram(buckets), help: help, labels: labels))
    }

    /// Everything in Prometheus' text format 0.0.4, families and samples sorted by name: `text/plain; version=0.0.4; charset=utf-8`.
    public func prometheusText() -> [UInt8] {
        let sorted = families.withLock { Array($0.values) }.sorted { $0.name < $1.name }
        var text = ""
        for family in sorted { family.write(to: &text) }
        return Array(text.utf8)
    }

    private func family(_ name: String, _ kind: Family.Kind, help: String, labels: [String]) -> Family {
        check(name, kind, help, labels)
        return families.withLock { families in
            if let known = families[name] {
                let isSame = known.kind == kind && known.help == help && known.labels == labels
                precondition(isSame, "the metric \(name) is there already, with another kind, help, labels or buckets")
                return known
            }
            let new = Family(name: name, kind: kind, help: help, labels: labels)
            families[name] = new
            return new
        }
    }
}

/// The rules of Prometheus' naming page that promtool checks and that would otherwise be found in production.
private func check(_ name: String, _ kind: Family.Kind, _ help: String, _ labels: [String]) {
    func isName(_ text: String) -> Bool {
        guard let first = text.utf8.first, !(0x30...0x39 ~= first) else { return false }
        return text.utf8.allSatisfy { 0x61...0x7A ~= $0 || 0x30...0x39 ~= $0 || $0 == UInt8(ascii: "_") }
    }
    precondition(isName(name), "\(name) is no metric name: lower case, digits and _")
    precondition(!help.isEmpty, "\(name) has no help")
    if kind != .counter {
        for suffix in ["_total", "_count", "_sum", "_bucket"] {
            precondition(!name.hasSuffix(suffix), "\(name): \(suffix) is for counters and histograms' own samples")
        }
    }
    for label in labels {
        precondition(isName(label) && !label.hasPrefix("__"), "\(name): \(label) is no label name")
        precondition(label != "le" && label != "quantile", "\(name): the label \(label) is Prometheus' own")
    }
    precondition(Set(labels).count == labels.count, "\(name) has a label twice")
}
