import Foundation
import OperatingSystem
import SQLite
import Testing

@Suite struct SQLiteTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func table() throws -> Connection {
        let connection = try Connection(path: folder("a.sqlite"))
        try connection.execute(
            """
            PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
            CREATE TABLE t (id INTEGER PRIMARY KEY, blob BLOB, text TEXT) STRICT;
            """)
        return connection
    }

    private func count(_ connection: Connection) throws -> String? { try connection.firstText("SELECT count(*) FROM t") }

    @Test func whatIsBoundComesBack() throws {
        let connection = try table()
        #expect(try connection.firstText("PRAGMA journal_mode") == "wal")
        #expect(try connection.firstText("PRAGMA synchronous") == "2")
        let insert = try connection.prepare("INSERT INTO t VALUES (?, ?, ?)")
        let rows: [(Int64, [UInt8]?, String?)] = [
            (.min, [0, 1, 255], "Таңба\0with zero"), (-1, [], ""), (0, nil, nil), (.max, [UInt8](repeating: 7, count: 100_000), "x"),
        ]
        for row in rows {
            try insert.bind(1, row.0)
            if let blob = row.1 { try insert.bind(2, blob) } else { try insert.bindNull(2) }
            if let text = row.2 { try insert.bind(3, text) } else { try insert.bindNull(3) }
            try insert.run()
            #expect(connection.changes == 1)
        }
        let select = try connection.prepare("SELECT id, blob, text FROM t WHERE id >= ? ORDER BY id")
        for _ in 0..<2 {  // the same statement, twice
            try select.bind(1, Int64.min)
            for row in rows {
                #expect(try select.step())
                #expect(try select.integer(0) == row.0)
                #expect(select.isNull(1) == (row.1 == nil))
                #expect(select.isNull(2) == (row.2 == nil))
                if let blob = row.1 { #expect(try select.bytes(1) == blob) }
                if let text = row.2 { #expect(try select.text(2) == text) }
            }
            #expect(try !select.step())
            select.reset()
        }
        #expect(try !select.step(), "a reset makes the parameters NULL")
    }

    @Test func anotherTypeThanAskedForIsAnError() throws {
        let connection = try Connection(path: folder("loose.sqlite"))
        try connection.execute(
            "CREATE TABLE loose (a); INSERT INTO loose VALUES ('12'), (12), (x'FF'), (NULL), (1.5), (CAST(x'FF' AS TEXT))")
        let select = try connection.prepare("SELECT a FROM loose")
        _ = try select.step()
        let error = #expect(throws: SQLiteError.self) { try select.integer(0) }
        #expect(error?.message == "column a holds text, not an integer")
        #expect(error?.remedy.contains("not written by this program") == true)
        #expect(throws: SQLiteError.self) { try select.bytes(0) }
        _ = try select.step()
        #expect(throws: SQLiteError.self) { try select.text(0) }
        _ = try select.step()
        #expect(throws: SQLiteError.self) { try select.integer(0) }
        _ = try select.step()
        #expect(throws: SQLiteError.self) { try select.bytes(0) }
        _ = try select.step()
        #expect(throws: SQLiteError.self) { try select.integer(0) }
        _ = try select.step()
        #expect(#expect(throws: SQLiteError.self) { try select.text(0) }?.message == "column a holds text that is not UTF-8")
    }

    @Test func aTransactionIsAllOrNothing() throws {
        struct Fault: Error {}
        let connection = try table()
        #expect(
            try connection.transaction { () throws -> Int in
                try connection.execute("INSERT INTO t (id) VALUES (1)")
                return 5
            } == 5)
        #expect(throws: Fault.self) {
            try connection.transaction {
                try connection.execute("INSERT INTO t (id) VALUES (2)")
                throw Fault()
            }
        }
        let double = #expect(throws: SQLiteError.self) {
            try connection.transaction {
                try connection.execute("INSERT INTO t (id) VALUES (3)")
                try connection.execute("INSERT INTO t (id) VALUES (1)")
            }
        }
        #expect(double?.isConstraint == true)
        #expect(double?.code == 1555, "the extended code: SQLITE_CONSTRAINT_PRIMARYKEY")
        #expect(double?.description.contains("INSERT INTO t (id) VALUES (1)") == true)
        #expect(try count(connection) == "1")
        try connection.transaction { try connection.execute("INSERT INTO t (id) VALUES (2)") }
        #expect(try count(connection) == "2")
        let nested = #expect(throws: SQLiteError.self) {
            try connection.transaction { try connection.transaction {} }
        }
        #expect(nested?.message.contains("within a transaction") == true)
    }

    /// Nothing of a transaction is there after a kill; what was committed is.
    @Test func whatWasCommittedSurvivesAKill() async throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "tanba-kill-\(UUID().uuidString).sqlite").path
        defer { for suffix in ["", "-wal", "-shm"] { try? Files.remove(path + suffix) } }
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
            let connection = try Connection(path: path)
            try connection.execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE t (id INTEGER PRIMARY KEY)")
            try connection.transaction { try connection.execute("INSERT INTO t VALUES (1)") }
            try connection.transaction {
                try connection.execute("INSERT INTO t VALUES (2)")
                killThisProcess()
            }
        }
        let connection = try Connection(path: path)
        #expect(try connection.firstText("SELECT group_concat(id) FROM t") == "1")
    }

    @Test func anotherWriterIsBusy() throws {
        let one = try table()
        let other = try Connection(path: one.path, busyTimeout: .zero)
        try one.transaction { () throws -> Void in
            let error = #expect(throws: SQLiteError.self) { try other.transaction {} }
            #expect(error?.isBusy == true)
            #expect(error?.remedy.contains("Another process") == true)
            #expect(try other.firstText("SELECT count(*) FROM t") == "0", "readers are not held up")
        }
        try other.transaction { try other.execute("INSERT INTO t (id) VALUES (1)") }
        #expect(try count(one) == "1")
    }

    @Test func aReaderCannotWrite() throws {
        let writer = try table()
        let reader = try Connection(path: writer.path, readOnly: true)
        let error = #expect(throws: SQLiteError.self) { try reader.execute("INSERT INTO t (id) VALUES (1)") }
        #expect(error?.primaryCode == 8)
        let missing = #expect(throws: SQLiteError.self) { try Connection(path: folder("none.sqlite"), readOnly: true) }
        #expect(missing?.description.contains(folder("none.sqlite")) == true)
        #expect(missing?.remedy.contains("Check that the file is there") == true)
        #expect(!Files.exists(folder("none.sqlite")))
        #expect(throws: SQLiteError.self) { try Connection(path: folder("none/a.sqlite")) }
    }

    @Test func whatIsNoDatabaseIsToldWhenItIsOpened() throws {
        let path = try folder.file("text", String(repeating: "not a database. ", count: 100))
        let error = #expect(throws: SQLiteError.self) { try Connection(path: path) }
        #expect(error?.isCorrupt == true)
        #expect(error?.remedy.contains("not a database") == true)
    }

    @Test func aFullFileSystemIsToldAsSuch() throws {
        let connection = try table()
        try connection.execute("PRAGMA max_page_count=10")
        let error = #expect(throws: SQLiteError.self) {
            try connection.transaction { try connection.execute("INSERT INTO t (id, blob) VALUES (1, zeroblob(1000000))") }
        }
        #expect(error?.isFull == true)
        #expect(try count(connection) == "0")
        try connection.transaction { try connection.execute("INSERT INTO t (id) VALUES (1)") }
    }

    @Test func wrongStatementsAreErrors() throws {
        let connection = try table()
        #expect(throws: SQLiteError.self) { try connection.prepare("SELEC 1") }
        #expect(throws: SQLiteError.self) { try connection.prepare("") }
        #expect(throws: SQLiteError.self) { try connection.prepare("SELECT 1; SELECT 2") }
        _ = try connection.prepare("SELECT 1; ")
        #expect(throws: SQLiteError.self) { try connection.execute("INSERT INTO missing VALUES (1)") }
        let statement = try connection.prepare("SELECT ?")
        #expect(throws: SQLiteError.self) { try statement.bind(2, 1) }
    }

    @Test func theSchemaVersionIsKept() throws {
        let connection = try table()
        #expect(try connection.userVersion == 0)
        try connection.transaction { try connection.setUserVersion(7) }
        #expect(try connection.userVersion == 7)
        #expect(try Connection(path: connection.path, readOnly: true).userVersion == 7)
    }

    @Test func aStatementKeepsTheFileOpen() throws {
        func statement() throws -> Statement { try table().prepare("SELECT 5") }
        let select = try statement()
        #expect(try select.step())
        #expect(try select.integer(0) == 5)
    }

    @Test func aConnectionIsSharedBehindALock() async throws {
        let path = try table().path
        let shared = Locked(try Connection(path: path))
        await withTaskGroup(of: Void.self) { group in
            for index in 0..<20 {
                group.addTask { shared.withLock { try! $0.execute("INSERT INTO t (id) VALUES (\(index))") } }
            }
        }
        #expect(try shared.withLock { try $0.firstText("SELECT count(*) FROM t") } == "20")
    }
}
