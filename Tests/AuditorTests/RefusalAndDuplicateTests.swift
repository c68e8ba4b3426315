import Auditor
import CMS
import FoundationEssentials
import LibCrypto
import SigningModel
import SigningTestKit
import Testing

/// Refusals, duplicates and packages: what a result may claim of a job that it does not sign.
@Suite struct RefusalAndDuplicateTests {
    private func codes(_ report: AuditReport) -> [String] { report.findings.map(\.code.rawValue) }

    private func isSigned(_ result: JobResult) -> Bool { if case .signed = result.outcome { true } else { false } }

    /// A job record at the end of the partition of its key, with a result that says this.
    private func audit(_ job: Job, partition: Int? = nil, key: [UInt8]?? = nil, _ outcome: (Offset) -> JobResult.Outcome) async throws -> [String] {
        var lab = try await AuditLab.honest()
        let home = Int(Partition.holding(key: Array(job.id.utf8), among: 2).rawValue)
        let place = partition ?? home
        let offset = Offset(Int64(lab.jobs[place].count))
        let record = StreamRecord(offset: offset, key: key ?? Array(job.id.utf8), value: job.encoded(), time: Date(timeIntervalSince1970: 2e9))
        let source = SourcePosition(topic: "test.jobs", partition: Partition(Int32(place)), offset: offset)
        lab.append(record, JobResult(of: job, outcome: outcome(offset), source: source, worker: "lab"), to: place)
        return codes(try await lab.audit())
    }

    @Test func aRefusalThatCannotBeRight() async throws {
        var job = Job.test("new")
        let refusals: [Refusal] = [
            .jobMalformed(.notAnObject, at: 0), .jobKeyUnknown("x"), .jobKeyDoubled("job"), .jobFieldMissing("job"), .jobFieldInvalid("job", .empty),
            .jobTooLarge(part: .job, bytes: 1, limit: 0), .versionUnsupported(2), .digestLength(algorithm: "sha256", expected: 32, actual: 31),
            .misplaced(.wrongPartition, in: Partition(0)), .jobConflict(with: Partition(0), Offset(0)),
            .jobExpired(Date(), judged: Date(), enqueued: Date()),
        ]
        for refusal in refusals { #expect(try await audit(job) { _ in .refused(refusal) } == ["refusal-unfounded"], "\(refusal.code)") }
        // These depend on the worker's configuration
        for refusal in [
            Refusal.profileUnknown("p"), .profileNotAllowed("p", in: "test"),
            .digestAlgorithmMismatch(profile: "p", expected: .sha256, actual: .sha512),
        ] {
            #expect(try await audit(job) { _ in .refused(refusal) } == [], "\(refusal.code)")
        }
        // Published in 2033
        job.expires = Date(timeIntervalSince1970: 1_999_999_999)
        #expect(try await audit(job) { _ in .refused(.jobExpired(Date(), judged: Date(), enqueued: Date())) } == [])
        job.expires = Date(timeIntervalSince1970: 2_000_000_001)
        #expect(try await audit(job) { _ in .refused(.jobExpired(Date(), judged: Date(), enqueued: Date())) } == ["refusal-unfounded"])
    }

    @Test func aRecordThatIsNoJobIsRefusedForWhatItIs() async throws {
        var lab = try await AuditLab.honest()
        let place = try lab.place { $0.job == nil }
        try lab.change(place) { $0.outcome = .refused(.jobKeyUnknown("x")) }
        #expect(codes(try await lab.audit()) == ["refusal-unfounded"])
        lab = try await AuditLab.honest()
        let unknown = try lab.place { $0.job == "unknown" }
        // The id could be read, and must be said
        try lab.change(unknown) { $0.job = nil }
        #expect(codes(try await lab.audit()) == ["result-differs-from-job"])
        lab = try await AuditLab.honest()
        let digest = DigestFunction.sha256.digest([])
        let outcome = try Forgery().outcome(for: .test("broken"))
        try lab.change(place) { ($0.job, $0.digest, $0.outcome) = ("broken", DocumentDigest(algorithm: .sha256, value: digest), outcome) }
        #expect(Set(codes(try await lab.audit())) == ["signed-unfounded", "result-differs-from-job"])
    }

    @Test func aMisplacedJobIsNotSigned() async throws {
        let job = Job.test("stray")
        let home = Int(Partition.holding(key: Array("stray".utf8), among: 2).rawValue)
        let signed = try Forgery().outcome(for: job)
        #expect(try await audit(job) { _ in signed } == [])
        #expect(try await audit(job, partition: 1 - home) { _ in signed } == ["signed-unfounded"])
        #expect(try await audit(job, key: .some(nil)) { _ in signed } == ["signed-unfounded"])
        #expect(try await audit(job, key: .some(Array("job-0".utf8))) { _ in signed } == ["signed-unfounded"])
        #expect(try await audit(job, partition: 1 - home) { _ in .refused(.misplaced(.wrongPartition, in: Partition(Int32(1 - home)))) } == [])
        #expect(try await audit(job, partition: 1 - home) { .duplicate(of: Partition(Int32(1 - home)), $0) }.contains("duplicate-unfounded"))
    }

    @Test func aDuplicatePointsAtTheSignedJobOfItsIDAndContent() async throws {
        let lab = try await AuditLab.honest()
        let place = try lab.place { $0.job == "job-1" && isSigned($0) }
        let partition = Partition(Int32(place.partition))
        let first = try JobResult.read(lab.results[place.partition][place.index].value!).source.offset
        let same = Job.test("job-1", profile: "rsa-t")
        #expect(try await audit(same) { _ in .duplicate(of: partition, first) } == [])
        #expect(try await audit(same) { .duplicate(of: partition, $0) } == ["duplicate-unfounded"], "at itself")
        #expect(try await audit(same) { _ in .duplicate(of: partition, first.next) } == ["duplicate-unfounded"], "at another job")
        #expect(try await audit(same) { _ in .duplicate(of: Partition(Int32(1 - place.partition)), first) } == ["duplicate-unfounded"])
        #expect(
            try await audit(.test("job-1", profile: "other")) { _ in .duplicate(of: partition, first) } == ["duplicate-unfounded"], "other content")
        #expect(try await audit(.test("never-signed")) { _ in .duplicate(of: partition, first) }.contains("duplicate-unfounded"))
        // And what is another content is a conflict
        #expect(try await audit(.test("job-1", profile: "other")) { _ in .refused(.jobConflict(with: partition, first)) } == [])
        #expect(try await audit(same) { _ in .refused(.jobConflict(with: partition, first)) } == ["refusal-unfounded"], "the same content")
    }

    @Test func anIDIsSignedOnce() async throws {
        let same = Job.test("job-1", profile: "rsa-t")
        var forgery = Forgery()
        forgery.tokens = { [try Forgery.token(over: $0)] }
        let again = try forgery.outcome(for: same)
        #expect(try await audit(same) { _ in again } == ["signed-twice"])
        let other = Job.test("job-1", profile: "p256-b", content: "other")
        let otherwise = try Forgery().outcome(for: other)
        #expect(try await audit(other) { _ in otherwise } == ["signed-twice"])
    }

    @Test func aPackageHasEachPlaceOnce() async throws {
        func package(_ id: String, _ index: Int64, of count: Int64) async throws -> [String] {
            var job = Job.test(id)
            job.package = Package(id: "pack", index: index, count: count)
            let outcome = try Forgery().outcome(for: job)
            return try await audit(job) { _ in outcome }
        }
        #expect(try await package("new", 3, of: 12) == ["package-disagrees"], "the place is taken")
        #expect(try await package("new", 12, of: 13) == ["package-disagrees"], "another count")
        var job = Job.test("alone")
        job.package = Package(id: "other", index: 1, count: 2)
        let outcome = try Forgery().outcome(for: job)
        #expect(try await audit(job) { _ in outcome } == ["package-incomplete"])
    }
}
