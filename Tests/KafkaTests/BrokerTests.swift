import Kafka
import SigningTestKit
import Testing

/// Goal: the wrapper's calls do at a real broker what their comments say.
@Suite(.enabled(if: TestBroker.isAvailable)) struct BrokerTests {
    let broker: TestBroker

    init() throws { broker = try TestBroker.shared.get() }

    func producer(_ more: [String: String] = [:]) throws -> Producer {
        try Producer(
            properties: ["bootstrap.servers": broker.bootstrap, "retry.backoff.ms": "10"].merging(more) { $1 }, log: KafkaClient.silent)
    }

    func consumer(_ group: String, _ more: [String: String] = [:]) throws -> Consumer {
        let properties = [
            "bootstrap.servers": broker.bootstrap, "group.id": group, "session.timeout.ms": "6000", "enable.auto.commit": "false",
            "auto.offset.reset": "earliest", "partition.assignment.strategy": "range", "enable.partition.eof": "true",
        ]
        return try Consumer(properties: properties.merging(more) { $1 }, log: KafkaClient.silent)
    }

    @Test func recordsComeAsTheyWere() throws {
        let topic = freshName("records")
        try broker.createTopics(topic, partitions: 2)
        let producer = try producer()
        let headers = [KafkaHeader("schema", Array("a".utf8)), KafkaHeader("none", nil), KafkaHeader("empty", [])]
        try producer.produce(to: topic, KafkaPartition(1), key: [1, 0, 2], value: [UInt8](repeating: 7, count: 3000), headers: headers)
        try producer.produce(to: topic, KafkaPartition(1), key: nil, value: nil)
        try producer.produce(to: topic, KafkaPartition(1), key: [], value: [])
        try producer.flush(within: .seconds(20))
        let records = try broker.contents(topic, 1)
        #expect(records.map(\.offset.rawValue) == [0, 1, 2])
        #expect(records.map(\.key) == [[1, 0, 2], nil, []])
        #expect(records.map { $0.value?.count } == [3000, nil, 0])
        #expect(records.map(\.headers) == [headers, [], []])
        #expect(records.allSatisfy { ($0.millisecondsSince1970 ?? 0) > 1_700_000_000_000 })
        #expect(try broker.contents(topic, 0).isEmpty)
    }

    @Test func aTopicThatIsNotThereIsNamed() throws {
        let error = #expect(throws: KafkaError.self) { try producer().partitionCount(of: freshName("missing"), within: .seconds(10)) }
        #expect(error?.code == .unknownTopicOrPartition)
        let topic = freshName("twice")
        try broker.createTopics(topic, partitions: 1)
        let second = #expect(throws: KafkaError.self) { try broker.createTopics(topic, partitions: 1) }
        #expect(second?.code == .topicAlreadyExists)
    }

    @Test func aTransactionIsVisibleOnlyAfterItsCommit() throws {
        let topic = freshName("visible")
        try broker.createTopics(topic, partitions: 1)
        let producer = try producer(["transactional.id": freshName("id")])
        try producer.initTransactions(within: .seconds(30))

        let first = try producer.begin()
        try first.produce(to: topic, KafkaPartition(0), key: nil, value: [1])
        try producer.flush(within: .seconds(20))
        #expect(try broker.contents(topic, isolation: "read_uncommitted").map(\.value) == [[1]])
        #expect(try broker.contents(topic).isEmpty)
        // the last stable offset stands before the open transaction, the high watermark behind its record
        #expect(try stableEnd(topic, "read_committed") == KafkaOffset(0))
        #expect(try stableEnd(topic, "read_uncommitted") == KafkaOffset(1))
        try first.abort(within: .seconds(30))
        #expect(try broker.contents(topic).isEmpty)

        let second = try producer.begin()
        try second.produce(to: topic, KafkaPartition(0), key: nil, value: [2])
        try second.commit(within: .seconds(30))
        #expect(
            try retrying { () -> [[UInt8]?] in
                let values = try broker.contents(topic).map(\.value)
                guard !values.isEmpty else { throw NotYet() }
                return values
            } == [[2]])
    }

    func stableEnd(_ topic: String, _ isolation: String) throws -> KafkaOffset {
        let reader = try Reader(
            properties: ["bootstrap.servers": broker.bootstrap, "isolation.level": isolation], log: KafkaClient.silent)
        return try reader.watermarks(of: topic, KafkaPartition(0), within: .seconds(10)).high
    }

    /// An older producer with the id of a newer one can commit nothing.
    @Test func aZombieIsFenced() throws {
        let topic = freshName("zombie")
        try broker.createTopics(topic, partitions: 1)
        let id = freshName("id")
        let zombie = try producer(["transactional.id": id])
        try zombie.initTransactions(within: .seconds(30))
        let hanging = try zombie.begin()
        try hanging.produce(to: topic, KafkaPartition(0), key: nil, value: [1])
        try zombie.flush(within: .seconds(20))

        let successor = try producer(["transactional.id": id])
        try successor.initTransactions(within: .seconds(30))
        let transaction = try successor.begin()
        try transaction.produce(to: topic, KafkaPartition(0), key: nil, value: [2])
        try transaction.commit(within: .seconds(30))

        let error = #expect(throws: KafkaError.self) { try hanging.commit(within: .seconds(30)) }
        #expect(error?.disposition == .fatal)
        #expect(error?.code == .fenced)
        try retrying { guard try broker.contents(topic).map(\.value) == [[2]] else { throw NotYet() } }
    }

    /// What a record failed of is in its report; the producer goes on afterwards. librdkafka 2.0.2 needs one more abort for that: it
    /// does not notice that the numbering of its records has a hole now until the broker says so.
    @Test func aRefusedRecordAborts() throws {
        let topic = freshName("small")
        try broker.createTopics(topic, partitions: 1, settings: ["max.message.bytes": "1000"])
        let producer = try producer(["transactional.id": freshName("id")])
        try producer.initTransactions(within: .seconds(30))
        let first = try producer.begin()
        try first.produce(to: topic, KafkaPartition(0), key: nil, value: [UInt8](repeating: 1, count: 2000))
        let error = #expect(throws: KafkaError.self) { try first.commit(within: .seconds(30)) }
        #expect(error?.disposition == .abort)
        #expect(first.takeFailures().map(\.error.code) == [.messageTooLarge])
        try first.abort(within: .seconds(30))

        func commitSecond() throws(KafkaError) {
            let second = try producer.begin()
            try second.produce(to: topic, KafkaPartition(0), key: nil, value: [2])
            do throws(KafkaError) { try second.commit(within: .seconds(30)) } catch {
                #expect(error.disposition == .abort)
                try second.abort(within: .seconds(30))
                throw error
            }
        }
        do throws(KafkaError) { try commitSecond() } catch { try commitSecond() }
        try retrying { guard try broker.contents(topic).map(\.value) == [[2]] else { throw NotYet() } }
    }

    @Test func offsetsAreCommittedWithTheTransaction() throws {
        let jobs = freshName("jobs")
        let results = freshName("results")
        try broker.createTopics(jobs, results, partitions: 1)
        let group = freshName("group")
        let source = KafkaPosition(jobs, KafkaPartition(0))
        let consumer = try consumer(group)
        try consumer.subscribe(to: [jobs])
        #expect(try consumer.awaitAssignment() == [source])
        #expect(try consumer.committed([source], within: .seconds(10)) == [source])

        let producer = try producer(["transactional.id": freshName("id")])
        try producer.initTransactions(within: .seconds(30))
        for (offset, commits) in [(5, true), (9, false)] as [(Int64, Bool)] {
            let transaction = try producer.begin()
            try transaction.produce(to: results, KafkaPartition(0), key: nil, value: [1])
            let member = try #require(consumer.groupMetadata())
            try transaction.send(offsets: [KafkaPosition(jobs, KafkaPartition(0), KafkaOffset(offset))], of: member, within: .seconds(10))
            if commits { try transaction.commit(within: .seconds(30)) } else { try transaction.abort(within: .seconds(30)) }
        }
        #expect(try consumer.committed([source], within: .seconds(10)).map(\.offset) == [KafkaOffset(5)])
        try consumer.close()
    }

    /// Two members share the partitions; one leaves, and the other has all again.
    @Test func partitionsAreSharedAndComeBack() throws {
        let topic = freshName("shared")
        try broker.createTopics(topic, partitions: 4)
        let group = freshName("group")
        let first = try consumer(group)
        try first.subscribe(to: [topic])
        #expect(try first.awaitAssignment().count == 4)
        let second = try consumer(group)
        try second.subscribe(to: [topic])
        var halves: [Int: Set<KafkaPosition>] = [:]
        let end = ContinuousClock.now + .seconds(60)
        while halves.values.map(\.count) != [2, 2], ContinuousClock.now < end {
            for (index, member) in [first, second].enumerated() {
                switch member.poll(for: .milliseconds(50)) {
                case .rebalance(.assigned(let positions)):
                    halves[index] = Set(positions)
                    try member.assign(positions)
                case .rebalance(.revoked(let positions, let isLost)):
                    #expect(!isLost)
                    #expect(positions.count == 4)
                    halves[index] = nil
                    try member.unassign()
                default: break
                }
            }
        }
        #expect(halves[0]?.isDisjoint(with: halves[1] ?? []) == true)
        try second.close()
        #expect(try first.awaitAssignment().count == 4)
        try first.close()
    }

    @Test func pausedPartitionsWaitAndSoughtOnesComeAgain() throws {
        let topic = freshName("paused")
        try broker.createTopics(topic, partitions: 2)
        let producer = try producer()
        for partition in [0, 1] as [Int32] {
            for value in 0..<10 as Range<UInt8> { try producer.produce(to: topic, KafkaPartition(partition), key: nil, value: [value]) }
        }
        try producer.flush(within: .seconds(20))
        let consumer = try consumer(freshName("group"))
        try consumer.subscribe(to: [topic])
        _ = try consumer.awaitAssignment(from: .beginning)
        let paused = KafkaPosition(topic, KafkaPartition(1))
        try consumer.pause([paused])
        var seen: [Int32: [UInt8]] = [:]
        func readUntilEnd(of partition: Int32) throws {
            while true {
                switch try consumer.awaitEvent() {
                case .record(let record): seen[record.partition.rawValue, default: []] += record.value ?? []
                case .endOfPartition(let position): if position.partition.rawValue == partition { return }
                case .failure(let error, _): throw error
                case .rebalance: Issue.record("a rebalance")
                }
            }
        }
        try readUntilEnd(of: 0)
        #expect(seen == [0: Array(0..<10)])
        try consumer.resume([paused])
        try readUntilEnd(of: 1)
        #expect(seen == [0: Array(0..<10), 1: Array(0..<10)])
        try consumer.seek(to: [KafkaPosition(topic, KafkaPartition(0), KafkaOffset(7))], within: .seconds(10))
        seen = [:]
        try readUntilEnd(of: 0)
        #expect(seen == [0: [7, 8, 9]])
        try consumer.close()
    }

    /// Whatever was read before, and whether or not it was fetched to its end.
    @Test func aReaderStartsWhereItIsTold() throws {
        let topic = freshName("reader")
        try broker.createTopics(topic, partitions: 2)
        let producer = try producer()
        for value in 0..<10 as Range<UInt8> {
            try producer.produce(to: topic, KafkaPartition(Int32(value) % 2), key: nil, value: [value])
        }
        try producer.flush(within: .seconds(20))
        let reader = try Reader(
            properties: ["bootstrap.servers": broker.bootstrap, "enable.partition.eof": "true", "fetch.wait.max.ms": "10"],
            log: KafkaClient.silent)
        func position(_ partition: Int32, _ offset: Int64) -> KafkaPosition {
            KafkaPosition(topic, KafkaPartition(partition), KafkaOffset(offset))
        }
        func read(_ count: Int) throws -> [UInt8] {
            var values: [UInt8] = []
            while values.count < count {
                switch reader.poll(for: .seconds(20)) {
                case .record(let record): values += record.value ?? []
                case .endOfPartition(let position):
                    #expect(position.offset == KafkaOffset(5))
                    return values
                default: throw NotYet()
                }
            }
            return values
        }
        #expect(reader.poll(for: .zero) == nil)
        try reader.start(at: [position(0, 3)])
        #expect(try read(.max) == [6, 8])
        for round in 0..<10 as Range<Int64> {
            // all records are taken, the news of the end is left behind
            try reader.start(at: [position(1, round % 5)])
            #expect(try read(5 - Int(round % 5)).count == 5 - Int(round % 5))
            try reader.start(at: [position(0, 1)])
            #expect(try read(.max) == [2, 4, 6, 8])
        }
        try reader.start(at: [position(0, 0), position(1, 0)])
        #expect(Set(try read(10)) == Set(0..<10))
    }

    /// A broker without TLS, spoken to with TLS: only the error callback says what is wrong.
    @Test func faultsOfTheConnectionAreNamedByTheIncidents() throws {
        let producer = try producer(["security.protocol": "ssl", "transactional.id": freshName("id")])
        let error = #expect(throws: KafkaError.self) { try producer.initTransactions(within: .seconds(3)) }
        #expect(error?.code == .timedOut)
        producer.poll(for: .zero)
        let incidents = producer.takeIncidents()
        #expect(incidents.contains { $0.code == .ssl || $0.code == .transport && $0.text.contains("SSL") }, "\(incidents)")
    }
}
