import CMS
import FoundationEssentials
import Kafka
import KafkaJobLog
import LibCrypto
import Log
import Metrics
import SigningModel
import SigningPipeline
import SigningTestKit
import Testing

/// A key of some milliseconds a signature.
private struct SlowSigner: DigestSigner {
    let milliseconds: Int
    private let signer = SoftwareSigner(key: TestPKI.shared.p256.key, certificate: TestPKI.shared.p256.certificate)

    var name: String { signer.name }
    var certificate: Certificate { signer.certificate }
    var chain: [Certificate] { signer.chain }
    var width: Int { 2 }
    var batchSize: Int { 10 }
    var isIn: Bool { true }

    func sign(_ digests: [[UInt8]], with algorithm: SignatureAlgorithm) async throws(SignerError) -> [[UInt8]] {
        try? await Task.sleep(for: .milliseconds(milliseconds) * digests.count)
        return try await signer.sign(digests, with: algorithm)
    }

    func recover() async throws {}
    func close() async {}
}

/// Goal: a job that comes into an empty partition does not wait for the thousands that wait in another one of its stream.
@Suite(.enabled(if: TestBroker.isAvailable)) struct PartitionFairnessTests {
    /// Where the key is slow, what was fetched ahead of the long partition would last for minutes.
    @Test(arguments: [(5000, 2, 3000), (12_000, 20, 4500)])
    func aFewJobsDoNotWaitForThousandsOfAnotherPartition(count: Int, milliseconds: Int, most: Int) async throws {
        let lab = try StreamLab(partitions: 2)
        func ids(_ partition: Int32, _ count: Int, _ word: String) -> [String] {
            Array(
                (0...).lazy.map { "\(word)-\($0)" }.filter { Partition.holding(key: Array($0.utf8), among: 2) == Partition(partition) }.prefix(count))
        }
        func enqueue(_ ids: [String]) async throws {
            let writer = try KafkaJobWriter(bootstrap: lab.broker.bootstrap, stream: lab.name, report: .silent)
            try await writer.connect()
            let jobs = ids.map { KafkaJobWriter.EnqueuedJob(key: Array($0.utf8), value: Job.test($0, profile: "p256").encoded(), tag: 0) }
            let failed = try await writer.write(jobs)
            #expect(try await writer.flush() + failed == [])
        }
        try await enqueue(ids(0, count, "long"))
        let pipeline = Pipeline(
            log: try lab.log(),
            profiles: [try SigningProfile(name: "p256", signers: [SlowSigner(milliseconds: milliseconds)], digest: .sha256, level: .baselineB)],
            worker: "w", settings: PipelineSettings(), report: .silent, metrics: lab.metrics)
        let run = Task { try await pipeline.run() }
        func done() throws -> [Int] { try (0..<2).map { try lab.broker.contents(lab.results, Int32($0)).count } }
        func until(_ condition: () throws -> Bool) async throws {
            let end = ContinuousClock.now + .seconds(60)
            while try !condition() {
                guard ContinuousClock.now < end else { throw NotYet() }
                try await Task.sleep(for: .milliseconds(20))
            }
        }
        // The window is full of the long partition's jobs
        try await until { try done()[0] > 0 }
        try await enqueue(ids(1, 20, "short"))
        try await until { try lab.broker.contents(lab.results, 1).count == 20 }
        // By the records' own times: a test that is slow to look has seen more done
        func last(_ topic: String) throws -> Int64 { try lab.broker.contents(topic, 1).compactMap(\.millisecondsSince1970).max() ?? 0 }
        let waiting = try last(lab.jobs)...last(lab.results)
        let others = try lab.broker.contents(lab.results, 0)
        let first = others.count { $0.millisecondsSince1970.map(waiting.contains) ?? true }
        #expect(first < most, "\(first) of \(count) in the other partition were done before these")
        try await until { try done()[0] > min(others.count, count - 1) }
        run.cancel()
        _ = await run.result
    }
}
