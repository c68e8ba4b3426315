import Kafka
import Testing

@testable import KafkaJobLog

/// Goal: each error of a transactional call has its one consequence. Method: the mock cluster answers one request of a transaction with
/// it. What only real brokers do (fencing, eviction, rights) is met in `JobLogTroubleTests` and `RightsTests`.
@Suite struct TransactSessionTests {
    let cluster: MockCluster

    init() throws {
        cluster = try MockCluster()
        cluster.createTopic("results", partitions: 1)
    }

    func session() throws -> TransactSession {
        let consumer = try Consumer(properties: ["bootstrap.servers": cluster.bootstrap, "group.id": "g"], log: KafkaClient.silent)
        let producer = try Producer(
            properties: ["bootstrap.servers": cluster.bootstrap, "transactional.id": "t", "retry.backoff.ms": "10"], log: KafkaClient.silent)
        try producer.initTransactions(within: .seconds(10))
        return TransactSession(consumer: consumer, producer: producer, patience: .seconds(5))
    }

    func publish(_ session: TransactSession) -> TransactSession.Ending {
        session.publish([KafkaPosition("jobs", KafkaPartition(0), KafkaOffset(1))]) { transaction throws(KafkaError) in
            try transaction.produce(to: "results", KafkaPartition(0), key: nil, value: [1])
        }
    }

    /// Aborted, and the producer goes on.
    @Test(
        arguments: [
            (MockCluster.Request.produce, KafkaError.Code.messageTooLarge),
            (.addPartitionsToTransaction, .topicAuthorizationFailed), (.addOffsetsToTransaction, .groupAuthorizationFailed),
            (.commitOffsetsInTransaction, .illegalGeneration), (.commitOffsetsInTransaction, .unknownMember),
            (.commitOffsetsInTransaction, .fencedInstance), (.commitOffsetsInTransaction, .groupAuthorizationFailed),
        ] as [(MockCluster.Request, KafkaError.Code)])
    func whatAsksForAnAbortIsTakenBack(request: MockCluster.Request, code: KafkaError.Code) throws {
        let session = try session()
        cluster.answer(request, with: code)
        let first = publish(session)
        guard case .takenBack(let error) = first else {
            Issue.record("\(first)")
            return
        }
        #expect(error.code == code)
        #expect(session.settle() == nil)
        var ending = publish(session)
        // 2.0.2 needs a second abort after a refused record until its numbering is right again.
        if case .takenBack = ending, request == .produce { ending = publish(session) }
        guard case .committed = ending else {
            Issue.record("then \(ending)")
            return
        }
    }

    @Test(
        arguments: [
            (MockCluster.Request.endTransaction, KafkaError.Code.invalidProducerEpoch), (.endTransaction, .invalidTransactionState),
            (.endTransaction, .transactionalIDAuthorizationFailed), (.addPartitionsToTransaction, .transactionalIDAuthorizationFailed),
            (.addOffsetsToTransaction, .invalidProducerEpoch), (.commitOffsetsInTransaction, .transactionalIDAuthorizationFailed),
        ] as [(MockCluster.Request, KafkaError.Code)])
    func whatIsFatalEndsTheSession(request: MockCluster.Request, code: KafkaError.Code) throws {
        let session = try session()
        cluster.answer(request, with: code)
        guard case .dead(let error) = publish(session) else { throw NotYet() }
        #expect(error.isFatal)
    }

    /// The coordinator knows of no transaction to abort: the clients are of no use any more, but nobody fenced them off.
    @Test func whatCannotBeAbortedIsGone() throws {
        let session = try session()
        cluster.answer(.commitOffsetsInTransaction, with: .illegalGeneration)
        cluster.answer(.endTransaction, with: .invalidTransactionState)
        guard case .gone(let error) = publish(session) else { throw NotYet() }
        #expect(error.code == .illegalGeneration)
    }

    /// Coordinators that move or load, leaders that move: nobody notices.
    @Test(
        arguments: [
            (MockCluster.Request.produce, KafkaError.Code(rawValue: 6)), (.produce, KafkaError.Code(rawValue: 19)),
            (.addPartitionsToTransaction, KafkaError.Code(rawValue: 51)), (.addOffsetsToTransaction, KafkaError.Code(rawValue: 16)),
            (.commitOffsetsInTransaction, KafkaError.Code(rawValue: 14)), (.endTransaction, KafkaError.Code(rawValue: 15)),
            (.endTransaction, KafkaError.Code(rawValue: 16)), (.endTransaction, KafkaError.Code(rawValue: 51)),
        ] as [(MockCluster.Request, KafkaError.Code)])
    func whatPassesIsTriedAgain(request: MockCluster.Request, code: KafkaError.Code) throws {
        let session = try session()
        cluster.answer(request, with: code, code)
        guard case .committed = publish(session) else { throw NotYet() }
    }
}
