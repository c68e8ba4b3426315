import CSQLite

/// What SQLite refused: its extended code, its message, the statement and the file. Bound values are never in it.
public struct SQLiteError: Error, Hashable, CustomStringConvertible {
    /// The extended result code, such as 2067 (SQLITE_CONSTRAINT_UNIQUE).
    public let code: Int32
    public let message: String
    public let sql: String?
    public let path: String

    public init(code: Int32, message: String, sql: String? = nil, path: String) {
        self.code = code
        self.message = message
        self.sql = sql
        self.path = path
    }

    /// The primary code, such as 19 (SQLITE_CONSTRAINT).
    public var primaryCode: Int32 { code & 0xFF }

    /// Another connection holds the lock; trying again later may help.
    public var isBusy: Bool { primaryCode == SQLITE_BUSY || primaryCode == SQLITE_LOCKED }
    /// A UNIQUE, PRIMARY KEY, NOT NULL, CHECK or foreign key rule was broken.
    public var isConstraint: Bool { primaryCode == SQLITE_CONSTRAINT }
    /// The file is damaged or is no database.
    public var isCorrupt: Bool { primaryCode == SQLITE_CORRUPT || primaryCode == SQLITE_NOTADB }
    public var isFull: Bool { primaryCode == SQLITE_FULL }

    public var description: String {
        let statement = sql.map { " in \"\($0)\"" } ?? ""
        return "\(path): \(message) (SQLite code \(code))\(statement)"
    }

    /// What to do about it, as a sentence.
    public var remedy: String {
        switch primaryCode {
        case SQLITE_BUSY, SQLITE_LOCKED: "Another process is using the file; wait for it or end it."
        case SQLITE_FULL: "Free space on the file system."
        case SQLITE_CANTOPEN:
            "Check that the file is there and that its directory may be written (a database in WAL mode needs that to be read, too)."
        case SQLITE_READONLY, SQLITE_PERM: "Give this user the right to write the file and its directory."
        case SQLITE_NOTADB: "Check the path; this is not a database."
        case SQLITE_CORRUPT: "Restore the file from a backup; `sqlite3 FILE .recover` may save what is left."
        case SQLITE_IOERR: "The storage reports a fault; check the disk and the kernel's log."
        case SQLITE_MISMATCH: "The file was not written by this program, or was changed since."
        default: "See https://sqlite.org/rescode.html for code \(code)."
        }
    }
}
