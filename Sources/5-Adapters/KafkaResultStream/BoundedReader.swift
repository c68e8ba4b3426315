import Auditor
import Kafka
import SigningModel

/// Reads stretches of a topic's partitions up to fixed ends. One after the other in one partition is one pass over it; every other
/// call costs a new start.
final class BoundedReader {
    private let client: StreamClient
    private let topic: String
    private let reader: Reader
    /// The next record of the partition that is being read stands here or later.
    private var current: (partition: Partition, next: Offset)?

    init(_ client: StreamClient, topic: String) throws(KafkaStreamError) {
        self.client = client
        self.topic = topic
        reader = try client.reader()
    }

    /// Up to `limit` records from `from` on that stand before `end`; none means that there are no more.
    func records(of partition: Partition, from: Offset, before end: Offset, limit: Int) throws(KafkaStreamError) -> [StreamRecord] {
        guard from < end, limit > 0 else { return [] }
        let position = KafkaPosition(topic, KafkaPartition(partition.rawValue), KafkaOffset(from.rawValue))
        if current?.partition != partition || current?.next != from {
            try client.attempt("read \(position)", reader) { () throws(KafkaError) in try reader.start(at: [position]) }
        }
        current = nil  // set again when the stretch is read: an error in the middle leaves no known place
        var records: [StreamRecord] = []
        while records.count < limit {
            switch reader.poll(for: client.patience) {
            case .record(let record):
                let record = StreamRecord(record)
                guard record.offset < end else { return records }
                records.append(record)
            case .endOfPartition:
                // At a committed reader's end there may be an open transaction before `end`: nothing in it is there.
                return records
            case .failure(let error, _):
                if !error.isTransient { try client.attempt("read \(position)", reader) { () throws(KafkaError) in throw error } }
            case .rebalance:
                break
            case nil:
                try client.attempt("read \(position)", reader) { () throws(KafkaError) in
                    throw KafkaError.silence(reading: position, for: client.patience)
                }
            }
        }
        current = records.last.map { (partition, $0.offset.next) }
        return records
    }
}
