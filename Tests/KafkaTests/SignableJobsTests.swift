import CMS
import FoundationEssentials
import Kafka
import KafkaJobLog
import LibCrypto
import Log
import Metrics
import OperatingSystem
import SigningModel
import SigningPipeline
import SigningTestKit
import Testing

/// A key that signs when it is let, and whose world can go away.
private final class GatedSigner: DigestSigner {
    private let signer = SoftwareSigner(key: TestPKI.shared.p256.key, certificate: TestPKI.shared.p256.certificate, batchSize: 4)
    private let isOpen = Locked(false)

    var name: String { signer.name }
    var certificate: Certificate { signer.certificate }
    var chain: [Certificate] { signer.chain }
    var width: Int { signer.width }
    var batchSize: Int { signer.batchSize }
    var isIn: Bool { signer.isIn }

    func open() { isOpen.withLock { $0 = true } }
    func set(isAway: Bool) { signer.set(isAway: isAway) }

    func sign(_ digests: [[UInt8]], with algorithm: SignatureAlgorithm) async throws(SignerError) -> [[UInt8]] {
        while !isOpen.withLock({ $0 }), signer.isIn { try? await Task.sleep(for: .milliseconds(5)) }
        return try await signer.sign(digests, with: algorithm)
    }

    func recover() async throws { try await signer.recover() }
    func close() async { await signer.close() }
}

/// Goal: `tanba_signable_jobs` is what is to be done, and zero when nothing can be done: whatever the group's lag says.
@Suite(.enabled(if: TestBroker.isAvailable)) struct SignableJobsTests {
    private let metrics = Metrics()

    private var lines: [Substring] { String(decoding: metrics.prometheusText(), as: UTF8.self).split(separator: "\n") }

    private func gauge(_ name: String, _ lab: StreamLab) -> Double {
        let line = lines.first { $0.hasPrefix("\(name){stream=\"\(lab.name)\"}") }
        return line.flatMap { $0.split(separator: " ").last.flatMap { Double($0) } } ?? -1
    }

    private func pipeline(_ lab: StreamLab, _ signer: any DigestSigner, inFlight: Int) throws -> Pipeline {
        var settings = PipelineSettings()
        settings.inFlightMax = inFlight
        settings.retryPauseMax = .milliseconds(20)
        return Pipeline(
            log: try lab.log(), profiles: [try SigningProfile(name: "p256", signers: [signer], digest: .sha256, level: .baselineB)], worker: "w",
            settings: settings, report: .silent, metrics: metrics)
    }

    /// Jobs by an enqueuer with transactions, five in each: every transaction leaves a mark behind.
    private func enqueueInTransactions(_ count: Int, to lab: StreamLab) throws {
        let producer = try Producer(
            properties: ["bootstrap.servers": lab.broker.bootstrap, "transactional.id": freshName("id"), "partitioner": "murmur2_random"],
            log: KafkaClient.silent)
        try producer.initTransactions(within: .seconds(30))
        for start in stride(from: 0, to: count, by: 5) {
            let transaction = try producer.begin()
            for index in start..<(start + 5) {
                let key = Array("job-\(index)".utf8)
                let partition = Partition.holding(key: key, among: lab.partitions)
                try transaction.produce(
                    to: lab.jobs, KafkaPartition(partition.rawValue), key: key, value: Job.test("job-\(index)", profile: "p256").encoded())
            }
            try producer.flush(within: .seconds(20))
            try transaction.commit(within: .seconds(20))
        }
    }

    private func until(_ what: Comment, _ condition: () throws -> Bool) async throws {
        let end = ContinuousClock.now + .seconds(40)
        while try !condition() {
            guard ContinuousClock.now < end else {
                Issue.record("\(what)\n\(lines.filter { $0.contains("signable") || $0.contains("useful") })")
                throw NotYet()
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// The whole life of a backlog: counted, not signable while the token is away, signed, and zero in spite of the lag.
    @Test func theGaugeIsWhatCanBeDoneNow() async throws {
        let lab = try StreamLab(partitions: 2)
        let ids = (0..<60).map { "job-\($0)" }
        let writer = try KafkaJobWriter(bootstrap: lab.broker.bootstrap, stream: lab.name, report: .silent)
        try await writer.connect()
        #expect(try await writer.write(ids.map { .init(key: Array($0.utf8), value: Job.test($0, profile: "p256").encoded(), tag: 0) }) == [])
        #expect(try await writer.flush() == [])
        let signer = GatedSigner()
        let pipeline = try pipeline(lab, signer, inFlight: 10)
        let run = Task { try await pipeline.run() }
        // Ten in flight, the others with the broker or fetched ahead: sixty
        try await until("60 signable") { gauge("tanba_signable_jobs", lab) == 60 && gauge("tanba_jobs_in_flight", lab) == 10 }
        #expect(gauge("tanba_useful_workers", lab) == 2)

        signer.set(isAway: true)
        try await until("none while the token is away") { gauge("tanba_signable_jobs", lab) == 0 }
        #expect(gauge("tanba_useful_workers", lab) == 0)
        #expect(gauge("tanba_jobs_in_flight", lab) == 10, "they wait")
        signer.set(isAway: false)
        try await until("60 again") { gauge("tanba_signable_jobs", lab) == 60 }

        signer.open()
        try await until("none left") { gauge("tanba_signable_jobs", lab) == 0 && gauge("tanba_jobs_in_flight", lab) == 0 }
        #expect(try lab.visibleResults(count: 60).joined().count == 60)
        #expect(gauge("tanba_useful_workers", lab) == 0)
        await pipeline.drain()
        try await run.value
    }

    /// The marks of an enqueuer's transactions stand behind the last job: the group's lag never becomes zero, the gauge does.
    @Test func marksOfTransactionsAreNoJobs() async throws {
        let lab = try StreamLab(partitions: 1)
        let signer = GatedSigner()
        signer.open()
        let pipeline = try pipeline(lab, signer, inFlight: 10)
        let run = Task { try await pipeline.run() }
        try enqueueInTransactions(20, to: lab)
        _ = try lab.visibleResults(count: 20)
        try await until("zero") { gauge("tanba_signable_jobs", lab) == 0 && gauge("tanba_jobs_in_flight", lab) == 0 }
        let member = try Consumer(properties: ["bootstrap.servers": lab.broker.bootstrap, "group.id": lab.group], log: KafkaClient.silent)
        let position = KafkaPosition(lab.jobs, KafkaPartition(0))
        let committed = try member.committed([position], within: .seconds(20))[0].offset
        let end = try member.watermarks(of: lab.jobs, KafkaPartition(0), within: .seconds(20)).high
        #expect(committed.rawValue < end.rawValue, "there is no lag, so this shows nothing")
        #expect(gauge("tanba_signable_jobs", lab) == 0 && gauge("tanba_useful_workers", lab) == 0)
        await pipeline.drain()
        try await run.value
    }
}
