import Kafka
import KafkaJobLog
import Log
import OperatingSystem
import SigningModel
import SigningPipeline
import SigningTestKit
import Testing

/// Goal: what retention takes of ledger and results shortens what is known, and never stops a stream. Method: records deleted at a real broker,
/// under a worker and while none runs.
@Suite(.enabled(if: TestBroker.isAvailable)) struct LedgerRetentionTests {
    private let lab: StreamLab

    init() throws { lab = try StreamLab(partitions: 1) }

    /// Gives these jobs their results, a transaction each: a record and a marker stand in results and ledger for each.
    private func sign(_ ids: [String], by log: KafkaJobLog) async throws {
        try await lab.enqueue(ids)
        for record in try await log.receive(count: ids.count) {
            #expect(record.precedent == nil)
            #expect(try await log.publishPatiently(StreamLab.batch([record])) == .committed)
        }
    }

    /// Which of the next jobs are known, by the offset of the first one with their id.
    private func precedents(_ count: Int, for log: KafkaJobLog) async throws -> [Int64?] {
        try await log.receive(count: count).map { $0.precedent?.offset.rawValue }
    }

    /// The beginning of ledger and results is deleted while no worker runs: the next one knows what is left, and where to go on.
    @Test func aLedgerWithoutItsBeginningKnowsFewerJobs() async throws {
        let first = try lab.log()
        try await sign(["a", "b", "c", "d", "e", "f"], by: first)
        await first.close()
        try lab.delete(lab.ledger, before: 6)
        try lab.delete(lab.results, before: 6)
        try await lab.enqueue(["a", "c", "d", "f", "g"])
        for isGroupForgotten in [false, true] {
            if isGroupForgotten { try RawAdmin.deleteGroup(lab.group, at: lab.broker.bootstrap) }
            let log = try lab.log("w2")
            #expect(try await precedents(5, for: log) == [nil, nil, 3, 5, nil])
            await log.close()
        }
        let last = try lab.log("w2")
        let records = try await last.receive(count: 5)
        #expect(records.map(\.position.offset.rawValue) == [6, 7, 8, 9, 10])
        #expect(try await last.publishPatiently(StreamLab.batch(records)) == .committed)
        await last.close()
        #expect(try lab.visibleResults(count: 8)[0].count == 8)
    }

    /// All of both is deleted: the group says where to go on, and nothing is known. When the group is forgotten as well, nobody says it.
    @Test func aLedgerThatIsGoneKnowsNoJobs() async throws {
        let first = try lab.log()
        try await sign(["a", "b", "c"], by: first)
        await first.close()
        try lab.delete(lab.ledger, before: 6)
        try lab.delete(lab.results, before: 6)
        try await lab.enqueue(["a", "d"])
        let events = Locked<[String]>([])
        let second = try lab.log("w2", report: Log(minimum: .warning) { event in events.withLock { $0.append(event.event) } })
        let records = try await second.receive(count: 2)
        #expect(records.map(\.position.offset.rawValue) == [3, 4] && records.allSatisfy { $0.precedent == nil })
        #expect(events.withLock { $0 } == ["ledger-behind"])
        #expect(try await second.publishPatiently(StreamLab.batch(records)) == .committed)
        await second.close()
        #expect(try lab.visibleResults(count: 2) == [["result of a", "result of d"]])

        try lab.delete(lab.ledger, before: 8)
        try lab.delete(lab.results, before: 9)
        try RawAdmin.deleteGroup(lab.group, at: lab.broker.bootstrap)
        let third = try lab.log("w3")
        let error = await #expect(throws: JobLogError.self) { try await third.receive(count: 1) }
        #expect(error?.kind == .misconfigured && error?.reason.contains(lab.results) == true, "\(String(describing: error))")
        await third.close()
    }

    /// Deleted under a worker: it knows what it knew, and goes on; its successor knows what is left.
    @Test func whatIsDeletedUnderAWorkerIsNotMissed() async throws {
        let first = try lab.log()
        try await sign(["a", "b", "c"], by: first)
        try lab.delete(lab.ledger, before: 6)
        try lab.delete(lab.results, before: 6)
        try await lab.enqueue(["b", "d"])
        let records = try await first.receive(count: 2)
        #expect(records.map { $0.precedent?.offset.rawValue } == [1, nil])
        #expect(
            try await first.publishPatiently(StreamLab.batch(records) { StreamLab.result($0, isSigned: $0.precedent == nil) }) == .committed)
        await first.close()
        #expect(try lab.visibleResults(count: 2) == [["result of b", "result of d"]])
        try await lab.enqueue(["b", "d"])
        let second = try lab.log("w2")
        #expect(try await precedents(2, for: second) == [nil, 4])
        await second.close()
    }
}
