import FoundationEssentials
import Kafka
import KafkaJobLog
import Metrics
import SigningModel
import SigningPipeline
import SigningTestKit
import Testing

/// Goal: whatever happens to workers and brokers, every job has one visible result. Method: one thing goes wrong a test.
@Suite(.enabled(if: TestBroker.isAvailable)) struct JobLogTroubleTests {
    /// A result that the topic refuses aborts the transaction: the batch is taken back, its jobs come again, and the log goes on.
    @Test func anAbortTakesEverythingBack() async throws {
        let lab = try StreamLab(partitions: 2, resultBytesMax: 2000)
        try await lab.enqueue((0..<10).map { "job \($0)" })
        let log = try lab.log()
        let records = try await log.receive(count: 10)
        var random = SystemRandomNumberGenerator()  // lz4 makes nothing smaller of this
        let noise = (0..<3000).map { _ in UInt8.random(in: .min ... .max, using: &random) }
        let tooLarge = StreamLab.batch(records) { StreamLab.result($0, value: noise) }
        guard case .rewound(let reason) = try await log.publish(tooLarge) else { throw NotYet() }
        #expect(reason.contains("MSG_SIZE_TOO_LARGE"))
        var again = try await log.receive(count: 10)
        #expect(Set(again.map(\.position)) == Set(records.map(\.position)))
        // librdkafka 2.0.2 needs a second abort until its numbering is right again
        if try await log.publish(StreamLab.batch(again)) != .committed {
            again = try await log.receive(count: 10)
            #expect(try await log.publish(StreamLab.batch(again)) == .committed)
        }
        #expect(try lab.visibleResults(count: 10).joined().count == 10)
        await log.close()
    }

    /// What a worker left open when it died is invisible, and no first use is mistaken for a lost position.
    @Test func aFirstTransactionThatDiedLeavesNothing() async throws {
        let lab = try StreamLab(partitions: 1)
        try await lab.enqueue(["a", "b"])
        let dead = try Producer(
            properties: ["bootstrap.servers": lab.broker.bootstrap, "transactional.id": "tanba-\(lab.name)-w1"], log: KafkaClient.silent)
        try dead.initTransactions(within: .seconds(30))
        let open = try dead.begin()
        try open.produce(to: lab.results, KafkaPartition(0), key: nil, value: [1])
        try open.produce(to: lab.ledger, KafkaPartition(0), key: nil, value: [UInt8](repeating: 0, count: 16))
        try dead.flush(within: .seconds(20))

        let log = try lab.log("w1")
        let records = try await log.receive(count: 2)
        #expect(records.map(\.position.offset.rawValue) == [0, 1])
        #expect(try await log.publish(StreamLab.batch(records)) == .committed)
        #expect(try lab.visibleResults(count: 2) == [["result of a", "result of b"]])
        let error = #expect(throws: KafkaError.self) { try open.commit(within: .seconds(30)) }
        #expect(error?.disposition == .fatal)
        await log.close()
    }

    /// Two processes with one worker id: the older one is fenced, publishes nothing, and gives up at the second time.
    @Test func theOlderOfTwoWithOneIDIsFenced() async throws {
        let lab = try StreamLab(partitions: 1)
        try await lab.enqueue(["a"])
        let older = try lab.log("w1")
        let records = try await older.receive(count: 1)
        let newer = try lab.log("w1", ["client.id": "newer"])
        _ = try await newer.receivePatiently(Demand(limit: 0, wait: .milliseconds(10)))
        guard case .rewound(let reason) = try await older.publish(StreamLab.batch(records)) else { throw NotYet() }
        #expect(reason.contains("_FENCED"))
        #expect(try lab.visibleResults() == [[]])

        // it makes its clients anew, which fences a newer one, and so on: within a minute somebody must give up
        await newer.close()
        let again = try await older.receive(count: 1)
        #expect(again.count == 1)
        #expect(try await older.publish(StreamLab.batch(again)) == .committed)
        let third = try lab.log("w1")
        _ = try await third.receivePatiently(Demand(limit: 0, wait: .milliseconds(10)))
        try await lab.enqueue(["b"])
        let late = StreamLab.batch([
            JobRecord(
                position: SourcePosition(topic: lab.jobs, partition: Partition(0), offset: Offset(1)), key: [1], value: [1],
                enqueued: .distantPast)
        ])
        let error = await #expect(throws: JobLogError.self) { try await older.publish(late) }
        #expect(error?.kind == .fatal)
        #expect(error?.remedy.contains("w1") == true)
        await older.close()
        await third.close()
        #expect(try lab.visibleResults(count: 1) == [["result of a"]])
    }

    /// A transaction that takes longer than `transaction.timeout.ms`: the broker ends it and shuts its producer out. The clients are made anew once,
    /// and every job has one result. Method: a client that takes its time for each record.
    @Test func aTransactionThatOutlivesItsTimeIsTakenBack() async throws {
        let lab = try StreamLab(partitions: 1)
        let ids = (0..<12).map { "job \($0)" }
        try await lab.enqueue(ids)
        // A record is sent when the one before it is there, and 0.6 s late: 13 of them take 7.8 s.
        let log = try lab.log("w1", ["transaction.timeout.ms": "4000", "queue.buffering.max.messages": "1", "linger.ms": "600"])
        let records = try await log.receive(count: ids.count)
        guard case .rewound(let reason) = try await log.publish(StreamLab.batch(records)) else { throw NotYet() }
        #expect(reason.contains("_FENCED"), "\(reason)")
        #expect(lab.metric("tanba_kafka_remakes_total") == 1)
        #expect(try lab.visibleResults() == [[]])
        // Part of it stands in the topic, and readers pass it over. One result takes 1.2 s.
        #expect(try !lab.broker.contents(lab.results, isolation: "read_uncommitted").isEmpty)
        let first = try await log.receive(count: 1)
        #expect(first.map(\.position.offset.rawValue) == [0])
        #expect(try await log.publishPatiently(StreamLab.batch(first)) == .committed)
        await log.close()

        let successor = try lab.log("w2")
        let rest = try await successor.receive(count: ids.count - 1)
        #expect(try await successor.publishPatiently(StreamLab.batch(rest)) == .committed)
        await successor.close()
        #expect(lab.metric("tanba_kafka_remakes_total") == 1)
        try lab.checkOnce(ids)
    }

    /// A worker that did not poll for too long was thrown out of its group; another one did its jobs meanwhile. What it publishes
    /// then, with the best of intentions, is refused.
    @Test func aWorkerThatSleptPublishesNothing() async throws {
        let lab = try StreamLab(partitions: 1)
        try await lab.enqueue(["a", "b"])
        let sleeper = try lab.log("w1", ["max.poll.interval.ms": "6000"])
        let slept = try await sleeper.receive(count: 2)
        let other = try lab.log("w2")
        let records = try await other.receive(count: 2)
        #expect(records.map(\.position) == slept.map(\.position))
        #expect(try await other.publish(StreamLab.batch(records)) == .committed)
        guard case .rewound = try await sleeper.publish(StreamLab.batch(slept)) else { throw NotYet() }
        #expect(try lab.visibleResults(count: 2) == [["result of a", "result of b"]])

        // and it becomes a good member again
        await other.close()
        try await lab.enqueue(["c", "a"])
        let last = try await sleeper.receive(count: 2)
        #expect(last.map(\.position.offset.rawValue) == [2, 3])
        #expect(last.map { $0.precedent?.offset.rawValue } == [nil, 0])
        #expect(try await sleeper.publish(StreamLab.batch(last)) == .committed)
        await sleeper.close()
        #expect(try lab.visibleResults(count: 4) == [["result of a", "result of b", "result of c", "result of a"]])
    }

    /// Workers come and go while jobs are done; each job has one result, in order.
    @Test func partitionsMoveBetweenWorkersAndNothingIsDoubled() async throws {
        let lab = try StreamLab(partitions: 4)
        let ids = (0..<3000).map { "job \($0)" }
        try await lab.enqueue(ids)
        var first = Hand(try lab.log("w1"))
        var second: Hand?
        var moved = 0
        var round = 0
        while first.done + moved + (second?.done ?? 0) < ids.count, round < 2000 {
            round += 1
            try await first.step()
            try await second?.step()
            if round % 40 == 10 { second = Hand(try lab.log("w2")) }
            if round % 40 == 39, let leaving = second {
                moved += leaving.done
                await leaving.log.close()
                second = nil
            }
        }
        #expect(moved + (second?.done ?? 0) > 0)
        try lab.checkOnce(ids)
        await second?.log.close()
        await first.log.close()
    }
}
