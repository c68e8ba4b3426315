import Kafka
import SigningTestKit
import Testing

/// A fresh name for topics, groups and ids: tests share one broker.
func freshName(_ word: String) -> String { "\(word)-\(UInt64.random(in: .min ... .max))" }

extension KafkaClient {
    static let silent: @Sendable (KafkaLogLine) -> Void = { _ in }
}

extension TestBroker {
    func createTopics(_ names: String..., partitions: Int, replication: Int = 1, settings: [String: String] = [:]) throws {
        let admin = try Admin(properties: ["bootstrap.servers": bootstrap], log: KafkaClient.silent)
        try admin.create(names.map { .init($0, partitions: partitions, replication: replication, settings: settings) }, within: .seconds(30))
        for name in names {
            // the controller knows them at once, the broker a moment later
            try retrying { guard try admin.partitionCount(of: name, within: .seconds(5)) == partitions else { throw NotYet() } }
        }
    }

    /// Everything a reader with this isolation finds in a partition now.
    func contents(_ topic: String, _ partition: Int32 = 0, isolation: String = "read_committed") throws -> [KafkaRecord] {
        let reader = try Reader(
            properties: [
                "bootstrap.servers": bootstrap, "isolation.level": isolation, "enable.partition.eof": "true", "fetch.wait.max.ms": "10",
            ],
            log: KafkaClient.silent)
        try reader.start(at: [KafkaPosition(topic, KafkaPartition(partition), .beginning)])
        var records: [KafkaRecord] = []
        while true {
            switch reader.poll(for: .seconds(20)) {
            case .record(let record): records.append(record)
            case .endOfPartition: return records
            case .failure(let error, _): if !error.isTransient { throw error }
            case .rebalance, nil: throw NotYet()
            }
        }
    }
}

struct NotYet: Error {}

/// Calls again until it succeeds, at most a minute.
func retrying<R>(_ body: () throws -> R) throws -> R {
    let end = ContinuousClock.now + .seconds(60)
    while true {
        do { return try body() } catch { if ContinuousClock.now > end { throw error } }
    }
}

extension Consumer {
    /// Polls until the group has given partitions, and takes them from their beginning or from where the group stands.
    func awaitAssignment(from offset: KafkaOffset = .none) throws -> [KafkaPosition] {
        while true {
            switch try awaitEvent() {
            case .rebalance(.assigned(let positions)):
                try assign(positions.map { KafkaPosition($0.topic, $0.partition, offset) })
                return positions
            case .rebalance: try unassign()
            default: break
            }
        }
    }

    /// The next event that is no passing failure.
    func awaitEvent() throws -> KafkaEvent {
        let end = ContinuousClock.now + .seconds(60)
        while ContinuousClock.now < end {
            switch poll(for: .seconds(1)) {
            case .failure(let error, _) where error.isTransient: break
            case let event?: return event
            case nil: break
            }
        }
        throw NotYet()
    }
}
