import CMS
import Kafka
import KafkaJobLog
import LibCrypto
import Log
import Metrics
import SigningModel
import SigningPipeline
import SigningTestKit
import Testing

/// Goal: a worker stays in its group as long as it should, and no longer.
@Suite(.enabled(if: TestBroker.isAvailable)) struct MembershipTests {
    /// A static member that starts again within the session has its partitions at once, and the other one notices nothing.
    @Test func aStaticMemberThatStartsAgainDisturbsNobody() async throws {
        let lab = try StreamLab(partitions: 2)
        // A session that is over long after the test
        func member(_ worker: String) throws -> KafkaJobLog { try lab.log(worker, ["session.timeout.ms": "90000"], isStaticMember: true) }
        let (first, second) = (try member("w1"), try member("w2"))
        var (firsts, seconds): (Set<Partition>, Set<Partition>) = ([], [])
        let ids = (0..<40).map { "job \($0)" }
        try await lab.enqueue(ids)
        let end = ContinuousClock.now + .seconds(60)
        while firsts.count != 1 || seconds.count != 1 || firsts == seconds, ContinuousClock.now < end {
            for (log, isFirst) in [(first, true), (second, false)] {
                let intake = try await log.receivePatiently(Demand(limit: 100, wait: .milliseconds(50)))
                var mine = (isFirst ? firsts : seconds).subtracting(intake.dropped)
                mine.formUnion(intake.records.map(\.position.partition))
                if isFirst { firsts = mine } else { seconds = mine }
            }
        }
        try #require(firsts.count == 1 && seconds.count == 1 && firsts != seconds)
        await first.close()
        let began = ContinuousClock.now
        let again = try member("w1")
        var records: [JobRecord] = []
        while records.isEmpty, ContinuousClock.now < end {
            records = try await again.receivePatiently(Demand(limit: 100, wait: .milliseconds(50))).records
            #expect(try await second.receivePatiently(Demand(limit: 0, wait: .milliseconds(10))).dropped.isEmpty)
        }
        #expect(Set(records.map(\.position.partition)) == firsts)
        #expect(ContinuousClock.now - began < .seconds(80), "the session is 90 s")
        for _ in 0..<20 { #expect(try await second.receivePatiently(Demand(limit: 0, wait: .milliseconds(50))).dropped.isEmpty) }
        await again.close()
        await second.close()
    }

    /// A static member that gives its partitions up leaves the group at once, however long its session, and comes back. One that ends is
    /// missed for its session.
    @Test func aStaticMemberThatStandsByIsNotWaitedForAndOneThatEndsIs() async throws {
        let lab = try StreamLab(partitions: 2)
        let ids = (0..<60).map { "job \($0)" }
        try await lab.enqueue(ids[..<20])
        var first = Hand(try lab.log("w1", ["session.timeout.ms": "300000"], isStaticMember: true))
        var second = Hand(try lab.log("w2", ["session.timeout.ms": "6000"], isStaticMember: true))
        let end = ContinuousClock.now + .seconds(120)
        let held = try await first.log.receive(count: 20)
        first.isStandingBy = true
        try await first.step()
        while second.done < 20, ContinuousClock.now < end {
            try await second.step()
            try await first.step()
        }
        #expect(second.done == 20, "the session is 300 s")
        guard case .rewound = try await first.log.publishPatiently(StreamLab.batch(held)) else { throw NotYet() }

        first.isStandingBy = false
        try await lab.enqueue(ids[20..<40])
        while first.done + second.done < 40 || first.members != 2 || second.members != 2, ContinuousClock.now < end {
            try await first.step()
            try await second.step()
        }
        #expect(lab.metric("tanba_kafka_remakes_total") ?? 0 == 0, "nobody was fenced")

        await second.log.close()
        let began = ContinuousClock.now
        try await lab.enqueue(ids[40...])
        while first.done + second.done < 60, ContinuousClock.now < end { try await first.step() }
        #expect(ContinuousClock.now - began > .seconds(3), "the session is 6 s")
        try lab.checkOnce(ids)
        await first.log.close()
    }

    /// A second process with the id of a static member: the older one is told so.
    @Test func theOlderOfTwoStaticMembersIsToldWhy() async throws {
        let lab = try StreamLab(partitions: 1)
        let older = try lab.log("w1", isStaticMember: true)
        try await lab.enqueue(["a"])
        _ = try await older.receive(count: 1)
        let newer = try lab.log("w1", isStaticMember: true)
        var told: JobLogError?
        let end = ContinuousClock.now + .seconds(30)
        while told == nil, ContinuousClock.now < end {
            do throws(JobLogError) {
                _ = try await newer.receive(Demand(limit: 0, wait: .milliseconds(20)))
                _ = try await older.receive(Demand(limit: 0, wait: .milliseconds(20)))
            } catch { told = error }
        }
        #expect(told?.reason.contains("FENCED_INSTANCE_ID") == true, "\(String(describing: told))")
        #expect(told?.remedy.contains("worker.id") == true, "\(String(describing: told))")
        await newer.close()
        await older.close()
    }

    /// The token takes longer than `max.poll.interval.ms` for one call: the worker is served all the same, keeps its partitions, and signs
    /// each job once.
    @Test func aTokenSlowerThanThePollIntervalCostsNoPartition() async throws {
        let lab = try StreamLab(partitions: 2)
        let jobs = (0..<12).map { Job.test("job \($0)") }
        let writer = try KafkaJobWriter(bootstrap: lab.broker.bootstrap, stream: lab.name, report: .silent)
        _ = try await writer.write(jobs.enumerated().map { .init(key: Array($1.id.utf8), value: $1.encoded(), tag: $0) })
        #expect(try await writer.flush() == [])
        let signer = SlowSigner(pause: .seconds(8))
        var settings = PipelineSettings()
        settings.inFlightMax = 6
        settings.endsWithLog = true
        let pipeline = Pipeline(
            log: try lab.log("w1", ["max.poll.interval.ms": "6000"]),
            profiles: [try SigningProfile(name: "p256-b", signers: [signer], digest: .sha256, level: .baselineB)], worker: "w1",
            settings: settings, report: .silent, metrics: lab.metrics)
        try await pipeline.run()
        #expect(try lab.visibleResults(count: jobs.count).joined().count == jobs.count)
        #expect(lab.metric("tanba_kafka_rebalances_total") == 1)
        #expect((lab.metric("tanba_kafka_rewinds_total") ?? 0) == 0)
        #expect(signer.key.signed == jobs.count)
    }

    /// Two partitions with a backlog: what is at hand of both is shared equally, however much one has.
    @Test func aLongBacklogLeavesTheOtherPartitionItsShare() async throws {
        let lab = try StreamLab(partitions: 2)
        let long = (0..<8000).map { "job \($0)" }.filter { Partition.holding(key: Array($0.utf8), among: 2).rawValue == 0 }
        let short = (0..<400).map { "other \($0)" }.filter { Partition.holding(key: Array($0.utf8), among: 2).rawValue == 1 }
        try await lab.enqueue(long)
        try await lab.enqueue(short)
        let log = try lab.log()
        // Until something of both is at hand: nothing is wanted.
        // Eight rounds of two seconds where the shares are equal
        let end = ContinuousClock.now + .seconds(120)
        var records: [JobRecord] = []
        var rounds = 0
        while records.count(where: { $0.position.partition == Partition(1) }) < short.count, ContinuousClock.now < end {
            for _ in 0..<20 { _ = try await log.receivePatiently(Demand(limit: 0, wait: .milliseconds(100))) }
            records += try await log.receivePatiently(Demand(limit: 100, wait: .milliseconds(100))).records
            rounds += 1
        }
        let shares = Dictionary(grouping: records, by: \.position.partition).mapValues(\.count)
        #expect(shares[Partition(1)] == short.count)
        #expect(shares[Partition(0)]! < 2 * short.count, "\(shares) in \(rounds) rounds")
        await log.close()
    }
}

/// A key whose every call takes long.
private final class SlowSigner: DigestSigner {
    let key = SoftwareSigner(key: TestPKI.shared.p256.key, certificate: TestPKI.shared.p256.certificate)
    let pause: Duration

    init(pause: Duration) { self.pause = pause }

    var name: String { "a slow key" }
    var certificate: Certificate { key.certificate }
    var chain: [Certificate] { [] }
    var width: Int { 1 }
    var batchSize: Int { 6 }
    var isIn: Bool { true }

    func sign(_ digests: [[UInt8]], with algorithm: SignatureAlgorithm) async throws(SignerError) -> [[UInt8]] {
        try? await Task.sleep(for: pause)
        return try await key.sign(digests, with: algorithm)
    }

    func recover() async throws {}
    func close() async {}
}
