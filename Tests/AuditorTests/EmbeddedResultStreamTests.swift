import Auditor
import EmbeddedResultStream
import Foundation
import SQLite
import SigningModel
import SigningTestKit
import Testing

/// The auditor's reading of an embedded log: of a file that is made by the statements of the published page alone.
@Suite final class EmbeddedResultStreamTests {
    private let folder = FileManager.default.temporaryDirectory.appending(path: "tanba-auditor-\(UUID().uuidString)").path
    private var file: String { folder + "/.tanba/log.sqlite" }

    init() throws { try FileManager.default.createDirectory(atPath: folder + "/.tanba", withIntermediateDirectories: true) }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    /// A log with the records of a lab, as docs/schemas/embedded-log.md says.
    private func write(_ lab: AuditLab, version: Int32 = 1) throws -> Connection {
        let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "docs/schemas/embedded-log.md")
        let text = try String(contentsOf: page, encoding: .utf8)
        let schema = try #require(text.components(separatedBy: "```sql\n").dropFirst().first?.components(separatedBy: "```").first)
        let log = try Connection(path: file)
        try log.execute("PRAGMA journal_mode=WAL")
        try log.execute(schema)
        try log.setUserVersion(version)
        try log.execute("INSERT INTO stream VALUES ('\(lab.name)')")
        let insertJob = try log.prepare("INSERT INTO jobs VALUES (?, ?, ?, ?)")
        for job in lab.jobs[0] {
            try insertJob.bind(1, job.offset.rawValue)
            try insertJob.bind(2, job.key ?? [])
            try insertJob.bind(3, job.value ?? [])
            try insertJob.bind(4, Int64(job.time.timeIntervalSince1970 * 1000))
            try insertJob.run()
        }
        for record in lab.results[0] {
            try insert(record.value ?? [], at: try JobResult.read(record.value ?? []).source.offset, record.time, log)
        }
        return log
    }

    private func insert(_ value: [UInt8], at source: Offset, _ time: Date, _ log: Connection) throws {
        let insert = try log.prepare("INSERT INTO results VALUES (?, ?, ?)")
        try insert.bind(1, source.rawValue)
        try insert.bind(2, value)
        try insert.bind(3, Int64(time.timeIntervalSince1970 * 1000))
        try insert.run()
    }

    private func audit(_ lab: AuditLab) async throws -> AuditReport {
        try await StreamAudit(EmbeddedResultStream(directory: folder), judge: lab.judge).run()
    }

    @Test func anHonestLogIsClean() async throws {
        let lab = try await AuditLab.honest(partitions: 1)
        // The writer is still there, as when a run is under way
        let log = try write(lab)
        let report = try await audit(lab)
        #expect(report.findings.map(\.description) == [])
        #expect(report.jobs == 16 && report.results == 16 && report.signed == 12 && report.stream == "test")
        withExtendedLifetime(log) {}
    }

    @Test func eachTamperingWithTheFileIsFound() async throws {
        let lab = try await AuditLab.honest(partitions: 1)
        let changes: [(String, Set<String>)] = [
            ("DELETE FROM results WHERE source = 3", ["job-without-result", "package-incomplete"]),
            ("DELETE FROM results WHERE source = 15", ["job-pending"]),
            ("DELETE FROM jobs WHERE offset = 3", ["result-without-job", "package-incomplete"]),
            ("UPDATE jobs SET value = x'7b' WHERE offset = 3", ["result-differs-from-job", "signed-unfounded", "package-incomplete"]),
            ("UPDATE jobs SET key = x'7b' WHERE offset = 3", ["signed-unfounded"]),
            ("UPDATE results SET value = x'7b7d' WHERE source = 3", ["result-unreadable", "job-without-result", "package-incomplete"]),
            (
                "UPDATE results SET value = (SELECT value FROM results WHERE source = 5) WHERE source = 3",
                ["result-out-of-order", "result-differs-from-job", "result-doubled", "job-without-result", "package-incomplete"]
            ),
            ("INSERT INTO results SELECT 99, value, time FROM results WHERE source = 3", ["result-doubled"]),
        ]
        for (change, expected) in changes {
            let log = try write(lab)
            try log.execute("PRAGMA foreign_keys=OFF")
            try log.execute(change)
            let codes = Set(try await audit(lab).findings.map(\.code.rawValue))
            #expect(codes == expected, "\(change)")
            try FileManager.default.removeItem(atPath: folder + "/.tanba")
            try FileManager.default.createDirectory(atPath: folder + "/.tanba", withIntermediateDirectories: true)
        }
    }

    /// What is appended after the audit began is not part of it.
    @Test func theAuditEndsWhereItBegan() async throws {
        let lab = try await AuditLab.honest(partitions: 1)
        let log = try write(lab)
        let stream = try EmbeddedResultStream(directory: folder)
        try log.execute("INSERT INTO jobs VALUES (16, x'61', x'7b', 0)")
        let report = try await StreamAudit(stream, judge: lab.judge).run()
        #expect(report.isClean && report.jobs == 16)
        #expect(try await audit(lab).pending == 1)
    }

    @Test func whatIsNoLogIsSaid() async throws {
        func refusal(_ directory: String) -> String? {
            do {
                _ = try EmbeddedResultStream(directory: directory)
                return nil
            } catch {
                return error.description
            }
        }
        #expect(refusal(folder + "/nowhere")?.contains("no embedded log") == true)
        _ = try write(try await AuditLab.honest(partitions: 1), version: 2)
        #expect(refusal(folder)?.contains("version 2") == true)
        try Data("this is no database, and long enough to be sure of that".utf8).write(to: URL(fileURLWithPath: file))
        #expect(refusal(folder)?.contains("cannot be read") == true)
    }
}
