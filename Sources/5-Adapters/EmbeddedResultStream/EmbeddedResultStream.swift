public import Auditor
import FoundationEssentials
public import OperatingSystem
import SQLite
public import SigningModel

/// A stream in an embedded log, as the auditor reads it: with SQL of its own on the published tables (docs/schemas/embedded-log.md),
/// read-only.
public actor EmbeddedResultStream: ResultStream, LaneActor {
    public nonisolated let name: String
    public nonisolated let lane = SerialLane(label: "tanba.embedded-result-stream")
    private let connection: Connection
    private let partition: AuditedPartition
    private let endOfResults: Int64

    /// Opens `DIR/.tanba/log.sqlite`, or `DIR/log.sqlite`; what is written later is not part of the audit.
    public init(directory: String) throws(EmbeddedResultStreamError) {
        let path = [directory + "/.tanba/log.sqlite", directory + "/log.sqlite"].first { Files.exists($0) }
        guard let path else {
            throw EmbeddedResultStreamError(reason: "there is no embedded log in \(directory)", remedy: "name the folder given to tanba sign --out")
        }
        do {
            let connection = try Connection(path: path, readOnly: true)
            let version = try connection.userVersion
            guard version == 1 else {
                throw EmbeddedResultStreamError(reason: "\(path) has tables of version \(version)", remedy: "use a newer tanba-auditor")
            }
            // Results before jobs: a job's result is never older than the job.
            endOfResults = try Self.number(connection, "SELECT coalesce(max(source) + 1, 0) FROM results")
            let first = try Self.number(connection, "SELECT coalesce(min(offset), 0) FROM jobs")
            let end = try Self.number(connection, "SELECT coalesce(max(offset) + 1, 0) FROM jobs")
            partition = AuditedPartition(partition: Partition(0), firstJob: Offset(first), endOfJobs: Offset(end))
            name = try connection.firstText("SELECT name FROM stream") ?? ""
            self.connection = connection
        } catch let error as EmbeddedResultStreamError {
            throw error
        } catch {
            throw EmbeddedResultStreamError(reason: "\(path) cannot be read: \(error)", remedy: "check the file and its rights")
        }
    }

    public func partitions() -> [AuditedPartition] { [partition] }

    public func jobs(of partition: Partition, from: Offset, limit: Int) throws -> [StreamRecord] {
        let select = try connection.prepare("SELECT offset, key, value, time FROM jobs WHERE offset >= ? AND offset < ? ORDER BY offset LIMIT ?")
        return try records(select, from, self.partition.endOfJobs.rawValue, limit)
    }

    /// A result's place is that of its job, and so is its key.
    public func results(of partition: Partition, from: Offset, limit: Int) throws -> [StreamRecord] {
        let select = try connection.prepare(
            """
            SELECT source, jobs.key, results.value, results.time FROM results LEFT JOIN jobs ON jobs.offset = source
            WHERE source >= ? AND source < ? ORDER BY source LIMIT ?
            """)
        return try records(select, from, endOfResults, limit)
    }

    private func records(_ select: Statement, _ from: Offset, _ end: Int64, _ limit: Int) throws -> [StreamRecord] {
        try select.bind(1, from.rawValue)
        try select.bind(2, end)
        try select.bind(3, Int64(limit))
        var records: [StreamRecord] = []
        while try select.step() {
            records.append(
                StreamRecord(
                    offset: Offset(try select.integer(0)), key: select.isNull(1) ? nil : try select.bytes(1), value: try select.bytes(2),
                    time: Date(timeIntervalSince1970: Double(try select.integer(3)) / 1000)))
        }
        return records
    }

    private static func number(_ connection: Connection, _ query: String) throws(SQLiteError) -> Int64 {
        let select = try connection.prepare(query)
        _ = try select.step()
        return try select.integer(0)
    }
}

/// An embedded log that cannot be read.
public struct EmbeddedResultStreamError: Error, CustomStringConvertible {
    public let reason: String
    public let remedy: String

    public var description: String { "\(reason); \(remedy)" }
}
