public import Auditor
import Kafka
public import Log
public import OperatingSystem
public import SigningModel

/// Reads all results of a stream from their beginning and goes on with those that come: for `tanba results`.
///
/// Results of one partition come in order, those of different partitions as they arrive.
public actor ResultFollower: LaneActor {
    public nonisolated let lane: SerialLane
    private let client: StreamClient
    private var reader: Reader?
    private var unfinished: Set<KafkaPartition> = []

    /// A result and its partition.
    public struct FollowedResult: Sendable {
        public let partition: Partition
        public let record: StreamRecord
    }

    /// What one call brought.
    public struct Catch: Sendable {
        public let results: [FollowedResult]
        /// Behind these stood no committed result in any partition, a moment ago.
        public let isAtEnd: Bool
    }

    /// Connects to nothing yet. Parameters as for `KafkaResultStream`.
    public init(
        bootstrap: String, stream: String, properties: [String: String] = [:], patience: Duration = .seconds(30), report: Log
    ) {
        lane = SerialLane(label: "tanba.result-follower.\(stream)")
        client = StreamClient(bootstrap: bootstrap, stream: stream, properties: properties, patience: patience, report: report)
    }

    /// The next results, at most `limit`; waits at most this long for a first one, or for the news that there is none.
    ///
    /// - Throws: `KafkaStreamError` for what somebody must mend. Brokers that go away later are waited for: nothing comes meanwhile.
    public func next(limit: Int, wait: Duration) throws(KafkaStreamError) -> Catch {
        if reader == nil { (reader, unfinished) = try client.readerOfAllResults() }
        let reader = reader!
        let end = ContinuousClock.now + wait
        var results: [FollowedResult] = []
        while results.count < limit {
            let wasAtEnd = unfinished.isEmpty
            guard let event = reader.poll(for: results.isEmpty ? max(.zero, end - ContinuousClock.now) : .zero) else {
                if !results.isEmpty || ContinuousClock.now >= end { break }
                continue
            }
            switch event {
            case .record(let record):
                unfinished.insert(record.partition)
                results.append(FollowedResult(partition: Partition(record.partition.rawValue), record: StreamRecord(record)))
            case .endOfPartition(let position):
                unfinished.remove(position.partition)
                if unfinished.isEmpty, !wasAtEnd { return Catch(results: results, isAtEnd: true) }
            case .failure(let error, _):
                if !error.isTransient { try client.attempt("read \(client.results)", reader) { () throws(KafkaError) in throw error } }
            case .rebalance:
                break
            }
        }
        return Catch(results: results, isAtEnd: unfinished.isEmpty)
    }
}
