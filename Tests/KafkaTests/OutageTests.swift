import Kafka
import KafkaJobLog
import OperatingSystem
import SigningModel
import SigningPipeline
import SigningTestKit
import Testing

/// Goal: an outage of the brokers ends nothing and doubles nothing. Method: a broker of our own is killed and stopped.
@Suite(.serialized, .enabled(if: TestBroker.canBeStarted)) struct OutageTests {
    static let broker = Result { try TestBroker() }

    /// The broker is killed again and again, wherever the worker happens to be; it goes on by itself.
    @Test func aBrokerThatDiesEndsNothing() async throws {
        let broker = try Self.broker.get()
        let lab = try StreamLab(broker, partitions: 2)
        let ids = (0..<2000).map { "job \($0)" }
        try await lab.enqueue(ids)
        var hand = Hand(try lab.log("w1"))
        try await hand.step()
        var kills = 0
        let end = ContinuousClock.now + .seconds(120)
        while hand.done < ids.count, ContinuousClock.now < end {
            try await hand.step()
            if hand.done > 500 * (kills + 1), kills < 2 {
                kills += 1
                async let restart: Void = Task.detached {
                    try broker.kill()
                    try broker.start()
                }.value
                for _ in 0..<3 { try await hand.step() }
                try await restart
            }
        }
        #expect(kills == 2)
        try lab.checkOnce(ids)
        // The group cannot be left in order any more, and that does not keep the process from ending.
        try broker.pause()
        let began = ContinuousClock.now
        await hand.log.close()
        // librdkafka by itself waits 60 s for an answer
        #expect(ContinuousClock.now - began < .seconds(45))
        try broker.resume()
    }

    /// The commit is asked for and the broker stands still: nobody knows how it ends, so it is asked for again, and then it is known.
    @Test func aCommitThatTimesOutIsCommittedAgain() throws {
        let broker = try Self.broker.get()
        let topic = freshName("undecided")
        try broker.createTopics(topic, partitions: 1)
        let producer = try Producer(
            properties: ["bootstrap.servers": broker.bootstrap, "transactional.id": freshName("id")], log: KafkaClient.silent)
        try producer.initTransactions(within: .seconds(30))
        let transaction = try producer.begin()
        try transaction.produce(to: topic, KafkaPartition(0), key: nil, value: [1])
        try producer.flush(within: .seconds(10))
        try broker.pause()
        for _ in 0..<2 {
            let error = #expect(throws: KafkaError.self) { try transaction.commit(within: .seconds(1)) }
            #expect(error?.disposition == .retry)
            #expect(!transaction.isOver)
        }
        try broker.resume()
        try transaction.commit(within: .seconds(30))
        try retrying { guard try broker.contents(topic).map(\.value) == [[1]] else { throw NotYet() } }
    }

    /// The broker stands still in the middle of a transaction, for longer than it lets it live. Method: as in `JobLogTroubleTests`.
    @Test func aTransactionThatTheBrokerSleptThroughIsTakenBack() async throws {
        let broker = try Self.broker.get()
        let lab = try StreamLab(broker, partitions: 1)
        let ids = (0..<8).map { "job \($0)" }
        try await lab.enqueue(ids)
        let log = try lab.log("w1", ["transaction.timeout.ms": "4000", "queue.buffering.max.messages": "1", "linger.ms": "500"])
        let records = try await log.receive(count: ids.count)
        async let publication = log.publishPatiently(StreamLab.batch(records))
        while try broker.contents(lab.results, isolation: "read_uncommitted").isEmpty { await Task.yield() }
        try broker.pause()
        try await Task.sleep(for: .seconds(5))
        try broker.resume()
        guard case .rewound(let reason) = try await publication else { throw NotYet() }
        // The client's time for a record is the transaction's: it notices first, or the broker does.
        #expect(reason.contains("_MSG_TIMED_OUT") || reason.contains("_FENCED"), "\(reason)")
        await log.close()
        let successor = try lab.log("w1")
        let again = try await successor.receive(count: ids.count)
        #expect(try await successor.publishPatiently(StreamLab.batch(again)) == .committed)
        await successor.close()
        try lab.checkOnce(ids)
    }

    /// A publish that cannot be settled says so and is settled by the next call with the same batch: once, whatever happened meanwhile.
    @Test func aBatchOfAnOutageIsPublishedOnce() async throws {
        let broker = try Self.broker.get()
        let lab = try StreamLab(broker, partitions: 1)
        try await lab.enqueue(["a", "b"])
        let log = try lab.log("w1", patience: .seconds(1))
        var records = try await log.receive(count: 2)
        try broker.pause()
        var publication: Publication?
        do throws(JobLogError) { publication = try await log.publish(StreamLab.batch(records)) } catch { #expect(error.kind == .unavailable) }
        #expect(publication != .committed)
        try broker.resume()
        if publication == nil { publication = try await log.publishPatiently(StreamLab.batch(records)) }
        while publication != .committed {
            records = try await log.receive(count: 2)
            publication = try await log.publishPatiently(StreamLab.batch(records))
        }
        #expect(try await log.publishPatiently(StreamLab.batch(records)) == .committed)
        try lab.checkOnce(["a", "b"])
        await log.close()
    }
}

/// Goal: what cannot be published is not tried without end, and says why.
@Suite(.enabled(if: TestBroker.isAvailable)) struct TakenBackTests {
    /// The topic takes no result at all: every transaction is taken back, and the pauses between grow. Mended, the stream goes on.
    @Test func pausesGrowWhileEverythingIsTakenBack() async throws {
        let lab = try StreamLab(partitions: 1, resultBytesMax: 100)
        try await lab.enqueue(["a"])
        let log = try lab.log()
        var times: [ContinuousClock.Instant] = []
        for _ in 0..<6 {
            let records = try await log.receive(count: 1)
            times.append(.now)
            let batch = StreamLab.batch(records) { StreamLab.result($0, isSigned: false, value: [UInt8](repeating: 7, count: 500).shuffledBytes) }
            guard case .rewound = try await log.publish(batch) else { throw NotYet() }
        }
        let pauses = zip(times, times.dropFirst()).map { $1 - $0 }
        for (index, pause) in pauses.enumerated() {
            #expect(pause >= .milliseconds(100) * (1 << index), "pause \(index) is \(pause)")
        }
        #expect(lab.metric("tanba_kafka_backoff_seconds") == 3.2)
        #expect(lab.metric("tanba_kafka_rewinds_total") == 6)
        // The group was served all the time.
        #expect(lab.metric("tanba_kafka_rebalances_total") == 1)
        try RawAdmin.set("max.message.bytes", "1000000", of: lab.results, at: lab.broker.bootstrap)
        var publication = Publication.rewound(reason: "")
        for _ in 0..<3 where publication != .committed {
            publication = try await log.publish(StreamLab.batch(try await log.receive(count: 1)))
        }
        #expect(publication == .committed)
        #expect(lab.metric("tanba_kafka_backoff_seconds") == 0)
        try lab.checkOnce(["a"])
        await log.close()
    }

    /// One result among many is larger than the topic takes: the log finds out which size is too much and says so, and nothing else is lost.
    @Test func theSizeThatATopicTakesIsLearnt() async throws {
        let lab = try StreamLab(partitions: 2, resultBytesMax: 3000)
        let ids = (0..<20).map { "job \($0)" }
        try await lab.enqueue(ids)
        let log = try lab.log()
        var bytesMax = Bounds.resultBytesMax
        var done = 0
        let large = [UInt8](repeating: 0, count: 5000).shuffledBytes
        let end = ContinuousClock.now + .seconds(60)
        while done < ids.count, ContinuousClock.now < end {
            var records: [JobRecord] = []
            while records.count < ids.count - done {
                let intake = try await log.receivePatiently(Demand(limit: 100, wait: .milliseconds(100)))
                records.removeAll { intake.dropped.contains($0.position.partition) }
                records += intake.records
                if let bytes = intake.resultBytesMax { bytesMax = bytes }
            }
            // As the pipeline does: what is too large is refused instead.
            let batch = StreamLab.batch(records) { record in
                let isLarge = record.key == Array("job 7".utf8) && large.count <= bytesMax
                return StreamLab.result(record, isSigned: record.key != Array("job 7".utf8) || isLarge, value: isLarge ? large : nil)
            }
            if try await log.publishPatiently(batch) == .committed { done += records.count }
        }
        #expect(bytesMax == large.count - 1)
        try lab.checkOnce(ids)
        await log.close()
    }
}

extension [UInt8] {
    /// As many bytes that lz4 makes nothing smaller of.
    fileprivate var shuffledBytes: [UInt8] {
        var random = SystemRandomNumberGenerator()
        return map { _ in UInt8.random(in: .min ... .max, using: &random) }
    }
}
