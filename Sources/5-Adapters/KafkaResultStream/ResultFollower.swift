public import Auditor
import Kafka
public import Log
public import OperatingSystem
public import SigningModel

/// Reads the results of a stream and goes on with those that come: for `tanba results`.
///
/// Results of one partition come in order, those of different partitions as they arrive. What retention took before it was read is told,
/// never passed over in silence.
public actor ResultFollower: LaneActor {
    public nonisolated let lane: SerialLane
    private let client: StreamClient
    private var reader: Reader?
    private var hasBegun = false
    private var unfinished: Set<KafkaPartition> = []
    /// Where each partition goes on.
    private var next: [Partition: Offset]
    private var untold: [Deletion] = []

    /// A result and its partition.
    public struct FollowedResult: Sendable {
        public let partition: Partition
        public let record: StreamRecord
    }

    /// Places of a partition that were deleted before they were read. Not each of them was a result: commits leave markers between them.
    public struct Deletion: Sendable {
        public let partition: Partition
        public let offsets: Range<Offset>
    }

    /// What one call brought.
    public struct Catch: Sendable {
        public let results: [FollowedResult]
        /// Behind these stood no committed result in any partition, a moment ago.
        public let isAtEnd: Bool
        /// Applies before `results`; at most one a partition.
        public let deleted: [Deletion]
    }

    /// Connects to nothing yet. Parameters as for `KafkaResultStream`.
    ///
    /// - Parameter places: which record to begin with in a partition, one that was there; the others are read from their beginning.
    public init(
        bootstrap: String, stream: String, properties: [String: String] = [:], from places: [Partition: Offset] = [:],
        patience: Duration = .seconds(30), report: Log
    ) {
        lane = SerialLane(label: "tanba.result-follower.\(stream)")
        client = StreamClient(bootstrap: bootstrap, stream: stream, properties: properties, patience: patience, report: report)
        next = places
    }

    /// The next results, at most `limit`; waits at most this long for a first one, or for the news that there is none.
    ///
    /// - Throws: `KafkaStreamError` for what somebody must mend, such as a topic that ends before the place to begin with. Brokers that go
    ///   away later are waited for: nothing comes meanwhile.
    public func next(limit: Int, wait: Duration) throws(KafkaStreamError) -> Catch {
        if !hasBegun { try begin() }
        let reader = reader!
        let end = ContinuousClock.now + wait
        var results: [FollowedResult] = []
        loop: while results.count < limit, untold.isEmpty {
            let wasAtEnd = unfinished.isEmpty
            guard let event = reader.poll(for: results.isEmpty ? max(.zero, end - ContinuousClock.now) : .zero) else {
                if !results.isEmpty || ContinuousClock.now >= end { break }
                continue
            }
            switch event {
            case .record(let record):
                unfinished.insert(record.partition)
                let partition = Partition(record.partition.rawValue)
                results.append(FollowedResult(partition: partition, record: StreamRecord(record)))
                next[partition] = Offset(record.offset.rawValue).next
            case .endOfPartition(let position):
                unfinished.remove(position.partition)
                let partition = Partition(position.partition.rawValue)
                next[partition] = max(next[partition] ?? Offset(0), Offset(position.offset.rawValue))
                if unfinished.isEmpty, !wasAtEnd { break loop }
            case .failure(let error, _):
                if error.code == .offsetOutOfReach {
                    // Retention overtook us.
                    try begin()
                    break loop
                }
                if !error.isTransient { try client.attempt("read \(client.results)", reader) { () throws(KafkaError) in throw error } }
            case .rebalance:
                break
            }
        }
        // What was found deleted when the reading began anew stands behind what was read before.
        defer { if results.isEmpty { untold = [] } }
        return Catch(results: results, isAtEnd: unfinished.isEmpty, deleted: results.isEmpty ? untold : [])
    }

    /// Starts each partition where it goes on, or with the first record that is still there.
    private func begin() throws(KafkaStreamError) {
        if self.reader == nil { self.reader = try client.reader(fetchWait: .milliseconds(250), whenOffsetIsGone: "error") }
        let reader = self.reader!
        let count = try client.partitionCount(of: client.results, reader)
        if let partition = next.keys.max(), partition.rawValue >= count { throw madeAnew("has \(count) partitions, not \(partition.rawValue + 1)") }
        var positions: [KafkaPosition] = []
        for number in 0..<Int32(count) {
            let partition = Partition(number)
            let (low, high) = try client.watermarks(of: client.results, partition, reader)
            var from = next[partition] ?? Offset(0)
            if hasBegun ? from > high : next[partition] != nil && from >= high {
                throw madeAnew(":\(partition) ends at \(high), before the record \(from) that was read of it")
            }
            if from < low {
                untold.append(Deletion(partition: partition, offsets: from..<low))
                from = low
            }
            next[partition] = from
            positions.append(KafkaPosition(client.results, KafkaPartition(number), KafkaOffset(from.rawValue)))
        }
        try client.attempt("read \(client.results)", reader) { () throws(KafkaError) in try reader.start(at: positions) }
        unfinished = Set(positions.map(\.partition))
        hasBegun = true
    }

    private func madeAnew(_ what: String) -> KafkaStreamError {
        KafkaStreamError(
            reason: "\(client.results)\(what.hasPrefix(":") ? "" : " ")\(what): it is another topic than before, or lost records",
            remedy: "find out what became of it; what was read before is not to be gone on with")
    }
}
