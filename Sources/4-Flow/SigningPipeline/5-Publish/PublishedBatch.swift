public import SigningModel

/// The finished prefixes of a stream's partitions: one transaction of the log. Only the publish stage makes one.
public struct PublishedBatch: Sendable {
    /// At most one a partition, none empty.
    public let prefixes: [FinishedPrefix]

    public var resultCount: Int { prefixes.reduce(0) { $0 + $1.results.count } }

    /// For tests of logs, which have no pipeline.
    package init(uncheckedPrefixes prefixes: [FinishedPrefix]) {
        self.prefixes = prefixes
    }

    fileprivate init(_ prefixes: [FinishedPrefix]) {
        self.prefixes = prefixes
    }
}

/// One result for every job record of a partition from `from` to `to`, both included, in order.
public struct FinishedPrefix: Sendable {
    public let partition: Partition
    public let from: Offset
    public let to: Offset
    public let results: [FinishedResult]

    package init(partition: Partition, from: Offset, to: Offset, results: [FinishedResult]) {
        self.partition = partition
        self.from = from
        self.to = to
        self.results = results
    }
}

/// One result, encoded.
public struct FinishedResult: Sendable {
    /// The offset of its job record.
    public let offset: Offset
    /// The key of its job record.
    public let key: [UInt8]?
    /// JSON by docs/schemas/result.schema.json.
    public let value: [UInt8]
    /// What the ledger keeps; nil when nothing was signed.
    public let fingerprint: JobFingerprint?
    public let traceparent: [UInt8]?

    package init(offset: Offset, key: [UInt8]?, value: [UInt8], fingerprint: JobFingerprint?, traceparent: [UInt8]? = nil) {
        self.offset = offset
        self.key = key
        self.value = value
        self.fingerprint = fingerprint
        self.traceparent = traceparent
    }
}

/// A batch and the jobs in it.
struct DueBatch {
    let published: PublishedBatch
    let jobs: [FinishedJob]
}

extension InFlightWindow {
    /// The next batch, when one is due: it is full, its oldest result has waited long enough, or nothing else is in flight.
    mutating func takeBatch(bounds: BatchBounds, waitMax: Duration, at elapsed: Duration, isQuiet: Bool) -> DueBatch? {
        let ready = ready(upTo: bounds)
        guard let oldest = ready.oldest else { return nil }
        let isDue =
            ready.results >= bounds.resultsMax || ready.bytes >= bounds.bytesMax || elapsed - oldest >= waitMax
            || isQuiet && ready.results == count
        guard isDue else { return nil }
        let taken = takeFinishedPrefixes(upTo: bounds)
        let prefixes = taken.map { partition, jobs in
            FinishedPrefix(
                partition: partition, from: jobs.first!.settled.place.offset, to: jobs.last!.settled.place.offset,
                results: jobs.map(\.settled.result))
        }
        return DueBatch(published: PublishedBatch(prefixes), jobs: taken.flatMap(\.jobs))
    }
}
