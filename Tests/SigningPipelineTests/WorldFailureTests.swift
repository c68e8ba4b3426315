import FoundationEssentials
import LibCrypto
import OperatingSystem
import SigningModel
import SigningPipeline
import SigningTestKit
import Testing

/// What the world does to a pipeline loses nothing, doubles nothing and refuses nothing.
@Suite struct WorldFailureTests {
    static let outage = SignerError(token: "t", reason: "gone", remedy: "plug it in", isPermanent: false)

    private func expectAllSigned(_ lab: PipelineLab, _ count: Int, sourceLocation: SourceLocation = #_sourceLocation) async throws {
        let results = try await lab.storage.allResults()
        #expect(results.count == count, sourceLocation: sourceLocation)
        #expect(Set(results.compactMap(\.job)).count == count, sourceLocation: sourceLocation)
        #expect(try await lab.outcomes().allSatisfy { $0 == "signed" }, sourceLocation: sourceLocation)
        #expect(await lab.storage.breaches == [], sourceLocation: sourceLocation)
    }

    @Test func aTokenThatComesBackSignsWhatWaited() async throws {
        let lab = PipelineLab()
        for index in 0..<100 { await lab.storage.enqueue(.test("job-\(index)")) }
        lab.signer.fail(with: Array(repeating: Self.outage, count: 7))
        try await lab.run()
        try await expectAllSigned(lab, 100)
        #expect(lab.signer.signed == 100)
    }

    @Test func anAuthorityThatComesBackStampsWhatWaited() async throws {
        let lab = PipelineLab()
        for index in 0..<100 { await lab.storage.enqueue(.test("job-\(index)", profile: "p256-t")) }
        lab.authority.fail(times: 150)
        try await lab.run()
        try await expectAllSigned(lab, 100)
        #expect(lab.signer.signed == 100, "no key is used twice because an authority is away")
    }

    @Test func anAbortedBatchIsReceivedAgain() async throws {
        var lab = PipelineLab(storage: MemoryStream("test", partitions: 3))
        lab.settings.batchResultsMax = 20
        lab.publishScript = [.rewinds, .rewinds]
        for index in 0..<100 { await lab.storage.enqueue(.test("job-\(index)")) }
        try await lab.run()
        try await expectAllSigned(lab, 100)
        #expect(lab.surplusKeyOperations == lab.signer.signed - 100)
        #expect(lab.surplusKeyOperations >= 20)
    }

    @Test func aLostPartitionsJobsAreForgotten() async throws {
        var lab = PipelineLab(storage: MemoryStream("test", partitions: 2))
        lab.settings.inFlightMax = 30
        lab.receiveScript = [.loses([]), .loses([Partition(0)]), .loses([Partition(0), Partition(1)]), .loses([Partition(1)])]
        for index in 0..<100 { await lab.storage.enqueue(.test("job-\(index)")) }
        try await lab.run()
        try await expectAllSigned(lab, 100)
        #expect(lab.surplusKeyOperations == lab.signer.signed - 100)
    }

    @Test func aLogThatIsAwayIsWaitedFor() async throws {
        var lab = PipelineLab()
        let away = JobLogError(.unavailable, reason: "away", remedy: "wait")
        lab.receiveScript = [.fails(away), .fails(away)]
        lab.publishScript = [.fails(away), .fails(away), .fails(away)]
        for index in 0..<100 { await lab.storage.enqueue(.test("job-\(index)")) }
        try await lab.run()
        try await expectAllSigned(lab, 100)
        #expect(lab.signer.signed == 100)
    }

    @Test func aFatalLogEndsTheRunAndTheNextGoesOn() async throws {
        var lab = PipelineLab()
        lab.settings.batchResultsMax = 10
        let fatal = JobLogError(.fatal, reason: "fenced", remedy: "one worker, one id")
        for index in 0..<100 { await lab.storage.enqueue(.test("job-\(index)")) }
        lab.publishScript = [.fails(JobLogError(.unavailable, reason: "away", remedy: "wait")), .fails(fatal)]
        await #expect(throws: JobLogError.self) { try await lab.run() }
        #expect(await lab.storage.resultCount == 0)
        lab.publishScript = []
        try await lab.run()
        try await expectAllSigned(lab, 100)
    }

    @Test(.timeLimit(.minutes(1))) func aFatalLogEndsTheRunAlsoWhileJobsWaitForATokenAndAnAuthority() async throws {
        var lab = PipelineLab()
        lab.settings.batchWaitMax = .zero
        lab.authority.fail(times: 1_000_000)
        lab.publishScript = [.fails(JobLogError(.fatal, reason: "fenced", remedy: "one worker, one id"))]
        // One result is ready at once, and its batch meets the fatal error while the others wait.
        await lab.storage.enqueue(.test("refused", profile: "nowhere"))
        for index in 0..<200 { await lab.storage.enqueue(.test("job-\(index)", profile: "p256-t")) }
        await #expect(throws: JobLogError.self) { try await lab.run() }
        #expect(await lab.storage.resultCount == 0)
    }

    @Test(.timeLimit(.minutes(1))) func aDrainEndsAlsoWhileTheLogIsAway() async throws {
        var lab = PipelineLab()
        lab.settings.endsWithLog = false
        await lab.storage.enqueue(.test("a"))
        lab.publishScript = Array(repeating: .fails(JobLogError(.unavailable, reason: "away", remedy: "wait")), count: 100_000)
        let pipeline = try lab.pipeline(await lab.log())
        let run = Task { try await pipeline.run() }
        while lab.signer.signed == 0 { await Task.yield() }
        await pipeline.drain()
        await #expect(throws: JobLogError.self) { try await run.value }
        #expect(await lab.storage.resultCount == 0)
    }

    @Test(.timeLimit(.minutes(1))) func aTokenThatWaitingDoesNotMendEndsTheRun() async throws {
        let lab = PipelineLab()
        await lab.storage.enqueue(.test("a"))
        lab.signer.fail(with: [SignerError(token: "t", reason: "wrong PIN", remedy: "ask for it", isPermanent: true)])
        await #expect(throws: SignerError.self) { try await lab.run() }
        #expect(await lab.storage.resultCount == 0)
    }

    @Test(.timeLimit(.minutes(1))) func jobsOfALostPartitionDoNotWaitForAnAuthority() async throws {
        var lab = PipelineLab(storage: MemoryStream("test", partitions: 2))
        lab.settings.inFlightMax = 20
        for index in 0..<60 { await lab.storage.enqueue(.test("job-\(index)", profile: "p256-t")) }
        lab.authority.fail(times: 40)
        lab.receiveScript = Array(repeating: .loses([]), count: 20) + [.loses([Partition(0)]), .loses([Partition(0), Partition(1)])]
        try await lab.run()
        try await expectAllSigned(lab, 60)
        #expect(lab.surplusKeyOperations <= lab.signer.signed - 60)
    }

    /// The key is used, the authority is away, the certificate ends: what is stamped then would not verify.
    @Test(.timeLimit(.minutes(1))) func aStampBehindTheCertificateIsNotPublished() async throws {
        let young = try TestPKI(notBefore: Date(timeIntervalSince1970: 1_600_000_000), notAfter: Date(timeIntervalSince1970: 1_795_000_000))
        let certificate = young.p256.certificate
        let stamps = Locked(0)
        let lab = PipelineLab(
            signer: SoftwareSigner(key: young.p256.key, certificate: certificate),
            authority: LocalTimeStampAuthority(TestPKI.shared.authority) {
                let isFirst = stamps.withLock { count in
                    count += 1
                    return count == 1
                }
                return isFirst ? certificate.notAfter.addingTimeInterval(10) : Date(timeIntervalSince1970: 1_790_000_000)
            })
        await lab.storage.enqueue(.test("a", profile: "p256-t"))
        try await lab.run()
        try await expectAllSigned(lab, 1)
        #expect(lab.signer.signed == 2 && lab.surplusKeyOperations == 1)
        let result = try #require(try await lab.storage.allResults().first)
        guard case .signed(_, _, let timestamp?) = result.outcome else { return }
        #expect(timestamp.time <= certificate.notAfter)
    }

    @Test func resultsThatAreTooLargeAreRefusedOneAfterTheOther() async throws {
        let root = TestPKI.shared.root
        let key = try PrivateKey.generateEC(curve: "P-256")
        let chain = try (0..<600).map { index in
            try CertificateBuilder.authority(
                DistinguishedName(commonName: "Issuer \(index)"), notBefore: root.certificate.notBefore, notAfter: root.certificate.notAfter,
                serialNumber: [1, UInt8(index / 256), UInt8(index % 256)]
            ).issued(to: key.publicKey, by: root.certificate, with: root.key)
        }
        let identity = TestPKI.shared.p256
        let lab = PipelineLab(signer: SoftwareSigner(key: identity.key, certificate: identity.certificate, chain: chain))
        for _ in 0..<3 { await lab.storage.enqueue(.test("a")) }
        try await lab.run()
        #expect(try await lab.outcomes() == ["result-too-large", "result-too-large", "result-too-large"])
    }

    @Test func anEndedCertificateMakesJobsWaitNotFail() async throws {
        let clock = ManualClock(at: Date(timeIntervalSince1970: 1_600_000_000))
        let young = try TestPKI(notBefore: Date(timeIntervalSince1970: 1_600_000_005), notAfter: Date(timeIntervalSince1970: 1_700_000_000))
        var lab = PipelineLab(signer: SoftwareSigner(key: young.p256.key, certificate: young.p256.certificate), clock: clock.pipelineClock)
        lab.settings.batchWaitMax = .zero
        await lab.storage.enqueue(.test("early"))
        let pipeline = try lab.pipeline(await lab.log())
        async let run: Void = pipeline.run()
        while clock.sleeps == 0 { await Task.yield() }
        #expect(await lab.storage.resultCount == 0)
        #expect(lab.signer.signed == 0)
        while await lab.storage.resultCount == 0 {
            clock.advance(by: .seconds(1))
            await Task.yield()
        }
        try await run
        try await expectAllSigned(lab, 1)
    }

    /// A worker that dies at a random moment, again and again: its successor fences it and goes on.
    @Test func randomDeathsLoseAndDoubleNothing() async throws {
        let seed = UInt64.random(in: 0 ... .max)
        print("seed \(seed)")
        var random = SeededGenerator(seed: seed)
        var lab = PipelineLab(storage: MemoryStream("test", partitions: 3))
        lab.settings.batchResultsMax = 16
        lab.settings.inFlightMax = 64
        for index in 0..<300 { await lab.storage.enqueue(.test("job-\(index % 250)")) }
        for _ in 0..<20 {
            let pipeline = try lab.pipeline(await lab.log())
            let run = Task { try await pipeline.run() }
            for _ in 0..<Int.random(in: 0...400, using: &random) { await Task.yield() }
            // The successor attaches while the predecessor still runs, as a zombie does.
            if Bool.random(using: &random) { run.cancel() }
            try await lab.pipeline(await lab.log()).drainingRun()
            _ = await run.result
        }
        try await lab.run()
        let outcomes = try await lab.outcomes()
        #expect(outcomes.count == 300)
        #expect(outcomes.count { $0 == "signed" } == 250)
        #expect(outcomes.count { $0.hasPrefix("duplicate") } == 50)
        #expect(await lab.storage.breaches == [])
    }
}

extension Pipeline {
    /// Attaches, and drains at once.
    fileprivate func drainingRun() async throws {
        await drain()
        try await run()
    }
}
