import FoundationEssentials
import OperatingSystem
import SigningModel
import SigningPipeline
import SigningTestKit
import Testing

/// Jobs whose authorities can take no more wait with their keys unused, and lose nothing.
@Suite struct ParkingTests {
    private func expectAllStamped(_ lab: PipelineLab, _ count: Int, sourceLocation: SourceLocation = #_sourceLocation) async throws {
        let results = try await lab.storage.allResults()
        #expect(results.count == count && Set(results.compactMap(\.job)).count == count, sourceLocation: sourceLocation)
        for result in results {
            guard case .signed(_, _, let timestamp?) = result.outcome, timestamp.authority == "local" else {
                Issue.record("not stamped: \(result)", sourceLocation: sourceLocation)
                return
            }
        }
        #expect(await lab.storage.breaches == [], sourceLocation: sourceLocation)
        #expect(lab.authority.promises == 0, "every promise was used or given back", sourceLocation: sourceLocation)
    }

    @Test(.timeLimit(.minutes(3))) func anAuthorityThatIsAwayForLongCostsNoKeyOperation() async throws {
        let clock = ManualClock()
        var lab = PipelineLab(storage: MemoryStream("test", partitions: 3), clock: clock.pipelineClock)
        lab.settings.endsWithLog = false
        lab.settings.inFlightMax = 500
        lab.settings.batchWaitMax = .zero
        let count = 10_000
        for index in 0..<count { await lab.storage.enqueue(.test("job-\(index)", profile: "p256-t")) }
        let pipeline = try lab.pipeline(await lab.log())
        let run = Task { try await pipeline.run() }
        while await lab.storage.resultCount < count / 2 { await Task.yield() }
        lab.authority.set(isAway: true)
        // Ten minutes, in which the window fills and nothing else happens.
        while lab.metric("tanba_jobs_in_flight") < 500 { await Task.yield() }
        // What was promised a stamp is signed, and nothing else
        while lab.signer.signed != lab.authority.stamped + lab.authority.promises { await Task.yield() }
        let signed = lab.signer.signed
        for _ in 0..<600 {
            clock.advance(by: .seconds(1))
            await Task.yield()
        }
        while lab.metric("tanba_jobs_parked_seconds") < 599 { await Task.yield() }
        #expect(lab.signer.signed == signed, "no key is used while no stamp is promised")
        #expect(lab.metric("tanba_jobs_in_flight") == 500 && lab.metric("tanba_jobs_parked") > 0, "the window is the bound")
        #expect(pipeline.waitsFor.contains { $0.contains("profile p256-t") && $0.contains("authority local") }, "\(pipeline.waitsFor)")
        lab.authority.set(isAway: false)
        while await lab.storage.resultCount < count { await Task.yield() }
        await pipeline.drain()
        try await run.value
        try await expectAllStamped(lab, count)
        #expect(lab.signer.signed == count, "as many key operations as results")
        #expect(lab.metric("tanba_jobs_parked_seconds") == 0)
    }

    @Test func promisesAreBoundedAndAllComeBack() async throws {
        var lab = PipelineLab(storage: MemoryStream("test", partitions: 3))
        lab.authority = LocalTimeStampAuthority(TestPKI.shared.authority, promisesMax: 7)
        lab.receiveScript = Array(repeating: .loses([]), count: 10) + [.loses([Partition(0)]), .loses([Partition(0), Partition(1)])]
        lab.signer.fail(with: Array(repeating: SignerError(token: "t", reason: "gone", remedy: "", isPermanent: false), count: 5))
        for index in 0..<300 { await lab.storage.enqueue(.test("job-\(index)", profile: "p256-t")) }
        try await lab.run()
        try await expectAllStamped(lab, 300)
        #expect(lab.authority.promisesMost == 7)
    }

    @Test(.timeLimit(.minutes(1))) func onlyProfilesThatNeedTheAuthorityWait() async throws {
        var lab = PipelineLab(storage: MemoryStream("test", partitions: 1))
        lab.settings.endsWithLog = false
        lab.authority.set(isAway: true)
        // Partition order holds results back behind a parked job; a stream of its own would not. So the plain jobs come first.
        for index in 0..<50 { await lab.storage.enqueue(.test("plain-\(index)", profile: "p256-b")) }
        for index in 0..<50 { await lab.storage.enqueue(.test("stamped-\(index)", profile: "p256-t")) }
        let pipeline = try lab.pipeline(await lab.log())
        let run = Task { try await pipeline.run() }
        while await lab.storage.resultCount < 50 { await Task.yield() }
        #expect(lab.signer.signed == 50)
        lab.authority.set(isAway: false)
        while await lab.storage.resultCount < 100 { await Task.yield() }
        await pipeline.drain()
        try await run.value
    }

    /// What waits for a stamp cannot be signed now; what nobody has read may be of the other profile. Without the key nothing can.
    @Test(.timeLimit(.minutes(1))) func jobsThatWaitForAStampAreNotSignable() async throws {
        var lab = PipelineLab()
        lab.settings.endsWithLog = false
        lab.settings.inFlightMax = 30
        lab.authority.set(isAway: true)
        for index in 0..<50 { await lab.storage.enqueue(.test("job-\(index)", profile: "p256-t")) }
        let pipeline = try lab.pipeline(await lab.log())
        let run = Task { try await pipeline.run() }
        while lab.metric("tanba_jobs_parked") < 30 || lab.metric("tanba_signable_jobs") != 20 { await Task.yield() }
        #expect(lab.metric("tanba_useful_workers") == 1)
        lab.signer.set(isAway: true)
        while lab.metric("tanba_signable_jobs") != 0 || lab.metric("tanba_useful_workers") != 0 { await Task.yield() }
        lab.signer.set(isAway: false)
        lab.authority.set(isAway: false)
        while await lab.storage.resultCount < 50 { await Task.yield() }
        while lab.metric("tanba_signable_jobs") != 0 { await Task.yield() }
        await pipeline.drain()
        try await run.value
        try await expectAllStamped(lab, 50)
    }

    @Test(.timeLimit(.minutes(1))) func aDrainLeavesParkedJobsToTheNext() async throws {
        var lab = PipelineLab()
        lab.settings.endsWithLog = false
        lab.authority.set(isAway: true)
        for index in 0..<50 { await lab.storage.enqueue(.test("job-\(index)", profile: "p256-t")) }
        let pipeline = try lab.pipeline(await lab.log())
        let run = Task { try await pipeline.run() }
        while lab.metric("tanba_jobs_parked") < 50 { await Task.yield() }
        let before = lab.clock.elapsed()
        await pipeline.drain()
        try await run.value
        #expect(lab.clock.elapsed() - before < lab.settings.drainMax)
        #expect(lab.signer.signed == 0)
        lab.authority.set(isAway: false)
        lab.settings.endsWithLog = true
        try await lab.run()
        try await expectAllStamped(lab, 50)
        #expect(lab.signer.signed == 50)
    }

    @Test(.timeLimit(.minutes(1))) func aDeadlineGivesThePartitionsUpUntilTheAuthorityIsBack() async throws {
        let clock = ManualClock()
        var lab = PipelineLab(clock: clock.pipelineClock)
        lab.settings.endsWithLog = false
        lab.settings.stampDeadline = .seconds(4 * 3600)
        lab.settings.batchWaitMax = .zero
        lab.authority.set(isAway: true)
        for index in 0..<50 { await lab.storage.enqueue(.test("job-\(index)", profile: "p256-t")) }
        let log = await lab.log()
        let pipeline = try lab.pipeline(log)
        let run = Task { try await pipeline.run() }
        while lab.metric("tanba_jobs_parked") < 50 { await Task.yield() }
        clock.advance(by: .seconds(4 * 3600 - 1))
        while lab.metric("tanba_jobs_parked_seconds") < 4 * 3600 - 1 { await Task.yield() }
        #expect(await log.standBys == 0)
        clock.advance(by: .seconds(1))
        while await log.standBys == 0 { await Task.yield() }
        lab.authority.set(isAway: false)
        while await lab.storage.resultCount < 50 {
            clock.advance(by: .seconds(1))
            await Task.yield()
        }
        await pipeline.drain()
        try await run.value
        try await expectAllStamped(lab, 50)
        #expect(lab.signer.signed == 50)
    }
}
