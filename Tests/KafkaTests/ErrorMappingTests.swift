import Kafka
import SigningTestKit
import Testing

/// Goal: nothing that librdkafka says about a failure is lost. Method: its mock cluster answers single requests with errors.
@Suite struct ErrorMappingTests {
    let cluster: MockCluster

    init() throws {
        cluster = try MockCluster()
        cluster.createTopic("results", partitions: 1)
    }

    func producer(_ more: [String: String] = [:]) throws -> Producer {
        try Producer(
            properties: ["bootstrap.servers": cluster.bootstrap, "transactional.id": "t", "retry.backoff.ms": "10"].merging(more) { $1 }
        ) { _ in }
    }

    func transaction(of producer: Producer) throws -> Transaction {
        try producer.initTransactions(within: .seconds(10))
        let transaction = try producer.begin()
        try transaction.produce(to: "results", KafkaPartition(0), key: nil, value: [1])
        return transaction
    }

    @Test func aRefusedRecordAsksForAnAbort() throws {
        let producer = try producer()
        let transaction = try transaction(of: producer)
        cluster.answer(.produce, with: .messageTooLarge)
        let error = #expect(throws: KafkaError.self) { try transaction.commit(within: .seconds(30)) }
        #expect(error?.disposition == .abort)
        #expect(error?.operation == "rd_kafka_commit_transaction")
        #expect(transaction.takeFailures().map(\.error.name) == ["MSG_SIZE_TOO_LARGE"])
        try transaction.abort(within: .seconds(30))
        #expect(transaction.isOver)
        _ = try producer.begin()
    }

    @Test func aCommitThatTheCoordinatorRefusesForGoodIsFatal() throws {
        let producer = try producer()
        let transaction = try transaction(of: producer)
        cluster.answer(.endTransaction, with: .invalidProducerEpoch)
        let error = #expect(throws: KafkaError.self) { try transaction.commit(within: .seconds(30)) }
        #expect(error?.disposition == .fatal)
        #expect(error?.isFatal == true)
        // whatever is called afterwards tells what it died of, not only that it did
        let later = #expect(throws: KafkaError.self) { _ = try producer.begin() }
        #expect(later?.isFatal == true)
        #expect(later?.code != .fatal)
    }

    @Test func staleMemberAsksForAnAbort() throws {
        let producer = try producer()
        let transaction = try transaction(of: producer)
        let consumer = try Consumer(properties: ["bootstrap.servers": cluster.bootstrap, "group.id": "g"]) { _ in }
        cluster.answer(.commitOffsetsInTransaction, with: .illegalGeneration)
        let member = try #require(consumer.groupMetadata())
        let error = #expect(throws: KafkaError.self) {
            try transaction.send(offsets: [KafkaPosition("jobs", KafkaPartition(0), KafkaOffset(7))], of: member, within: .seconds(5))
        }
        #expect(error?.disposition == .abort)
        #expect(error?.code == .illegalGeneration)
        try transaction.abort(within: .seconds(30))
    }

    @Test func transactionalIDWithoutRightIsFatal() throws {
        let producer = try producer()
        cluster.answer(.initProducerID, with: .transactionalIDAuthorizationFailed)
        let error = #expect(throws: KafkaError.self) { try producer.initTransactions(within: .seconds(10)) }
        #expect(error?.code == .transactionalIDAuthorizationFailed)
        #expect(error?.isFatal == true)
    }

    @Test func passingFaultsAreRetriedInside() throws {
        let producer = try producer()
        let transaction = try transaction(of: producer)
        let notLeader = KafkaError.Code(rawValue: 6)
        let requestTimedOut = KafkaError.Code(rawValue: 7)
        cluster.answer(.produce, with: notLeader, requestTimedOut)
        try transaction.commit(within: .seconds(30))
        #expect(transaction.takeFailures().isEmpty)
    }

    @Test func aBadPropertyIsNamed() {
        let error = #expect(throws: KafkaError.self) { _ = try Producer(properties: ["linger.mss": "5"]) { _ in } }
        #expect(error?.code == .invalidArgument)
        #expect(error?.text.contains("linger.mss") == true)
        let second = #expect(throws: KafkaError.self) {
            _ = try Producer(properties: ["enable.idempotence": "true", "acks": "1"]) { _ in }
        }
        #expect(second?.operation == "rd_kafka_new")
        #expect(second?.text.contains("acks") == true)
    }

    @Test func aBrokerThatIsAwayIsNamedByTheIncidents() throws {
        let gone = "127.0.0.1:\(try refusingPort())"
        let producer = try Producer(properties: ["bootstrap.servers": gone, "transactional.id": "t"]) { _ in }
        let error = #expect(throws: KafkaError.self) { try producer.initTransactions(within: .milliseconds(1500)) }
        #expect(error?.disposition == .retry)
        producer.poll(for: .zero)
        let incidents = producer.takeIncidents()
        #expect(incidents.contains { $0.code == .transport && $0.text.contains("Connection refused") }, "\(incidents)")
        #expect(producer.takeIncidents().isEmpty)
    }

    @Test func unknownCodesSurvive() {
        #expect(KafkaError.Code(rawValue: 4711).rawValue == 4711)
    }

    @Test func theQueueSaysWhenItIsFull() throws {
        let producer = try Producer(
            properties: ["bootstrap.servers": cluster.bootstrap, "queue.buffering.max.messages": "10", "linger.ms": "60000"]) { _ in }
        let error = #expect(throws: KafkaError.self) {
            for tag in 1...11 { try producer.produce(to: "results", KafkaPartition(0), key: nil, value: [1], tag: tag) }
        }
        #expect(error?.code == .queueFull)
        #expect(error?.isTransient == true)
        #expect(producer.outstanding == 10)
        try producer.flush(within: .seconds(10))
        #expect(producer.outstanding == 0)
    }

    @Test func aFailedDeliveryNamesItsTag() throws {
        let producer = try Producer(properties: ["bootstrap.servers": cluster.bootstrap]) { _ in }
        cluster.answer(.produce, with: .topicAuthorizationFailed)
        try producer.produce(to: "results", KafkaPartition(0), key: [1], value: [2], tag: 42)
        try producer.flush(within: .seconds(10))
        let failure = try #require(producer.takeFailures().first)
        #expect(failure.tag == 42)
        #expect(failure.error.code == .topicAuthorizationFailed)
    }
}
