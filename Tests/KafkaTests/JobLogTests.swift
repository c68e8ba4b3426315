import FoundationEssentials
import Kafka
import KafkaJobLog
import Metrics
import SigningModel
import SigningPipeline
import SigningTestKit
import Testing

/// Goal: the log keeps its contract at a real broker. Method: fresh streams, workers that are driven step by step.
@Suite(.enabled(if: TestBroker.isAvailable)) struct JobLogTests {
    @Test func resultsStandBesideTheirJobsAndTheLedgerTellsSo() async throws {
        let lab = try StreamLab(partitions: 2)
        let ids = (0..<20).map { "job \($0)" }
        try await lab.enqueue(ids)
        let log = try lab.log()
        let records = try await log.receive(count: 20)
        #expect(Set(records.map { String(decoding: $0.value ?? [], as: UTF8.self) }) == Set(ids))
        #expect(records.allSatisfy { !$0.isMisplaced && $0.precedent == nil && $0.key == $0.value })
        #expect(records.allSatisfy { $0.position.topic == lab.jobs && abs($0.enqueued.timeIntervalSinceNow) < 600 })
        let byPartition = Dictionary(grouping: records, by: \.position.partition)
        for records in byPartition.values {
            #expect(records.map(\.position.offset.rawValue) == Array(0..<Int64(records.count)))
        }

        #expect(
            try await log.publish(StreamLab.batch(records) { StreamLab.result($0, isSigned: $0.position.offset.rawValue != 1) })
                == .committed)
        let visible = try lab.visibleResults(count: 20)
        for (partition, records) in byPartition {
            #expect(visible[Int(partition.rawValue)] == records.map { "result of " + String(decoding: $0.value ?? [], as: UTF8.self) })
            let published = try lab.broker.contents(lab.results, partition.rawValue)
            #expect(published.map(\.key) == records.map(\.key))
            #expect(published.allSatisfy { $0.headers == [KafkaHeader("schema", Array("tanba-result-v1".utf8))] })
            let ledger = try lab.broker.contents(lab.ledger, partition.rawValue)
            #expect(ledger.count == 1)
            #expect(ledger[0].value?.count == 16 + 32 * (records.count - 1))
        }
        #expect(lab.metrics.counter("tanba_kafka_commits_total", help: "Transactions committed.", labels: ["stream"]).value(lab.name) == 1)

        let nothing = try await log.receive(Demand(limit: 10, wait: .milliseconds(500)))
        #expect(nothing.records.isEmpty && nothing.isAtEnd)
        await log.close()
    }

    @Test func whoStandsByLeavesThePartitionsToOthersAndComesBack() async throws {
        let lab = try StreamLab(partitions: 2)
        try await lab.enqueue((0..<20).map { "job \($0)" })
        let (first, second) = (try lab.log("w1"), try lab.log("w2"))
        let before = try await first.receive(count: 20)
        let away = try await first.receivePatiently(Demand(limit: 10, wait: .milliseconds(100), isStandingBy: true))
        #expect(away.dropped == Set(before.map(\.position.partition)) && away.records.isEmpty)

        // The other worker has them all, without waiting for a session to time out, and the first gets nothing.
        async let taken = second.receive(count: 20)
        for _ in 0..<20 {
            let intake = try await first.receivePatiently(Demand(limit: 10, wait: .milliseconds(100), isStandingBy: true))
            #expect(intake.records.isEmpty)
        }
        let records = try await taken
        #expect(Set(records.map(\.position)) == Set(before.map(\.position)))
        #expect(try await second.publishPatiently(StreamLab.batch(records)) == .committed)

        // Alone again, it goes on where the other stood.
        await second.close()
        try await lab.enqueue(["late"])
        let late = try await first.receive(count: 1)
        #expect(late.map(\.key) == [Array("late".utf8)])
        #expect(try await first.publishPatiently(StreamLab.batch(late)) == .committed)
        #expect(try lab.visibleResults(count: 21).joined().count == 21)
        await first.close()
    }

    /// A worker that is full when a rebalance comes has paused its partitions; those that it keeps must flow again.
    @Test func aWorkerThatWasFullAtARebalanceGoesOn() async throws {
        let lab = try StreamLab(partitions: 2)
        let count = 3000
        try await lab.enqueue((0..<count).map { "job \($0)" })
        let (first, second) = (try lab.log("w1"), try lab.log("w2"))
        var seen: Set<SourcePosition> = []
        while seen.isEmpty { seen.formUnion(try await first.receivePatiently(Demand(limit: 1, wait: .milliseconds(100))).records.map(\.position)) }
        // Nothing is wanted until the pens are full and both partitions are paused.
        for _ in 0..<20 { _ = try await first.receivePatiently(Demand(limit: 0, wait: .milliseconds(100))) }
        var members = 0
        while members < 2 {
            members = try await second.receivePatiently(Demand(limit: 0, wait: .milliseconds(50))).members ?? members
            _ = try await first.receivePatiently(Demand(limit: 0, wait: .milliseconds(50)))
        }
        // Each has one partition now, from its start: nothing was committed.
        seen = []
        let end = ContinuousClock.now + .seconds(60)
        while seen.count < count, ContinuousClock.now < end {
            for log in [first, second] {
                seen.formUnion(try await log.receivePatiently(Demand(limit: 500, wait: .milliseconds(50))).records.map(\.position))
            }
        }
        #expect(seen.count == count)
        await first.close()
        await second.close()
    }

    /// An authority's budget is shared among the members: each is told their number before the jobs of a rebalance.
    @Test func theMembersOfTheGroupAreToldAfterEachRebalance() async throws {
        let lab = try StreamLab(partitions: 2)
        let (first, second) = (try lab.log("w1"), try lab.log("w2"))
        func told(_ log: KafkaJobLog, _ count: Int, while other: KafkaJobLog? = nil) async throws {
            let end = ContinuousClock.now + .seconds(60)
            var last: Int?
            while ContinuousClock.now < end {
                let intake = try await log.receivePatiently(Demand(limit: 10, wait: .milliseconds(50)))
                if let members = intake.members { last = members }
                if last == count { return }
                _ = try await other?.receivePatiently(Demand(limit: 10, wait: .milliseconds(50)))
            }
            Issue.record("told \(last.map(String.init) ?? "nothing") instead of \(count) members")
        }
        try await told(first, 1)
        try await told(second, 2, while: first)
        await second.close()
        try await told(first, 1)
        await first.close()
    }

    @Test func headersAndBadPlacesAreSeen() async throws {
        let lab = try StreamLab(partitions: 3)
        let producer = try Producer(properties: ["bootstrap.servers": lab.broker.bootstrap], log: KafkaClient.silent)
        let key = Array("some job".utf8)
        let right = Partition.holding(key: key, among: 3)
        let trace = KafkaHeader("traceparent", Array("00-1-2-01".utf8))
        for partition in 0..<3 as Range<Int32> {
            try producer.produce(
                to: lab.jobs, KafkaPartition(partition), key: key, value: nil, headers: [KafkaHeader("other", [1]), trace])
        }
        try producer.produce(to: lab.jobs, KafkaPartition(0), key: nil, value: [1])
        try producer.flush(within: .seconds(20))
        let log = try lab.log()
        let records = try await log.receive(count: 4)
        for record in records where record.key != nil {
            #expect(record.isMisplaced == (record.position.partition != right))
            #expect(record.traceparent == trace.value)
            #expect(record.value == nil)
        }
        #expect(records.contains { $0.key == nil && $0.isMisplaced && $0.traceparent == nil })
        #expect(try await log.publish(StreamLab.batch(records)) == .committed)
        let results = try (0..<3).flatMap { try lab.broker.contents(lab.results, $0) }
        #expect(results.count { $0.headers.contains(trace) } == 3)
        await log.close()
    }

    /// A successor goes on where the group stands, and knows what was signed; also when the group's offsets are long forgotten.
    @Test func aSuccessorGoesOnAndKnowsTheJobs() async throws {
        let lab = try StreamLab(partitions: 1)
        try await lab.enqueue(["a", "b", "c"])
        let first = try lab.log()
        let records = try await first.receive(count: 3)
        #expect(
            try await first.publish(StreamLab.batch(records) { StreamLab.result($0, isSigned: $0.value != [UInt8(ascii: "b")]) })
                == .committed)
        // the same worker knows them, too
        try await lab.enqueue(["a"])
        let again = try await first.receive(count: 1)
        #expect(again.first?.precedent?.offset == Offset(0))
        await first.close()

        for deletesGroup in [false, true] {
            if deletesGroup { try RawAdmin.deleteGroup(lab.group, at: lab.broker.bootstrap) }
            try await lab.enqueue(["b", "c"])
            let successor = try lab.log("w2")
            let count = deletesGroup ? 5 : 3
            let records = try await successor.receive(count: count)
            #expect(records.map(\.position.offset.rawValue) == Array(3..<Int64(3 + count)))
            let expected: [Int64?] = [0, nil, 2, nil, 2]
            #expect(records.map { $0.precedent?.offset.rawValue } == Array(expected.prefix(count)))
            let content = records[0].precedent?.content
            #expect(content == StreamLab.fingerprint(Array("a".utf8)).content)
            await successor.close()
        }
    }

    /// Many transactions, so that the ledger is read back in several stretches, and only as far as the window.
    @Test func theWindowIsReadBackInStretches() async throws {
        let lab = try StreamLab(partitions: 1)
        let count = 300
        try await lab.enqueue((0..<count).map { "job \($0)" })
        let first = try lab.log()
        var records = try await first.receive(count: count)
        while !records.isEmpty {
            #expect(try await first.publish(StreamLab.batch([records.removeFirst()])) == .committed)
        }
        await first.close()
        try await lab.enqueue((0..<count).map { "job \($0)" })
        let whole = try lab.log()
        #expect(try await whole.receive(count: count).map { $0.precedent?.offset.rawValue } == Array(0..<Int64(count)))
        await whole.close()
        let part = try lab.log(window: 200)
        #expect(
            try await part.receive(count: count).map { $0.precedent?.offset.rawValue } == (0..<Int64(count)).map { $0 < 100 ? nil : $0 })
        await part.close()
    }

    /// Beyond the window an id is a new job, for the worker that signed it and for its successor alike.
    @Test func anIDBeyondTheWindowIsANewJob() async throws {
        let lab = try StreamLab(partitions: 1)
        try await lab.enqueue(["a", "b", "c", "d"])
        let log = try lab.log(window: 3)
        #expect(try await log.publish(StreamLab.batch(try await log.receive(count: 4))) == .committed)
        // Of the last three records "b" is the first.
        try await lab.enqueue(["a", "b"])
        #expect(try await log.receive(count: 2).map { $0.precedent?.offset.rawValue } == [nil, 1])
        await log.close()
        let successor = try lab.log("w2", window: 3)
        #expect(try await successor.receive(count: 2).map { $0.precedent?.offset.rawValue } == [nil, 1])
        await successor.close()
    }

    /// Retention deletes what a worker has received and must read again: an alert, and on with the first that is there.
    @Test func whatIsDeletedUnderAWorkerIsAnAlert() async throws {
        let lab = try StreamLab(partitions: 1, resultBytesMax: 2000)
        try await lab.enqueue((0..<6).map { "job \($0)" })
        let log = try lab.log()
        let records = try await log.receive(count: 6)
        #expect(try await log.publish(StreamLab.batch(Array(records.prefix(2)))) == .committed)
        try RawAdmin.deleteRecords(of: lab.jobs, 0, before: 5, at: lab.broker.bootstrap)
        var random = SystemRandomNumberGenerator()  // lz4 makes nothing smaller of this
        let noise = (0..<3000).map { _ in UInt8.random(in: .min ... .max, using: &random) }
        guard case .rewound = try await log.publish(StreamLab.batch(Array(records.suffix(4))) { StreamLab.result($0, value: noise) }) else {
            throw NotYet()
        }
        #expect(try await log.receive(count: 1).map(\.position.offset.rawValue) == [5])
        #expect(lab.metric("tanba_kafka_jobs_deleted_unread_total") == 3)
        await log.close()
    }

    @Test func whatIsFullWaitsAndNothingIsLost() async throws {
        let lab = try StreamLab(partitions: 2)
        let ids = (0..<3000).map { "job \($0)" }
        try await lab.enqueue(ids)
        let log = try lab.log()
        var records = try await log.receive(count: 10)
        // nothing is taken, and the consumer goes on being served
        for _ in 0..<20 {
            let intake = try await log.receive(Demand(limit: 0, wait: .milliseconds(50)))
            #expect(intake.records.isEmpty && intake.dropped.isEmpty && !intake.isAtEnd)
        }
        let full = Partition(0)
        var seen = 0
        let end = ContinuousClock.now + .seconds(60)
        while seen <= 1000, ContinuousClock.now < end {
            let intake = try await log.receive(Demand(limit: 100, full: [full], wait: .milliseconds(50)))
            #expect(intake.records.allSatisfy { $0.position.partition != full })
            #expect(intake.records.count <= 100)
            records += intake.records
            seen += intake.records.count
        }
        #expect(seen > 1000)
        records += try await log.receive(count: ids.count - records.count)
        #expect(records.count == ids.count)
        for (_, records) in Dictionary(grouping: records, by: \.position.partition) {
            #expect(records.map(\.position.offset.rawValue) == Array(0..<Int64(records.count)))
        }
        await log.close()
    }
}
