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

    /// Two documents of each kind in two packages, a duplicate, a conflict, refusals, one job that waits.
    static func honest() async throws -> AuditLab {
        let storage = MemoryStream("test", partitions: 2)
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
                name: "p256-b", signer: SoftwareSigner(key: pki.p256.key, certificate: pki.p256.certificate), digest: .sha256, level: .baselineB),
            try SigningProfile(
                name: "rsa-t", signer: SoftwareSigner(key: pki.rsa2048.key, certificate: pki.rsa2048.certificate), digest: .sha256,
                level: .baselineT(LocalTimeStampAuthority(pki.authority))),
        ]
        var settings = PipelineSettings()
        settings.endsWithLog = true
        try await Pipeline(
            log: MemoryJobLog(storage), profiles: profiles, worker: "lab", settings: settings, clock: ManualClock.hasty(), report: .silent,
            metrics: Metrics()
        ).run()
        var lab = AuditLab()
        for partition in 0..<2 {
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

    func audit(trust: TestPKI = .shared, allowsPending: Bool = false) async throws -> AuditReport {
        let judge = SignatureJudge(
            anchors: TrustAnchors([trust.root.certificate]), timeStampAnchors: TrustAnchors([trust.root.certificate]))
        return try await StreamAudit(self, judge: judge, allowsPending: allowsPending).run()
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

    struct NotThere: Error {}

    // MARK: ResultStream

    func partitions() async throws -> [AuditedPartition] {
        jobs.enumerated().map { AuditedPartition(partition: Partition(Int32($0)), firstJob: Offset(0), endOfJobs: Offset(Int64($1.count))) }
    }

    func jobs(of partition: Partition, from: Offset, limit: Int) async throws -> [StreamRecord] {
        Array(jobs[Int(partition.rawValue)].filter { $0.offset >= from }.prefix(min(limit, 5)))
    }

    func results(of partition: Partition, from: Offset, limit: Int) async throws -> [StreamRecord] {
        Array(results[Int(partition.rawValue)].filter { $0.offset >= from }.prefix(min(limit, 3)))
    }
}
