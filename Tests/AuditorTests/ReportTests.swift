import Auditor
import CMS
import Foundation
import SigningModel
import SigningTestKit
import Testing

/// What an audit says, to people and to programs.
@Suite struct ReportTests {
    /// A hundred jobs, a second apart, each refused after as many milliseconds as it has come; and one that waits.
    private struct Timed: ResultStream {
        let name = "timed"
        private static let start = Date(timeIntervalSince1970: 1_800_000_000)
        private static let jobs = (0..<101).map { index in
            let job = Job.test("job-\(index)", profile: "nowhere")
            return StreamRecord(
                offset: Offset(Int64(index)), key: Array(job.id.utf8), value: job.encoded(), time: start.addingTimeInterval(Double(index)))
        }

        func partitions() async throws -> [AuditedPartition] {
            [AuditedPartition(partition: Partition(0), firstJob: Offset(0), endOfJobs: Offset(101))]
        }

        func jobs(of partition: Partition, from: Offset, limit: Int) async throws -> [StreamRecord] {
            Array(Self.jobs.filter { $0.offset >= from }.prefix(limit))
        }

        func results(of partition: Partition, from: Offset, limit: Int) async throws -> [StreamRecord] {
            Array(
                Self.jobs.prefix(100).filter { $0.offset >= from }.prefix(limit).map { record in
                    guard case .job(let job) = Job.read(record.value) else { fatalError("the test's own job") }
                    let result = JobResult(
                        of: job, outcome: .refused(.profileUnknown("nowhere")),
                        source: SourcePosition(topic: "timed.jobs", partition: partition, offset: record.offset), worker: "w")
                    let latency = Double(record.offset.rawValue + 1) / 1000
                    return StreamRecord(
                        offset: record.offset, key: record.key, value: result.encoded(), time: record.time.addingTimeInterval(latency))
                })
        }
    }

    private func report(allowsPending: Bool) async throws -> AuditReport {
        try await StreamAudit(Timed(), judge: AuditLab.honest().judge, allowsPending: allowsPending).run()
    }

    @Test func countsTimesAndRates() async throws {
        let report = try await report(allowsPending: true)
        #expect(report.isClean && report.jobs == 101 && report.results == 100 && report.refused == 100 && report.pending == 1)
        #expect(report.firstEnqueued == Date(timeIntervalSince1970: 1_800_000_000))
        #expect(abs(report.seconds - 99.1) < 0.001 && report.documentsPerSecond == 0)
        #expect((48.0...52).contains(report.latencyMilliseconds(0.5)), "\(report.latencyMilliseconds(0.5))")
        #expect((96.0...102).contains(report.latencyMilliseconds(0.99)), "\(report.latencyMilliseconds(0.99))")
        #expect(report.text.contains("clean: 1 jobs have no result yet, every other has its one result"), "\(report.text)")
    }

    @Test func theJSONHasAllThatIsCounted() async throws {
        let report = try await report(allowsPending: false)
        let json = try #require(try JSONSerialization.jsonObject(with: Data(report.json)) as? [String: Any])
        for (key, value) in [
            ("jobs", 101), ("results", 100), ("signed", 0), ("refused", 100), ("duplicate", 0), ("lost", 0), ("doubled", 0), ("pending", 1),
            ("findingCount", 1),
        ] { #expect(json[key] as? Int == value, "\(key)") }
        #expect(json["firstEnqueued"] as? String == "2027-01-15T08:00:00Z")
        #expect((json["latencyMilliseconds"] as? [String: Double])?.keys.sorted() == ["p50", "p99"])
        #expect(json["documentsPerSecond"] is Double && json["verdict"] as? String == "findings")
        let findings = try #require(json["findings"] as? [[String: Any]])
        #expect(findings.count == 1 && findings[0]["job"] as? String == "job-100" && findings[0]["offset"] as? Int == 100)
        #expect(findings[0]["partition"] as? Int == 0 && findings[0]["code"] is String && findings[0]["sentence"] is String)
        #expect(report.text.contains("101 jobs, 100 results") && report.text.hasSuffix("1 findings\n"))
    }

    /// Ids of broken jobs are anybody's bytes.
    @Test func aFindingCannotSteerATerminal() {
        let finding = Finding(.jobPending, job: "\u{1b}[2J\u{9b}a\nb", partition: Partition(1), offset: Offset(2), "it has no result yet")
        #expect(finding.description == "job-pending: job \u{FFFD}[2J\u{FFFD}a\u{FFFD}b at partition 1, offset 2: it has no result yet")
    }
}
