import Auditor
import CMS
import CertificateTrust
import FoundationEssentials
import Log
import Metrics
import SigningModel
import SigningPipeline
import SigningTestKit

/// A stream that a pipeline made honestly, to be tampered with record by record.
struct AuditLab: ResultStream {
    let name = "test"
    /// By partition.
    var jobs: [[StreamRecord]] = []
    var results: [[StreamRecord]] = []
    /// Jobs and results before these, by partition, were deleted by retention.
    var firstJobs: [Int: Int64] = [:]
    var firstResults: [Int: Int64] = [:]
    /// The results are all that there is.
    var isWithoutJobs = false

    /// Two documents of each kind in two packages, a duplicate, a conflict, refusals, one job that waits.
    static func honest(partitions: Int = 2) async throws -> AuditLab { try await partitions == 1 ? small.value : made.value }

    /// Made once: signing takes longer than auditing.
    private static let made = Task { try await make(partitions: 2) }
    private static let small = Task { try await make(partitions: 1) }

    private static func make(partitions: Int) async throws -> AuditLab {
        let storage = MemoryStream("test", partitions: partitions)
        for index in 0..<12 {
            var job = Job.test("job-\(index)", profile: index.isMultiple(of: 2) ? "p256-b" : "rsa-t")
            job.package = Package(id: "pack", index: Int64(index), count: 12)
            job.document = Document(id: "doc-\(index)", title: "", name: "d", size: 1)
            job.attributes = Array(#"{"a":1}"#.utf8)
            await storage.enqueue(job)
        }
        await storage.enqueue(.test("job-1", profile: "rsa-t"))
        await storage.enqueue(.test("job-2", content: "another"))
        await storage.enqueue(.test("unknown", profile: "nowhere"))
        await storage.enqueue(key: Array("broken".utf8), value: Array("{".utf8))
        let pki = TestPKI.shared
        let profiles = [
            try SigningProfile(
                name: "p256-b", signers: [SoftwareSigner(key: pki.p256.key, certificate: pki.p256.certificate)], digest: .sha256, level: .baselineB),
            try SigningProfile(
                name: "rsa-t", signers: [SoftwareSigner(key: pki.rsa2048.key, certificate: pki.rsa2048.certificate)], digest: .sha256,
                level: .baselineT(LocalTimeStampAuthority(pki.authority))),
        ]
        var settings = PipelineSettings()
        settings.endsWithLog = true
        try await Pipeline(
            log: MemoryJobLog(storage), profiles: profiles, worker: "lab", settings: settings, clock: ManualClock.hasty(), report: .silent,
            metrics: Metrics()
        ).run()
        var lab = AuditLab()
        for partition in 0..<partitions {
            let records = await storage.records(of: partition)
            lab.jobs.append(records.jobs.enumerated().map { StreamRecord(offset: Offset(Int64($0)), key: $1.key, value: $1.value, time: $1.time) })
            // Markers leave holes in the offsets of results.
            lab.results.append(
                records.results.enumerated().map { index, result in
                    StreamRecord(offset: Offset(Int64(index * 2 + 1)), key: result.key, value: result.value, time: Date(timeIntervalSince1970: 2e9))
                })
        }
        return lab
    }

    func audit(trust: TestPKI = .shared, allowsPending: Bool = false, levelsChanged: Set<String> = []) async throws -> AuditReport {
        let judge = SignatureJudge(
            anchors: TrustAnchors([trust.root.certificate]), timeStampAnchors: TrustAnchors([trust.root.certificate]))
        return try await StreamAudit(self, judge: judge, allowsPending: allowsPending, levelsChanged: levelsChanged).run()
    }

    /// The place of the first result for which this holds.
    func place(_ test: (JobResult) -> Bool) throws -> (partition: Int, index: Int) {
        for (partition, records) in results.enumerated() {
            for (index, record) in records.enumerated() where test(try JobResult.read(record.value ?? [])) { return (partition, index) }
        }
        throw NotThere()
    }

    /// Rewrites the value, and maybe the key, of a result.
    mutating func change(_ place: (partition: Int, index: Int), key: [UInt8]? = nil, _ change: (inout JobResult) -> Void) throws {
        let record = results[place.partition][place.index]
        var result = try JobResult.read(record.value ?? [])
        change(&result)
        results[place.partition][place.index] = StreamRecord(
            offset: record.offset, key: key ?? record.key, value: result.encoded(), time: record.time)
    }

    /// The record of the job that a result is of.
    func job(of place: (partition: Int, index: Int)) throws -> (record: StreamRecord, job: Job) {
        let source = try JobResult.read(results[place.partition][place.index].value ?? []).source.offset
        guard let record = jobs[place.partition].first(where: { $0.offset == source }), case .job(let job) = Job.read(record.value) else {
            throw NotThere()
        }
        return (record, job)
    }

    /// Puts a job and its result at the end of a partition, as they are.
    mutating func append(_ job: StreamRecord, _ result: JobResult, to partition: Int) {
        jobs[partition].append(job)
        let offset = (results[partition].last?.offset.rawValue ?? 0) + 2
        results[partition].append(StreamRecord(offset: Offset(offset), key: job.key, value: result.encoded(), time: job.time))
    }

    /// The same records, each result under another offset, in this order.
    mutating func reorder(_ partition: Int, _ order: [Int]) {
        let records = results[partition]
        results[partition] = order.enumerated().map { place, index in
            StreamRecord(offset: Offset(Int64(place) * 2 + 1), key: records[index].key, value: records[index].value, time: records[index].time)
        }
    }

    struct NotThere: Error {}

    // MARK: ResultStream

    func partitions() async throws -> [AuditedPartition] {
        jobs.enumerated().map {
            if isWithoutJobs { return AuditedPartition(resultsAloneOf: Partition(Int32($0)), firstResult: Offset(firstResults[$0] ?? 0)) }
            return AuditedPartition(
                partition: Partition(Int32($0)), firstJob: Offset(firstJobs[$0] ?? 0), endOfJobs: Offset(Int64($1.count)),
                firstResult: Offset(firstResults[$0] ?? 0))
        }
    }

    func jobs(of partition: Partition, from: Offset, limit: Int) async throws -> [StreamRecord] {
        if isWithoutJobs { return [] }
        let first = max(from, Offset(firstJobs[Int(partition.rawValue)] ?? 0))
        return Array(jobs[Int(partition.rawValue)].filter { $0.offset >= first }.prefix(min(limit, 5)))
    }

    func results(of partition: Partition, from: Offset, limit: Int) async throws -> [StreamRecord] {
        let first = max(from, Offset(firstResults[Int(partition.rawValue)] ?? 0))
        return Array(results[Int(partition.rawValue)].filter { $0.offset >= first }.prefix(min(limit, 3)))
    }
}

extension AuditLab {
    /// Trusts the test's root, for signers and for authorities.
    var judge: SignatureJudge {
        let anchors = TrustAnchors([TestPKI.shared.root.certificate])
        return SignatureJudge(anchors: anchors, timeStampAnchors: anchors)
    }
}
