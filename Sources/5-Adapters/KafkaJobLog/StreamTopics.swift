import Kafka
import SigningModel

/// The names that a stream has at a broker.
struct StreamTopics: Sendable {
    let stream: String

    var jobs: String { stream + ".jobs" }
    var results: String { stream + ".results" }
    var ledger: String { stream + ".ledger" }
    var group: String { "tanba-" + stream }
    func transactionalID(worker: String) -> String { "tanba-\(stream)-\(worker)" }

    /// What the users of these clients must be given, for a person who is to give it.
    var workersRights: String {
        "Read on topic \(jobs) and group \(group), Write on topic \(results), Read and Write on topic \(ledger), and Write on the transactional ids"
            + " \(transactionalID(worker: "*")); Deploy/topics create --stream \(stream) --worker USER does"
    }
    var submittersRight: String { "Write on topic \(jobs); Deploy/topics create --stream \(stream) --submitter USER does" }

    func jobs(_ partition: Partition, at offset: Offset? = nil) -> KafkaPosition {
        KafkaPosition(jobs, KafkaPartition(partition), offset.map { KafkaOffset($0) } ?? .none)
    }
}

// The wrapper knows nothing of signing and has numbers of its own.

extension KafkaPartition {
    init(_ partition: Partition) { self.init(partition.rawValue) }
}

extension KafkaOffset {
    init(_ offset: Offset) { self.init(offset.rawValue) }
}

extension Partition {
    init(_ partition: KafkaPartition) { self.init(partition.rawValue) }
}

extension Offset {
    init(_ offset: KafkaOffset) { self.init(offset.rawValue) }
}
