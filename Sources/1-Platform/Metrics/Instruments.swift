/// A number that only grows. Label values are given in the order of the labels, as many as there are.
public struct Counter: Sendable {
    let family: Family

    /// Adds a number that is not negative.
    public func add(_ number: Double = 1, _ labelValues: String...) {
        precondition(number >= 0, "\(family.name): a counter only grows")
        family.series(labelValues).number.add(number)
    }

    /// The counter of one set of label values, for hot paths: adding there takes no lock.
    public func with(_ labelValues: String...) -> CounterSeries { CounterSeries(series: family.series(labelValues)) }

    public func value(_ labelValues: String...) -> Double { family.series(labelValues).number.value }
}

/// One line of a counter.
public struct CounterSeries: Sendable {
    let series: Series

    /// Adds a number that is not negative.
    public func add(_ number: Double = 1) {
        precondition(number >= 0, "a counter only grows")
        series.number.add(number)
    }

    public var value: Double { series.number.value }
}

/// A number that goes up and down.
public struct Gauge: Sendable {
    let family: Family

    public func set(_ number: Double, _ labelValues: String...) { family.series(labelValues).number.set(number) }

    public func add(_ number: Double, _ labelValues: String...) { family.series(labelValues).number.add(number) }

    public func value(_ labelValues: String...) -> Double { family.series(labelValues).number.value }

    /// Takes one line out, such as that of a partition which is no longer ours.
    public func remove(_ labelValues: String...) { family.remove(labelValues) }
}

/// Observations, counted by bucket.
public struct Histogram: Sendable {
    let family: Family

    public func observe(_ number: Double, _ labelValues: String...) { family.series(labelValues).observe(number) }

    /// The histogram of one set of label values, for hot paths.
    public func with(_ labelValues: String...) -> HistogramSeries { HistogramSeries(series: family.series(labelValues)) }

    /// Observations so far and their sum.
    public func totals(_ labelValues: String...) -> (count: Int, sum: Double) {
        let state = family.series(labelValues).histogram
        return (Int(state.counts.reduce(0, +)), state.sum)
    }
}

/// One set of lines of a histogram.
public struct HistogramSeries: Sendable {
    let series: Series

    public func observe(_ number: Double) { series.observe(number) }
}
