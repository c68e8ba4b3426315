import Auditor
import CertificateTrust
import FoundationEssentials
import KafkaJobLog
import KafkaResultStream
import Log
import OperatingSystem
import ResultExport
import SigningModel
import SigningPipeline
import SigningTestKit
import Testing

/// Goal: what retention took is never silence and never a false alarm. Method: records deleted at a real broker, as retention does it, and the
/// auditor over what is left. Jobs are refused, which needs no key.
@Suite(.enabled(if: TestBroker.isAvailable)) struct RetentionAuditTests {
    private func enqueue(_ range: Range<Int>, to lab: StreamLab) async throws {
        let writer = try KafkaJobWriter(bootstrap: lab.broker.bootstrap, stream: lab.name, report: .silent)
        try await writer.connect()
        let jobs = range.map { KafkaJobWriter.EnqueuedJob(key: Array("job-\($0)".utf8), value: Job.test("job-\($0)").encoded(), tag: $0) }
        let failed = try await writer.write(jobs)
        #expect(try await writer.flush() + failed == [])
    }

    /// A worker that gives so many jobs their results, ten a transaction.
    private func work(_ lab: StreamLab, _ count: Int) async throws {
        let log = try lab.log()
        let records = try await log.receive(count: count)
        #expect(records.count == count)
        for start in stride(from: 0, to: records.count, by: 10) {
            let batch = StreamLab.batch(Array(records[start..<min(start + 10, records.count)])) { record in
                guard case .job(let job) = Job.read(record.value) else { preconditionFailure("the test's own job") }
                let result = JobResult(of: job, outcome: .refused(.profileUnknown("nowhere")), source: record.position, worker: "w")
                return StreamLab.result(record, isSigned: false, value: result.encoded())
            }
            #expect(try await log.publishPatiently(batch) == .committed)
        }
        await log.close()
    }

    private func audit(_ stream: any ResultStream, allowsPending: Bool = false) async throws -> AuditReport {
        let none = TrustAnchors([])
        return try await StreamAudit(
            stream, judge: SignatureJudge(anchors: none, timeStampAnchors: none), allowsPending: allowsPending
        ).run()
    }

    private func stream(_ lab: StreamLab) -> KafkaResultStream {
        KafkaResultStream(bootstrap: lab.broker.bootstrap, stream: lab.name, report: .silent)
    }

    @Test func jobsDeletedUnreadAreAFinding() async throws {
        let lab = try StreamLab(partitions: 1)
        try await enqueue(0..<30, to: lab)
        try await work(lab, 10)
        _ = try lab.visibleResults(count: 10)
        #expect(try await audit(stream(lab), allowsPending: true).isClean)
        // No worker runs while retention takes the next ten
        try RawAdmin.deleteRecords(of: lab.jobs, 0, before: 20, at: lab.broker.bootstrap)
        for round in 0..<2 {
            let report = try await audit(stream(lab), allowsPending: true)
            #expect(report.findings.map(\.code) == [.jobsDeletedUnread], "\(report.text)")
            let finding = try #require(report.findings.first)
            #expect(finding.partition == Partition(0) && finding.offset == Offset(10))
            #expect(finding.sentence.contains("offsets 10 to 19 of partition 0"), "\(finding)")
            #expect(report.deletedUnread == 10 && report.outside == 10 && report.lost == 0)
            // The worker goes on with what is left; what was lost stays lost
            guard round == 0 else { break }
            try await work(lab, 10)
            _ = try lab.visibleResults(count: 20)
        }
    }

    /// A first worker that came too late: nothing was ever read.
    @Test func jobsThatNobodyEverReadAreAFinding() async throws {
        let lab = try StreamLab(partitions: 1)
        try await enqueue(0..<10, to: lab)
        try RawAdmin.deleteRecords(of: lab.jobs, 0, before: 10, at: lab.broker.bootstrap)
        let report = try await audit(stream(lab))
        #expect(report.findings.map(\.code) == [.jobsDeletedUnread] && report.deletedUnread == 10, "\(report.text)")
    }

    /// Retention took results and left their jobs: these are not lost, they cannot be judged, and the report says so. An export that was made
    /// in time judges them all.
    @Test func jobsWhoseResultsWereDeletedAreNotCalledLost() async throws {
        let lab = try StreamLab(partitions: 1)
        try await enqueue(0..<30, to: lab)
        try await work(lab, 30)
        _ = try lab.visibleResults(count: 30)
        let path = FileManager.default.temporaryDirectory.appending(path: freshName("export") + ".jsonl").path
        defer { try? Files.remove(path) }
        #expect(try await lab.export(to: path).isEmpty)
        // Results 0 to 9, a marker, 11 to 20, a marker: the first one left is that of job 14
        try RawAdmin.deleteRecords(of: lab.results, 0, before: 15, at: lab.broker.bootstrap)
        let kafka = stream(lab)
        #expect(try await kafka.partitions().map(\.firstResult) == [Offset(15)])
        let report = try await audit(kafka)
        #expect(report.isClean && report.unjudged == 14 && report.lost == 0 && report.results == 16, "\(report.text)")
        #expect(report.text.contains("14 jobs") && report.text.contains("that could be judged"))

        let whole = try await audit(ExportedResultStream(path: path, stream: lab.name, jobs: stream(lab)))
        #expect(whole.isClean && whole.unjudged == 0 && whole.results == 30, "\(whole.text)")

        // All results gone: nothing can be said of any job
        try RawAdmin.deleteRecords(of: lab.results, 0, before: 33, at: lab.broker.bootstrap)
        let none = try await audit(stream(lab))
        #expect(none.isClean && none.unjudged == 30 && none.pending == 0, "\(none.text)")
    }

    /// An export from which a line is missing, or in which one was changed, is found out.
    @Test func anExportThatWasTamperedWithIsFoundOut() async throws {
        let lab = try StreamLab(partitions: 1)
        try await enqueue(0..<10, to: lab)
        try await work(lab, 10)
        _ = try lab.visibleResults(count: 10)
        let path = FileManager.default.temporaryDirectory.appending(path: freshName("export") + ".jsonl").path
        defer { try? Files.remove(path) }
        #expect(try await lab.export(to: path).isEmpty)
        let lines = String(decoding: try Files.read(path, atMost: 1 << 20), as: UTF8.self).split(separator: "\n").map { String($0) + "\n" }
        func audit(_ lines: [String]) async throws -> [String] {
            try Files.writeAtomically(Array(lines.joined().utf8), to: path)
            return try await self.audit(ExportedResultStream(path: path, stream: lab.name, jobs: stream(lab))).findings.map(\.code.rawValue)
        }
        #expect(try await audit(lines) == [])
        #expect(try await audit(Array(lines[..<4] + lines[5...])) == ["job-without-result"])
        let changed = lines[4].replacing("\"job\":\"job-4\"", with: "\"job\":\"job-5\"")
        #expect(try await audit(lines[..<4] + [changed] + lines[5...]) == ["result-differs-from-job"])
        // By itself, without the jobs
        try Files.writeAtomically(Array((lines[..<4] + lines[5...]).joined().utf8), to: path)
        let alone = try await self.audit(ExportedResultStream(path: path, stream: lab.name, jobs: nil))
        #expect(alone.findings.map(\.code) == [.jobWithoutResult] && alone.findings.first?.offset == Offset(4) && alone.outside == 9)
        #expect(#expect(throws: ResultExportError.self) { try ExportedResultStream(path: path, stream: "another", jobs: nil) }?.kind == .otherStream)
        let unkeyed = lines[4].replacing(#""key":""#, with: #""keys":""#)
        for (kind, forged) in [
            (ResultExportError.Kind.damaged, lines + [lines[4]]), (.damaged, lines[..<4] + [lines[5], lines[4]] + lines[6...]),
            (.damaged, lines[..<4] + [unkeyed] + lines[5...]), (.unfinished, lines + [String(lines[4].dropLast(9))]),
        ] {
            let error = await #expect(throws: ResultExportError.self) { try await audit(forged) }
            #expect(error?.kind == kind && error?.description.hasPrefix(path) == true, "\(String(describing: error))")
            #expect(error?.description.contains("export to another file") == false)
        }
        try Files.writeAtomically([], to: path)
        let empty = try await self.audit(ExportedResultStream(path: path, stream: lab.name, jobs: nil))
        #expect(empty.isClean && empty.text.hasSuffix("clean: there is nothing to judge\n"), "\(empty.text)")
    }
}
