import FoundationEssentials
import SQLite
import SigningModel
import SigningPipeline

/// The tables of the embedded log, version 1 (docs/schemas/embedded-log.md). Not shared between threads.
final class EmbeddedStore {
    let stream: String
    private let connection: Connection
    private let insertJobStatement: Statement
    private let insertResultStatement: Statement
    private let insertSignedStatement: Statement
    private let jobsStatement: Statement
    private let resultsStatement: Statement
    private let signedStatement: Statement

    static let version: Int32 = 1

    init(path: String, newStream: String) throws {
        let connection = try Connection(path: path)
        self.connection = connection
        try connection.execute("PRAGMA journal_mode=WAL")
        try connection.execute("PRAGMA synchronous=FULL")
        switch try connection.userVersion {
        case 0:
            try connection.transaction {
                try connection.execute(Self.schema)
                let insert = try connection.prepare("INSERT INTO stream (name) VALUES (?)")
                try insert.bind(1, newStream)
                try insert.run()
                try connection.setUserVersion(Self.version)
            }
        case Self.version: break
        case let other: throw UnknownSchemaVersion(version: other)
        }
        let name = try connection.prepare("SELECT name FROM stream")
        guard try name.step() else { throw UnknownSchemaVersion(version: Self.version) }
        stream = try name.text(0)
        insertJobStatement = try connection.prepare("INSERT INTO jobs (offset, key, value, time) VALUES (?, ?, ?, ?)")
        insertResultStatement = try connection.prepare("INSERT INTO results (source, value, time) VALUES (?, ?, ?)")
        insertSignedStatement = try connection.prepare("INSERT INTO signed (job, content, source) VALUES (?, ?, ?)")
        jobsStatement = try connection.prepare("SELECT offset, key, value, time FROM jobs WHERE offset >= ? ORDER BY offset LIMIT ?")
        resultsStatement = try connection.prepare("SELECT value FROM results WHERE source >= ? ORDER BY source LIMIT ?")
        signedStatement = try connection.prepare("SELECT content, source FROM signed WHERE job = ?")
    }

    func transaction(_ work: () throws -> Void) throws { try connection.transaction(work) }

    func jobCount() throws -> Int64 { try number("SELECT coalesce(max(offset) + 1, 0) FROM jobs") }

    func resultCount() throws -> Int64 { try number("SELECT coalesce(max(source) + 1, 0) FROM results") }

    func insertJob(offset: Int64, key: [UInt8], value: [UInt8], time: Int64) throws {
        let insert = insertJobStatement
        try insert.bind(1, offset)
        try insert.bind(2, key)
        try insert.bind(3, value)
        try insert.bind(4, time)
        try insert.run()
    }

    func insertResult(source: Int64, value: [UInt8], time: Int64, fingerprint: JobFingerprint?) throws {
        let insert = insertResultStatement
        try insert.bind(1, source)
        try insert.bind(2, value)
        try insert.bind(3, time)
        try insert.run()
        guard let fingerprint else { return }
        try insertSignedStatement.bind(1, fingerprint.id.bytes)
        try insertSignedStatement.bind(2, fingerprint.content.bytes)
        try insertSignedStatement.bind(3, source)
        try insertSignedStatement.run()
    }

    func jobs(from offset: Int64, limit: Int, stream: String) throws -> [JobRecord] {
        var records: [JobRecord] = []
        let select = jobsStatement
        try select.bind(1, offset)
        try select.bind(2, Int64(limit))
        while try select.step() {
            let key = try select.bytes(1)
            let position = SourcePosition(topic: stream + ".jobs", partition: Partition(0), offset: Offset(try select.integer(0)))
            let enqueued = Date(timeIntervalSince1970: Double(try select.integer(3)) / 1000)
            records.append(JobRecord(position: position, key: key, value: try select.bytes(2), enqueued: enqueued, precedent: try precedent(of: key)))
        }
        select.reset()
        return records
    }

    func results(from offset: Int64, limit: Int) throws -> [[UInt8]] {
        try resultsStatement.bind(1, offset)
        try resultsStatement.bind(2, Int64(limit))
        var values: [[UInt8]] = []
        while try resultsStatement.step() { values.append(try resultsStatement.bytes(0)) }
        resultsStatement.reset()
        return values
    }

    func pendingKeys() throws -> Set<String> {
        let select = try connection.prepare("SELECT key FROM jobs WHERE offset >= ?")
        try select.bind(1, try resultCount())
        var keys: Set<String> = []
        while try select.step() { keys.insert(String(decoding: try select.bytes(0), as: UTF8.self)) }
        return keys
    }

    func signedResult(of id: JobIDDigest) throws -> [UInt8]? {
        guard let (_, source) = try signed(id) else { return nil }
        return try results(from: source, limit: 1).first
    }

    private func precedent(of key: [UInt8]) throws -> Precedent? {
        guard let (content, source) = try signed(JobIDDigest(ofKey: key)), let digest = ContentDigest(bytes: content) else { return nil }
        return Precedent(partition: Partition(0), offset: Offset(source), content: digest)
    }

    private func signed(_ id: JobIDDigest) throws -> (content: [UInt8], source: Int64)? {
        try signedStatement.bind(1, id.bytes)
        defer { signedStatement.reset() }
        return try signedStatement.step() ? (try signedStatement.bytes(0), try signedStatement.integer(1)) : nil
    }

    private func number(_ query: String) throws -> Int64 {
        let select = try connection.prepare(query)
        _ = try select.step()
        return try select.integer(0)
    }

    private static let schema = """
        CREATE TABLE stream (name TEXT NOT NULL) STRICT;
        CREATE TABLE jobs (offset INTEGER PRIMARY KEY, key BLOB NOT NULL, value BLOB NOT NULL, time INTEGER NOT NULL) STRICT;
        CREATE TABLE results (source INTEGER PRIMARY KEY REFERENCES jobs(offset), value BLOB NOT NULL, time INTEGER NOT NULL) STRICT;
        CREATE TABLE signed (job BLOB PRIMARY KEY, content BLOB NOT NULL, source INTEGER NOT NULL) STRICT, WITHOUT ROWID;
        """
}

/// A log file of another version of Tanba.
struct UnknownSchemaVersion: Error, CustomStringConvertible {
    let version: Int32

    var description: String { "its tables have version \(version); this program reads version \(EmbeddedStore.version)" }
}
