import CMS
import FoundationEssentials
import LibCrypto
import SigningModel
import SigningPipeline
import SigningTestKit
import Testing

/// One result for each job record, in order, whatever a job says.
@Suite struct PipelineTests {
    @Test(arguments: ["p256-b", "p256-t"]) func everyJobIsSignedOnceAndInOrder(profile: String) async throws {
        let lab = PipelineLab(storage: MemoryStream("test", partitions: 3))
        for index in 0..<400 { await lab.storage.enqueue(.test("job-\(index)", profile: profile)) }
        try await lab.run()
        let results = try await lab.storage.allResults()
        #expect(results.count == 400)
        #expect(Set(results.compactMap(\.job)).count == 400)
        #expect(try await lab.outcomes().allSatisfy { $0 == "signed" })
        #expect(await lab.storage.breaches == [])
        #expect(lab.signer.signed == 400)
        #expect(lab.authority.stamped == (profile == "p256-t" ? 400 : 0))
        for result in results {
            guard case .signed(_, let signer, let timestamp) = result.outcome else { continue }
            #expect(signer.certificateSHA256 == TestPKI.shared.p256.certificate.sha256)
            #expect((timestamp != nil) == (profile == "p256-t"))
        }
    }

    @Test func jobsAtFaultAreRefusedInTheirPlace() async throws {
        let lab = PipelineLab(storage: MemoryStream("test", partitions: 2))
        let home = Int(Partition.holding(key: Array("there".utf8), among: 2).rawValue)
        func put(_ job: Job, partition: Int? = nil) async {
            await lab.storage.enqueue(key: Array(job.id.utf8), value: job.encoded(), partition: partition ?? home)
        }
        await put(.test("there", profile: "nowhere"))
        await put(.test("there", profile: "elsewhere"))
        await put(.test("there", algorithm: .sha512))
        var expired = Job.test("there")
        expired.expires = Date(timeIntervalSince1970: 1_000_000_000)
        await put(expired)
        await lab.storage.enqueue(key: Array("there".utf8), value: Array("{".utf8))
        await lab.storage.enqueue(key: Array("there".utf8), value: nil)
        await put(.test("other id than its key"), partition: home)
        await lab.storage.enqueue(key: Array("there".utf8), value: Job.test("not its key").encoded())
        await lab.storage.enqueue(key: nil, value: Job.test("no key").encoded(), partition: home)
        await put(.test("there"), partition: 1 - home)
        await put(.test("there"))
        try await lab.run()
        let here = try await lab.storage.results(of: home).map { result -> String in
            switch result.outcome {
            case .signed: "signed"
            case .refused(let refusal): refusal.code.rawValue
            case .duplicate: "duplicate"
            }
        }
        let misplacedByHome = Partition.holding(key: Array("other id than its key".utf8), among: 2).rawValue == Int32(home) ? "signed" : "misplaced"
        #expect(
            here == [
                "profile-unknown", "profile-not-allowed", "digest-algorithm-mismatch", "job-expired", "job-malformed", "job-malformed",
                misplacedByHome, "misplaced", "misplaced", "signed",
            ])
        #expect(try await lab.storage.results(of: 1 - home).count == 1)
        #expect(await lab.storage.breaches == [])
    }

    @Test func oneIDIsSignedOnceAndItsDoublesPointAtIt() async throws {
        let lab = PipelineLab()
        await lab.storage.enqueue(.test("a"))
        await lab.storage.enqueue(.test("a"))
        await lab.storage.enqueue(.test("a", content: "something else"))
        await lab.storage.enqueue(.test("b"))
        await lab.storage.enqueue(.test("a"))
        try await lab.run()
        #expect(try await lab.outcomes() == ["signed", "duplicate of 0@0", "job-conflict", "signed", "duplicate of 0@0"])
        #expect(lab.signer.signed == 2)

        // The same from the log's memory, by another worker
        await lab.storage.enqueue(.test("a"))
        await lab.storage.enqueue(.test("b", content: "something else"))
        try await lab.run()
        #expect(try await lab.outcomes().suffix(2) == ["duplicate of 0@0", "job-conflict"])
        #expect(lab.signer.signed == 2)
        #expect(await lab.storage.breaches == [])
    }

    @Test func aRefusedIDMayComeAgain() async throws {
        let lab = PipelineLab()
        await lab.storage.enqueue(.test("a", profile: "nowhere"))
        await lab.storage.enqueue(.test("a"))
        try await lab.run()
        #expect(try await lab.outcomes() == ["profile-unknown", "signed"])
    }

    @Test func theWindowBoundsWhatIsInFlight() async throws {
        var lab = PipelineLab(storage: MemoryStream("test", partitions: 2))
        lab.settings.inFlightMax = 10
        lab.settings.partitionInFlightMax = 6
        lab.settings.batchResultsMax = 4
        for index in 0..<200 { await lab.storage.enqueue(.test("job-\(index)")) }
        try await lab.run()
        #expect(await lab.storage.resultCount == 200)
        #expect(await lab.storage.breaches == [])
        #expect(lab.metric("tanba_batch_results_sum") == 200)
        #expect(lab.metric("tanba_batch_results_count") >= 50, "no batch holds more than its bound")
    }

    @Test func aDrainFinishesWhatIsInFlightAndTakesNothingNew() async throws {
        var lab = PipelineLab()
        lab.settings.endsWithLog = false
        for index in 0..<50 { await lab.storage.enqueue(.test("job-\(index)")) }
        let log = await lab.log()
        let pipeline = try lab.pipeline(log)
        async let run: Void = pipeline.run()
        while await lab.storage.resultCount < 50 { await Task.yield() }
        await pipeline.drain()
        try await run
        #expect(await log.isClosed)
        await lab.storage.enqueue(.test("late"))
        #expect(await lab.storage.resultCount == 50)
    }
}
