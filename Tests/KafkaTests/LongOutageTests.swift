import Foundation
import KafkaJobLog
import SigningPipeline
import SigningTestKit
import Testing

/// Goal: a stream outlives what takes brokers long to survive. Method: three nodes, and a broker on a small disk; Deploy/suites/outages
/// prepares them, one test at a time.
@Suite(.serialized, .enabled(if: TestBroker.canBeStarted)) struct LongOutageTests {
    private static func environment(_ name: String) -> String? { ProcessInfo.processInfo.environment[name].flatMap { $0.isEmpty ? nil : $0 } }

    /// Each node of three is killed in turn and started again, under load: among them are the group's coordinator, the transactions' and the
    /// leaders of all partitions.
    @Test(.enabled(if: environment("TANBA_THREE_NODES") != nil), .timeLimit(.minutes(8)))
    func coordinatorsMayMove() async throws {
        let nodes = try TestBroker(nodes: 3)
        let lab = try StreamLab(nodes, partitions: 3, replication: 3)
        let log = try lab.log("w1")
        var hand = Hand(log)
        var ids: [String] = []
        func work(_ count: Int) async throws {
            let more = (ids.count..<ids.count + count).map { "job \($0)" }
            try await lab.enqueue(more)
            ids += more
            let end = ContinuousClock.now + .seconds(90)
            while hand.done < ids.count, ContinuousClock.now < end { try await hand.step() }
            try #require(hand.done == ids.count)
        }
        try await work(200)
        for node in 1...3 {
            // In the middle of what is being done
            let more = (ids.count..<ids.count + 400).map { "job \($0)" }
            try await lab.enqueue(more)
            ids += more
            for _ in 0..<3 { try await hand.step() }
            try nodes.kill(node)
            try await work(100)
            try nodes.start(node)
        }
        try lab.checkOnce(ids)
        #expect(lab.metric("tanba_kafka_remakes_total") ?? 0 == 0)
        await log.close()
    }

    /// The disk is full: Kafka ends when it cannot write. With room again, and started again, everything goes on.
    @Test(.enabled(if: environment("TANBA_SMALL_DISK") != nil), .timeLimit(.minutes(8)))
    func aFullDiskIsWaitedFor() async throws {
        let disk = try #require(Self.environment("TANBA_SMALL_DISK"))
        let broker = try TestBroker()
        let lab = try StreamLab(broker, partitions: 2)
        let ids = (0..<3000).map { "job \($0)" }
        try await lab.enqueue(ids)
        let log = try lab.log("w1", patience: .seconds(2))
        var hand = Hand(log)
        while hand.done < 600 { try await hand.step() }
        let filler = disk + "/filler"
        try fill(filler)
        let outage = try await log.untilUnavailable(within: .seconds(90))
        #expect(outage.remedy.contains(broker.bootstrap) || outage.reason.contains("KAFKA_STORAGE_ERROR"), "\(outage)")
        try FileManager.default.removeItem(atPath: filler)
        try broker.kill()  // if it has not ended by itself yet
        try broker.start()
        hand = Hand(log)
        let end = ContinuousClock.now + .seconds(120)
        var results = 0
        while results < ids.count, ContinuousClock.now < end {
            for _ in 0..<20 { try await hand.step() }
            results = try lab.visibleResults().joined().count
        }
        try lab.checkOnce(ids)
        await log.close()
    }

    private func fill(_ path: String) throws {
        try Data().write(to: URL(fileURLWithPath: path))
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        defer { try? file.close() }
        for size in [1 << 20, 1 << 12] {
            do { while true { try file.write(contentsOf: Data(count: size)) } } catch { continue }
        }
    }
}

extension KafkaJobLog {
    /// Works on until the log says that it is away.
    fileprivate func untilUnavailable(within limit: Duration) async throws -> JobLogError {
        let end = ContinuousClock.now + limit
        while ContinuousClock.now < end {
            do throws(JobLogError) {
                let records = try receive(Demand(limit: 100, wait: .milliseconds(50))).records
                if !records.isEmpty { _ = try publish(StreamLab.batch(records)) }
            } catch {
                guard error.kind == .unavailable else { throw error }
                return error
            }
        }
        throw NotYet()
    }
}
