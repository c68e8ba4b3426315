import CMS
import Foundation
import Log
import Metrics
import SigningModel
import SigningPipeline
import SigningTestKit
import Testing

/// What every log promises (`JobLog`), on every log there is.
@Suite(.serialized) struct JobLogContractTests {
    @Test(arguments: LogStand.all) func recordsComeInOrderAndWithinTheDemand(stand: LogStand) async throws {
        try stand.prepare()
        defer { stand.remove() }
        try await stand.enqueue((0..<50).map { .test("job-\($0)") })
        let log = try await stand.open()
        var records: [JobRecord] = []
        while records.count < 50 {
            let intake = try await log.receivePatiently(Demand(limit: 7, wait: .milliseconds(200)))
            #expect(intake.records.count <= 7)
            records += intake.records
        }
        for (_, records) in Dictionary(grouping: records, by: \.position.partition) {
            #expect(records.map(\.position.offset) == (0..<Int64(records.count)).map { Offset($0) })
        }
        #expect(records.allSatisfy { !$0.isMisplaced && $0.precedent == nil && $0.position.topic == stand.name + ".jobs" })
        #expect(Set(records.map { String(decoding: $0.key ?? [], as: UTF8.self) }) == Set((0..<50).map { "job-\($0)" }))
        await log.close()
    }

    @Test(arguments: LogStand.all) func nothingIsTakenWithoutDemand(stand: LogStand) async throws {
        try stand.prepare()
        defer { stand.remove() }
        try await stand.enqueue((0..<10).map { .test("job-\($0)") })
        let log = try await stand.open()
        for _ in 0..<5 { #expect(try await log.receivePatiently(Demand(limit: 0, wait: .milliseconds(20))).records.isEmpty) }
        var first: JobRecord?
        while first == nil { first = try await log.receivePatiently(Demand(limit: 1, wait: .milliseconds(200))).records.first }
        let partition = try #require(first).position.partition
        let others = try await log.receivePatiently(Demand(limit: 100, full: [partition], wait: .milliseconds(200))).records
        #expect(others.allSatisfy { $0.position.partition != partition })
        await log.close()
    }

    @Test(arguments: LogStand.all) func onlyWhatIsCommittedIsSeenAndNotGivenAgain(stand: LogStand) async throws {
        try stand.prepare()
        defer { stand.remove() }
        try await stand.enqueue((0..<20).map { .test("job-\($0)") })
        var log = try await stand.open()
        let all = try await log.receive(count: 20)
        let published = Dictionary(grouping: all, by: \.position.partition).flatMap { $1.prefix(4) }
        #expect(try await log.publishPatiently(Self.batch(published)) == .committed)
        await log.close()
        #expect(try await stand.results(count: published.count).count == published.count)

        log = try await stand.open()
        let again = try await log.receive(count: 20 - published.count)
        #expect(Set(again.map(\.position)) == Set(all.map(\.position)).subtracting(published.map(\.position)))
        await log.close()
        #expect(try await stand.results(count: published.count).count == published.count, "what was received and not published leaves no trace")
    }

    @Test(arguments: LogStand.all) func aSignedIDIsKnownToTheNextWorkerAndARefusedOneIsNot(stand: LogStand) async throws {
        try stand.prepare()
        defer { stand.remove() }
        try await stand.enqueue([.test("signed"), .test("refused")])
        var log = try await stand.open()
        let records = try await log.receive(count: 2)
        let batch = Self.batch(records) { $0.key == Array("signed".utf8) }
        #expect(try await log.publishPatiently(batch) == .committed)
        await log.close()

        try await stand.enqueue([.test("signed"), .test("refused")])
        log = try await stand.open()
        for record in try await log.receive(count: 2) {
            let isSigned = record.key == Array("signed".utf8)
            let first = try #require(records.first { $0.key == record.key })
            #expect((record.precedent != nil) == isSigned)
            guard let precedent = record.precedent else { continue }
            #expect(precedent.partition == first.position.partition && precedent.offset == first.position.offset)
            #expect(precedent.content == JobFingerprint(.test("signed")).content)
        }
        await log.close()
    }

    /// The whole pipeline on the log, ended at random and begun again.
    @Test(arguments: LogStand.all) func aPipelineThatIsInterruptedPublishesEachJobOnce(stand: LogStand) async throws {
        try stand.prepare()
        defer { stand.remove() }
        let seed = UInt64.random(in: .min ... .max)
        print("seed \(seed) (\(stand.kind))")
        var random = SeededGenerator(seed: seed)
        try await stand.enqueue((0..<300).map { .test("job-\($0 % 260)") })
        let identity = TestPKI.shared.p256
        let signer = SoftwareSigner(key: identity.key, certificate: identity.certificate)
        let profile = try SigningProfile(name: "p256-b", signers: [signer], digest: .sha256, level: .baselineB)
        var settings = PipelineSettings()
        settings.batchResultsMax = 20
        settings.inFlightMax = 60
        func begin() async throws -> (Pipeline, Task<Void, any Error>) {
            let pipeline = Pipeline(
                log: try await stand.open(), profiles: [profile], worker: "contract", settings: settings, report: .silent, metrics: Metrics())
            return (pipeline, Task { try await pipeline.run() })
        }
        for _ in 0..<6 {
            let (pipeline, run) = try await begin()
            try await Task.sleep(for: .milliseconds(Int.random(in: 50...1500, using: &random)))
            if Bool.random(using: &random) { run.cancel() } else { await pipeline.drain() }
            _ = await run.result
        }
        let (pipeline, run) = try await begin()
        let end = ContinuousClock.now + .seconds(120)
        while try await stand.results().count < 300, ContinuousClock.now < end { try await Task.sleep(for: .milliseconds(100)) }
        await pipeline.drain()
        try await run.value
        let results = try await stand.results()
        #expect(results.count == 300)
        let signed = results.filter { if case .signed = $0.outcome { true } else { false } }
        #expect(signed.count == 260)
        #expect(Set(signed.map(\.job)).count == 260)
        for (_, results) in Dictionary(grouping: results, by: \.source.partition) {
            #expect(results.map(\.source.offset) == (0..<Int64(results.count)).map { Offset($0) })
        }
    }

    /// One prefix a partition. Results that are not signed stand for refusals.
    private static func batch(_ records: [JobRecord], isSigned: (JobRecord) -> Bool = { _ in true }) -> PublishedBatch {
        let prefixes = Dictionary(grouping: records, by: \.position.partition).sorted { $0.key < $1.key }.map { partition, records in
            FinishedPrefix(
                partition: partition, from: records.first!.position.offset, to: records.last!.position.offset,
                results: records.map { record in
                    guard case .job(let job) = Job.read(record.value) else { preconditionFailure("a test's job cannot be read") }
                    let result = JobResult(of: job, outcome: .refused(.profileUnknown("p")), source: record.position, worker: "contract")
                    return FinishedResult(
                        offset: record.position.offset, key: record.key, value: result.encoded(),
                        fingerprint: isSigned(record) ? JobFingerprint(job) : nil)
                })
        }
        return PublishedBatch(uncheckedPrefixes: prefixes)
    }
}

extension JobLog {
    fileprivate func receivePatiently(_ demand: Demand) async throws -> Intake {
        while true {
            do { return try await receive(demand) } catch { guard error.kind == .unavailable else { throw error } }
        }
    }

    fileprivate func publishPatiently(_ batch: PublishedBatch) async throws -> Publication {
        while true {
            do { return try await publish(batch) } catch { guard error.kind == .unavailable else { throw error } }
        }
    }

    fileprivate func receive(count: Int) async throws -> [JobRecord] {
        var records: [JobRecord] = []
        let end = ContinuousClock.now + .seconds(60)
        while records.count < count, ContinuousClock.now < end {
            records += try await receivePatiently(Demand(limit: count - records.count, wait: .milliseconds(100))).records
        }
        return records
    }
}
