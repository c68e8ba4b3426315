import CLinux
import Glibc

/// A file that one process at a time may hold, with its pid written inside; for a folder that only one may work in.
///
/// The lock is the kernel's (flock), so it ends with the process however that ends; the file itself stays.
public final class LockFile: Sendable {
    public let path: String
    private let descriptor: Locked<Int32>

    /// Takes the lock or throws at once: `LockFileInUse` when another process has it, `SystemError` when the file cannot be made.
    public init(path: String) throws {
        self.path = path
        let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o644)
        guard file >= 0 else { throw SystemError(call: "open", path: path, errno: errno) }
        let result = clinux_lock(file)
        guard result == 0 else {
            defer { close(file) }
            throw result == -EWOULDBLOCK
                ? LockFileInUse(path: path, pid: Self.holder(file)) : SystemError(call: "flock", path: path, errno: -result)
        }
        // The pid is for people; a full disk must not keep anybody from the lock.
        let text = Array("\(getpid())\n".utf8)
        if ftruncate(file, 0) == 0 { _ = pwrite(file, text, text.count, 0) }
        descriptor = Locked(file)
    }

    deinit { release() }

    /// Gives the lock up before the object goes; a second call does nothing.
    public func release() {
        descriptor.withLock { file in
            guard file >= 0 else { return }
            _ = ftruncate(file, 0)
            _ = clinux_unlock(file)
            close(file)
            file = -1
        }
    }

    private static func holder(_ file: Int32) -> Int32? {
        var text = [UInt8](repeating: 0, count: 16)
        let count = pread(file, &text, text.count, 0)
        guard count > 0 else { return nil }
        return Int32(String(decoding: text[..<count].prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self))
    }
}

/// Another process holds the lock file.
public struct LockFileInUse: Error, Hashable, CustomStringConvertible {
    public let path: String
    /// The holder's process id, where it could be read.
    public let pid: Int32?

    public var remedy: String { "Wait until it has ended, or end it, and run this again." }

    public var description: String {
        "\(printable(path)) is in use by \(pid.map { "pid \($0)" } ?? "another process"). \(remedy)"
    }
}
