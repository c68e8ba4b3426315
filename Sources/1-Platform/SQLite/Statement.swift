import CSQLite

/// A compiled statement: bind its parameters, step through its rows, reset it, and again.
///
/// It keeps its connection open, and belongs to the same thread. Parameters count from 1 and columns from 0, as in SQLite.
public final class Statement {
    public let sql: String
    let handle: OpaquePointer
    private let connection: Connection

    init(_ handle: OpaquePointer, sql: String, of connection: Connection) {
        self.handle = handle
        self.sql = sql
        self.connection = connection
    }

    deinit { sqlite3_finalize(handle) }

    // MARK: - Parameters

    public func bind(_ parameter: Int, _ value: Int64) throws(SQLiteError) {
        try check(sqlite3_bind_int64(handle, Int32(parameter), value))
    }

    public func bind(_ parameter: Int, _ value: Int) throws(SQLiteError) { try bind(parameter, Int64(value)) }

    /// The bytes are copied.
    public func bind(_ parameter: Int, _ value: [UInt8]) throws(SQLiteError) {
        let result = value.withUnsafeBytes { bytes in
            // An empty array's address may be nil, which would bind NULL.
            bytes.isEmpty
                ? sqlite3_bind_zeroblob(handle, Int32(parameter), 0)
                : sqlite3_bind_blob64(handle, Int32(parameter), bytes.baseAddress, UInt64(bytes.count), transient)
        }
        try check(result)
    }

    public func bind(_ parameter: Int, _ value: String) throws(SQLiteError) {
        var value = value
        let result = value.withUTF8 { bytes in
            // As above; the text is then a pointer to nothing of length 0.
            bytes.withMemoryRebound(to: CChar.self) { text in
                text.isEmpty
                    ? sqlite3_bind_text(handle, Int32(parameter), "", 0, transient)
                    : sqlite3_bind_text64(handle, Int32(parameter), text.baseAddress, UInt64(text.count), transient, UInt8(SQLITE_UTF8))
            }
        }
        try check(result)
    }

    public func bindNull(_ parameter: Int) throws(SQLiteError) { try check(sqlite3_bind_null(handle, Int32(parameter))) }

    // MARK: - Running

    /// Goes to the next row: true when there is one, false at the end. After the end or an error the statement is reset.
    public func step() throws(SQLiteError) -> Bool {
        switch sqlite3_step(handle) {
        case SQLITE_ROW:
            return true
        case SQLITE_DONE:
            sqlite3_reset(handle)
            return false
        default:
            let error = connection.lastError(sql)
            sqlite3_reset(handle)
            throw error
        }
    }

    /// Runs a statement without rows to its end. The parameters stay bound.
    public func run() throws(SQLiteError) {
        guard try step() else { return }
        reset()
    }

    /// Ends a pass through the rows, which frees its locks, and makes all parameters NULL.
    public func reset() {
        sqlite3_reset(handle)  // repeats the last step's error, which was thrown there
        sqlite3_clear_bindings(handle)
    }

    // MARK: - Columns of the current row

    public func isNull(_ column: Int) -> Bool { sqlite3_column_type(handle, Int32(column)) == SQLITE_NULL }

    /// Throws when the column holds anything but an integer: nothing is converted.
    public func integer(_ column: Int) throws(SQLiteError) -> Int64 {
        try require(SQLITE_INTEGER, column)
        return sqlite3_column_int64(handle, Int32(column))
    }

    /// A copy. Throws when the column holds anything but a blob.
    public func bytes(_ column: Int) throws(SQLiteError) -> [UInt8] {
        try require(SQLITE_BLOB, column)
        let start = sqlite3_column_blob(handle, Int32(column))  // before the count, as SQLite's documentation asks
        return Array(UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(handle, Int32(column)))))
    }

    /// Throws when the column holds anything but text in UTF-8.
    public func text(_ column: Int) throws(SQLiteError) -> String {
        try require(SQLITE_TEXT, column)
        let start = sqlite3_column_text(handle, Int32(column))
        let bytes = UnsafeBufferPointer(start: start, count: Int(sqlite3_column_bytes(handle, Int32(column))))
        guard let text = String(validating: bytes, as: UTF8.self) else { throw mismatch(column, "text that is not UTF-8") }
        return text
    }

    private func require(_ type: Int32, _ column: Int) throws(SQLiteError) {
        let found = sqlite3_column_type(handle, Int32(column))
        guard found == type else { throw mismatch(column, typeName(found) + ", not " + typeName(type)) }
    }

    private func mismatch(_ column: Int, _ what: String) -> SQLiteError {
        let name = sqlite3_column_name(handle, Int32(column)).map { String(cString: $0) } ?? "\(column)"
        return SQLiteError(code: SQLITE_MISMATCH, message: "column \(name) holds \(what)", sql: sql, path: connection.path)
    }

    private func check(_ result: Int32) throws(SQLiteError) {
        guard result == SQLITE_OK else { throw connection.lastError(sql) }
    }
}

private func typeName(_ type: Int32) -> String {
    switch type {
    case SQLITE_INTEGER: "an integer"
    case SQLITE_FLOAT: "a real number"
    case SQLITE_TEXT: "text"
    case SQLITE_BLOB: "a blob"
    default: "NULL"
    }
}

/// SQLITE_TRANSIENT, a macro that Swift does not import: SQLite copies what is bound.
private var transient: sqlite3_destructor_type { unsafeBitCast(-1, to: sqlite3_destructor_type.self) }
