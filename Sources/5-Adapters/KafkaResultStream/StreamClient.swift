import Auditor
import FoundationEssentials
import Kafka
import Log
import SigningModel

/// How to reach a stream as a reader of its topics.
struct StreamClient: Sendable {
    let bootstrap: String
    let stream: String
    let properties: [String: String]
    let patience: Duration
    let report: Log

    var jobs: String { stream + ".jobs" }
    var results: String { stream + ".results" }

    /// A reader of what is committed, or only of where topics end otherwise.
    /// - Parameter fetchWait: how long a fetch may wait for records at the end of a partition, and so hold up a start elsewhere.
    func reader(isolation: String = "read_committed", fetchWait: Duration = .milliseconds(10)) throws(KafkaStreamError) -> Reader {
        let milliseconds = fetchWait.components.attoseconds / 1_000_000_000_000_000
        var all = ["client.id": "tanba-reader", "queued.max.messages.kbytes": "4096", "fetch.wait.max.ms": String(milliseconds)]
        all.merge(properties) { _, users in users }
        all.merge(
            [
                "bootstrap.servers": bootstrap, "isolation.level": isolation, "enable.partition.eof": "true",
                // What retention deletes meanwhile is passed over; offsets tell.
                "auto.offset.reset": "earliest",
            ]) { $1 }
        all["metadata.broker.list"] = nil
        let report = report
        do throws(KafkaError) {
            return try Reader(properties: all) { line in
                switch line.severity {
                case ...4 where line.facility != "CONFWARN": report.warning("kafka-client", line.text, [("facility", .text(line.facility))])
                default: report.debug("kafka-client", line.text, [("facility", .text(line.facility))])
                }
            }
        } catch {
            throw KafkaStreamError("stream \(stream): cannot make a reader", error, incidents: [], bootstrap: bootstrap)
        }
    }

    /// A reader that has begun at the first result of each of these partitions.
    func readerOfAllResults() throws(KafkaStreamError) -> (Reader, Set<KafkaPartition>) {
        let reader = try reader(fetchWait: .milliseconds(250))
        let partitions = try attempt("read \(results)", reader) { () throws(KafkaError) in
            let partitions = (0..<Int32(try reader.partitionCount(of: results, within: patience))).map { KafkaPartition($0) }
            try reader.start(at: partitions.map { KafkaPosition(results, $0, .beginning) })
            return Set(partitions)
        }
        return (reader, partitions)
    }

    func attempt<R>(_ what: String, _ reader: Reader, _ call: () throws(KafkaError) -> R) throws(KafkaStreamError) -> R {
        do throws(KafkaError) { return try call() } catch {
            _ = reader.poll(for: .zero)
            throw KafkaStreamError("stream \(stream): cannot \(what)", error, incidents: reader.takeIncidents(), bootstrap: bootstrap)
        }
    }
}

extension StreamRecord {
    init(_ record: KafkaRecord) {
        self.init(
            offset: Offset(record.offset.rawValue), key: record.key, value: record.value,
            time: Date(timeIntervalSince1970: Double(record.millisecondsSince1970 ?? 0) / 1000))
    }
}
