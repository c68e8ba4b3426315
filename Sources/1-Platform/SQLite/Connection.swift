import CSQLite

/// An open database file.
///
/// Not `Sendable`: one thread at a time uses a connection and its statements; put them behind a `Locked` or into an actor to share
/// them. The file is closed when the connection and all its statements are gone. Settings are the caller's (`execute("PRAGMA …")`),
/// except that functions in a foreign file's schema are never run (`trusted_schema=OFF`).
public final class Connection {
    public let path: String
    let handle: OpaquePointer

    /// Opens the file, and makes it where it is missing unless `readOnly`.
    ///
    /// A file that is no database is told here. Reading a database in WAL mode, too, needs a directory that can be written, or one in
    /// which the `-wal` and `-shm` files are there.
    /// - Parameter busyTimeout: how long a call waits for another process's lock before it throws (`isBusy`).
    public init(path: String, readOnly: Bool = false, busyTimeout: Duration = .seconds(5)) throws(SQLiteError) {
        var opened: OpaquePointer?
        // NOMUTEX: the caller keeps to one thread at a time, so SQLite's own mutexes are not needed.
        let access = readOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
        let result = sqlite3_open_v2(path, &opened, access | SQLITE_OPEN_NOMUTEX, nil)
        guard let opened else { throw SQLiteError(code: SQLITE_NOMEM, message: "out of memory", path: path) }
        guard result == SQLITE_OK else {
            let error = SQLiteError(code: sqlite3_extended_errcode(opened), message: String(cString: sqlite3_errmsg(opened)), path: path)
            sqlite3_close_v2(opened)  // a handle that failed to open has to be closed as well
            throw error
        }
        handle = opened
        self.path = path
        sqlite3_extended_result_codes(handle, 1)
        sqlite3_busy_timeout(
            handle, Int32(clamping: busyTimeout.components.seconds * 1000 + busyTimeout.components.attoseconds / 1_000_000_000_000_000))
        try execute("PRAGMA trusted_schema=OFF; PRAGMA schema_version")  // the second reads the file's first page
    }

    // v2: where statements still live, the file is closed with the last of them.
    deinit { sqlite3_close_v2(handle) }

    /// Runs one or more statements; rows are passed over.
    public func execute(_ sql: String) throws(SQLiteError) {
        guard sqlite3_exec(handle, sql, nil, nil, nil) == SQLITE_OK else { throw lastError(sql) }
    }

    /// Compiles one statement, for repeated use. More than one in the text, or none, is an error.
    public func prepare(_ sql: String) throws(SQLiteError) -> Statement {
        var compiled: OpaquePointer?
        var rest = ""
        let result = sql.withCString { text in
            var tail: UnsafePointer<CChar>?
            let result = sqlite3_prepare_v3(handle, text, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &compiled, &tail)
            if let tail { rest = String(cString: tail) }
            return result
        }
        guard result == SQLITE_OK else { throw lastError(sql) }
        guard let compiled, rest.allSatisfy({ $0.isWhitespace || $0 == ";" }) else {
            sqlite3_finalize(compiled)
            throw SQLiteError(code: SQLITE_MISUSE, message: "the text is not one statement", sql: sql, path: path)
        }
        return Statement(compiled, sql: sql, of: self)
    }

    /// Runs the body between BEGIN IMMEDIATE and COMMIT, and gives back what it returns.
    ///
    /// When the body throws, or the commit fails, everything is rolled back and the error thrown on. Not to be nested.
    public func transaction<R>(_ body: () throws -> R) throws -> R {
        try execute("BEGIN IMMEDIATE")
        do {
            let result = try body()
            try execute("COMMIT")
            return result
        } catch {
            // Some faults (a full disk, say) have rolled back already; a rollback's own error would only hide the first.
            if sqlite3_get_autocommit(handle) == 0 { sqlite3_exec(handle, "ROLLBACK", nil, nil, nil) }
            throw error
        }
    }

    /// The first column of the first row as text; nil for no row or NULL. For pragmas, whose answer is the only sign that they took:
    /// `firstText("PRAGMA journal_mode=WAL") == "wal"`.
    public func firstText(_ sql: String) throws(SQLiteError) -> String? {
        let statement = try prepare(sql)
        guard try statement.step(), !statement.isNull(0) else { return nil }
        return String(cString: sqlite3_column_text(statement.handle, 0))
    }

    /// The number that a file format keeps in the database's header to say which version it is; 0 in a new file.
    public var userVersion: Int32 {
        get throws(SQLiteError) { try firstText("PRAGMA user_version").flatMap { Int32($0) } ?? 0 }
    }

    /// Part of a transaction like any change.
    public func setUserVersion(_ version: Int32) throws(SQLiteError) { try execute("PRAGMA user_version=\(version)") }

    /// Rows that the last INSERT, UPDATE or DELETE changed.
    public var changes: Int { Int(sqlite3_changes(handle)) }

    func lastError(_ sql: String?) -> SQLiteError {
        SQLiteError(code: sqlite3_extended_errcode(handle), message: String(cString: sqlite3_errmsg(handle)), sql: sql, path: path)
    }
}
