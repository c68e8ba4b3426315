import Auditor
import FoundationEssentials
import Glibc
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
    /// - Parameters:
    ///   - fetchWait: how long a fetch may wait for records at the end of a partition, and so hold up a start elsewhere.
    ///   - reset: what to do when a place to read from is deleted: go on with the `earliest` record that is there (offsets tell), or `error`.
    func reader(
        isolation: String = "read_committed", fetchWait: Duration = .milliseconds(10), whenOffsetIsGone reset: String = "earliest"
    ) throws(KafkaStreamError) -> Reader {
        let milliseconds = fetchWait.components.attoseconds / 1_000_000_000_000_000
        var all = ["client.id": "tanba-reader", "queued.max.messages.kbytes": "4096", "fetch.wait.max.ms": String(milliseconds)]
        all.merge(properties) { _, users in users }
        all.merge(
            [
                "bootstrap.servers": bootstrap, "isolation.level": isolation, "enable.partition.eof": "true", "auto.offset.reset": reset,
            ]) { $1 }
        all["metadata.broker.list"] = nil
        let report = report
        do throws(KafkaError) {
            return try Reader(properties: all) { line in
                switch line.severity {
                // Why a certificate is not taken is told by the error; this says again and again that it is so.
                case ...4 where !["CONFWARN", "SSLCERTVRFY"].contains(line.facility):
                    report.warning("kafka-client", line.text, [("facility", .text(line.facility))])
                default: report.debug("kafka-client", line.text, [("facility", .text(line.facility))])
                }
            }
        } catch {
            throw KafkaStreamError("make a reader", of: stream, error, incidents: [], bootstrap: bootstrap)
        }
    }

    /// Waits for brokers that do not answer, and not for those that refuse this client.
    func partitionCount(of topic: String, _ reader: Reader) throws(KafkaStreamError) -> Int {
        let end = ContinuousClock.now + patience
        var incidents: [KafkaError] = []
        while true {
            do throws(KafkaError) {
                return try reader.partitionCount(of: topic, within: min(.seconds(5), max(.milliseconds(1), end - ContinuousClock.now)))
            } catch {
                _ = reader.poll(for: .zero)
                incidents = (incidents + reader.takeIncidents()).suffix(16)
                let told = KafkaStreamError("find \(topic)", of: stream, error, incidents: incidents, bootstrap: bootstrap)
                guard told.isTransient, ContinuousClock.now < end else { throw told }
            }
        }
    }

    /// Where a partition begins and ends now. Asked again while its leader changes or was just chosen.
    func watermarks(of topic: String, _ partition: Partition, _ reader: Reader) throws(KafkaStreamError) -> (low: Offset, high: Offset) {
        let end = ContinuousClock.now + patience
        while true {
            do throws(KafkaStreamError) {
                let marks = try attempt("look at \(topic):\(partition)", reader) { () throws(KafkaError) in
                    try reader.watermarks(of: topic, KafkaPartition(partition.rawValue), within: patience)
                }
                return (Offset(marks.low.rawValue), Offset(marks.high.rawValue))
            } catch {
                guard error.isTransient, ContinuousClock.now < end else { throw error }
                usleep(100_000)
            }
        }
    }

    func attempt<R>(_ what: String, _ reader: Reader, _ call: () throws(KafkaError) -> R) throws(KafkaStreamError) -> R {
        do throws(KafkaError) { return try call() } catch {
            _ = reader.poll(for: .zero)
            throw KafkaStreamError(what, of: stream, error, incidents: reader.takeIncidents(), bootstrap: bootstrap)
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
