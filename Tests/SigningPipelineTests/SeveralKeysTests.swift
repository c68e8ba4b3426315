import CMS
import FoundationEssentials
import LibCrypto
import Log
import SigningModel
import SigningPipeline
import SigningTestKit
import Testing

/// A signer with several keys: work goes to those that sign, and a stream without any waits alone.
@Suite struct SeveralKeysTests {
    static let outage = SignerError(token: "t", reason: "gone", remedy: "plug it in", isPermanent: false)
    static let wrongPIN = SignerError(token: "t", reason: "wrong PIN", remedy: "ask for it", isPermanent: true)

    private func signer() -> SoftwareSigner { SoftwareSigner(key: TestPKI.shared.p256.key, certificate: TestPKI.shared.p256.certificate) }

    private func pipeline(_ lab: PipelineLab, _ log: MemoryJobLog, _ signers: [SoftwareSigner]) throws -> Pipeline {
        Pipeline(
            log: log, profiles: [try SigningProfile(name: "p256-b", signers: signers, digest: .sha256, level: .baselineB)], worker: "lab",
            settings: lab.settings, clock: lab.clock, report: .silent, metrics: lab.metrics)
    }

    private func expectAllSigned(_ lab: PipelineLab, _ count: Int, sourceLocation: SourceLocation = #_sourceLocation) async throws {
        #expect(try await lab.outcomes() == Array(repeating: "signed", count: count), sourceLocation: sourceLocation)
        #expect(await lab.storage.breaches == [], sourceLocation: sourceLocation)
    }

    @Test func allKeysShareTheWork() async throws {
        let lab = PipelineLab()
        let signers = [signer(), signer(), signer()]
        for index in 0..<600 { await lab.storage.enqueue(.test("job-\(index)")) }
        try await pipeline(lab, lab.log(), signers).run()
        try await expectAllSigned(lab, 600)
        #expect(signers.map(\.signed).reduce(0, +) == 600)
        #expect(signers.allSatisfy { $0.signed > 60 }, "\(signers.map(\.signed))")
    }

    @Test func eachResultNamesTheKeyThatSigned() async throws {
        let lab = PipelineLab()
        let rsa = SoftwareSigner(key: TestPKI.shared.rsa2048.key, certificate: TestPKI.shared.rsa2048.certificate)
        let p256 = signer()
        for index in 0..<200 { await lab.storage.enqueue(.test("job-\(index)")) }
        try await pipeline(lab, lab.log(), [rsa, p256]).run()
        var counts: [String: Int] = [:]
        for result in try await lab.storage.allResults() {
            guard case .signed(_, let summary, _) = result.outcome else { continue }
            counts[summary.serial, default: 0] += 1
        }
        #expect(counts[rsa.certificate.serialNumberHex] == rsa.signed)
        #expect(counts[p256.certificate.serialNumberHex] == p256.signed)
        #expect(rsa.signed + p256.signed == 200)
    }

    @Test func jobsOfAKeyThatFailsGoToTheOthers() async throws {
        let lab = PipelineLab()
        let (dying, healthy) = (signer(), signer())
        dying.set(isAway: true)
        for index in 0..<300 { await lab.storage.enqueue(.test("job-\(index)")) }
        try await pipeline(lab, lab.log(), [dying, healthy]).run()
        try await expectAllSigned(lab, 300)
        #expect(dying.signed == 0 && healthy.signed == 300)
        #expect(dying.recoveries == 1, "one task waits for it, however many jobs there are")
    }

    @Test func aKeyThatIsLostForGoodLeavesTheWorkToTheOthers() async throws {
        let lab = PipelineLab()
        let (lost, healthy) = (signer(), signer())
        // As many as it is given before the first comes back.
        lost.fail(with: Array(repeating: Self.wrongPIN, count: 2 * lost.width))
        for index in 0..<300 { await lab.storage.enqueue(.test("job-\(index)")) }
        try await pipeline(lab, lab.log(), [lost, healthy]).run()
        try await expectAllSigned(lab, 300)
        #expect(lost.signed == 0 && lost.recoveries == 0, "only a person can help: it is not asked again")
    }

    @Test(.timeLimit(.minutes(1))) func aRunEndsWhenTheLastKeyIsLostForGood() async throws {
        let lab = PipelineLab()
        let signers = [signer(), signer()]
        for signer in signers { signer.fail(with: [Self.wrongPIN]) }
        for index in 0..<100 { await lab.storage.enqueue(.test("job-\(index)")) }
        await #expect(throws: SignerError.self) { try await pipeline(lab, lab.log(), signers).run() }
        #expect(await lab.storage.resultCount == 0)
    }

    @Test(.timeLimit(.minutes(1))) func aKeyThatComesBackSignsAgain() async throws {
        var lab = PipelineLab()
        lab.settings.endsWithLog = false
        let only = signer()
        only.set(isAway: true)
        let log = await lab.log()
        let pipeline = try pipeline(lab, log, [only])
        let run = Task { try await pipeline.run() }
        // Found out without a job: its `isIn` says so.
        while pipeline.keysAway.isEmpty { await Task.yield() }
        for index in 0..<50 { await lab.storage.enqueue(.test("job-\(index)")) }
        #expect(pipeline.keysAway.map(\.key) == ["key in memory"])
        only.set(isAway: false)
        while await lab.storage.resultCount < 50 { await Task.yield() }
        #expect(pipeline.waitsFor == [])
        await pipeline.drain()
        try await run.value
        try await expectAllSigned(lab, 50)
    }

    @Test(.timeLimit(.minutes(1))) func aStreamWithoutAKeyGivesItsPartitionsUpAndTakesThemAgain() async throws {
        let clock = ManualClock()
        var lab = PipelineLab(storage: MemoryStream("test", partitions: 2), clock: clock.pipelineClock)
        lab.settings.endsWithLog = false
        lab.settings.giveUpAfter = .seconds(300)
        lab.settings.batchWaitMax = .zero
        let only = signer()
        only.set(isAway: true)
        for index in 0..<50 { await lab.storage.enqueue(.test("job-\(index)")) }
        let log = await lab.log()
        let pipeline = try pipeline(lab, log, [only])
        let run = Task { try await pipeline.run() }
        while lab.metric("tanba_jobs_in_flight") < 50 { await Task.yield() }
        #expect(await log.standBys == 0)
        clock.advance(by: .seconds(301))
        while await log.standBys == 0 { await Task.yield() }
        while lab.metric("tanba_jobs_in_flight") > 0 { await Task.yield() }
        #expect(lab.metric("tanba_stream_standing_by") == 1)
        only.set(isAway: false)
        while await lab.storage.resultCount < 50 {
            clock.advance(by: .seconds(1))
            await Task.yield()
        }
        await pipeline.drain()
        try await run.value
        try await expectAllSigned(lab, 50)
        #expect(lab.metric("tanba_stream_standing_by") == 0)
        #expect(only.signed == 50)
    }

    /// A key whose `recover` succeeds and whose `sign` fails must not spin.
    @Test(.timeLimit(.minutes(1))) func aKeyThatFailsAgainAndAgainIsLeftAloneLongerEachTime() async throws {
        let lab = PipelineLab()
        let only = signer()
        only.fail(with: Array(repeating: Self.outage, count: 40))
        await lab.storage.enqueue(.test("a"))
        let before = lab.clock.elapsed()
        try await pipeline(lab, lab.log(), [only]).run()
        try await expectAllSigned(lab, 1)
        #expect(lab.clock.elapsed() - before > .seconds(60), "39 pauses that grow to 10 s, of which a random part passes")
    }
}
