import CLinux
import Glibc

/// A file of lines that grows at its end, written by one process at a time.
///
/// What stands in it says how far its writer came, so nothing else needs to be kept: after a crash the last line may be torn, and whoever
/// goes on cuts it off. The writer holds the file by a lock of the kernel's (flock), which ends with the process however that ends.
public final class LineFile {
    public let path: String
    /// Bytes, of which the last may belong to a torn line until `cut`.
    public private(set) var size: Int
    private let descriptor: Int32

    /// Opens a file to go on with, made where it is missing, or one that is only read.
    ///
    /// - Throws: `SystemError`; `FileProblem` for what is no regular file; `LockFileInUse` while another process writes it.
    public init(path: String, isWritten: Bool) throws {
        self.path = path
        let isNew = isWritten && !Files.exists(path)
        let access = isWritten ? O_RDWR | O_CREAT : O_RDONLY
        descriptor = open(path, access | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0o644)
        guard descriptor >= 0 else { throw SystemError(call: "open", path: path, errno: errno) }
        size = 0
        guard try FileStatus(descriptor, path: path).isRegular else { throw FileProblem(path: path, kind: .notRegular) }
        if isWritten {
            let locked = clinux_lock(descriptor)
            guard locked == 0 else {
                throw locked == -EWOULDBLOCK ? LockFileInUse(path: path, pid: nil) : SystemError(call: "flock", path: path, errno: -locked)
            }
        }
        size = try FileStatus(descriptor, path: path).size
        if isNew { try Files.synchronize(directory: Files.parent(of: path)) }
    }

    deinit { close(descriptor) }

    /// Calls the body with each whole line, without its line feed, and the place of its first byte.
    ///
    /// - Returns: what stands behind the last line feed; empty, or a line that was torn.
    /// - Throws: what the body throws; `SystemError`; `FileProblem` for a line of more than 64 MiB.
    public func forEachLine(_ body: (Span<UInt8>, Int) throws -> Void) throws -> [UInt8] {
        var begun: [UInt8] = []
        var at = 0
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        while at < size {
            let count = pread(descriptor, &buffer, buffer.count, off_t(at))
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw SystemError(call: "read", path: path, errno: errno) }
            if count == 0 { break }
            var start = 0
            try buffer.withUnsafeBytes { bytes in
                let base = bytes.baseAddress!
                while let feed = memchr(base + start, 0x0A, count - start) {
                    let end = feed - UnsafeMutableRawPointer(mutating: base)
                    if begun.isEmpty {
                        let line = UnsafeRawBufferPointer(rebasing: bytes[start..<end]).assumingMemoryBound(to: UInt8.self)
                        try body(line.span, at + start)
                    } else {
                        let place = at - begun.count
                        begun += bytes[start..<end]
                        try body(begun.span, place)
                        begun = []
                    }
                    start = end + 1
                }
                begun += bytes[start..<count]
            }
            guard begun.count <= Self.lineBytesMax else { throw FileProblem(path: path, kind: .tooLarge(limit: Self.lineBytesMax)) }
            at += count
        }
        return begun
    }

    private static let lineBytesMax = 64 << 20

    /// The bytes of a range within `size`.
    public func read(_ range: Range<Int>) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: range.count)
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress! + done, $0.count - done, off_t(range.lowerBound + done)) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw SystemError(call: "read", path: path, errno: errno) }
            guard count > 0 else { throw FileProblem(path: path, kind: .changedWhileRead) }
            done += count
        }
        return bytes
    }

    /// Takes the end of the file away.
    public func cut(to size: Int) throws {
        guard ftruncate(descriptor, off_t(size)) == 0 else { throw SystemError(call: "ftruncate", path: path, errno: errno) }
        self.size = size
    }

    /// Writes at the end. What the disk took of it before an error is taken away again, so that no line stands there torn; a crash can
    /// leave one all the same.
    public func append(_ bytes: [UInt8]) throws {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { pwrite(descriptor, $0.baseAddress! + written, $0.count - written, off_t(size + written)) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else {
                let failure = errno
                _ = ftruncate(descriptor, off_t(size))
                throw SystemError(call: "write", path: path, errno: failure)
            }
            written += count
        }
        size += bytes.count
    }

    /// Returns when all of it is on the disk (fsync).
    public func synchronize() throws {
        guard fsync(descriptor) == 0 else { throw SystemError(call: "fsync", path: path, errno: errno) }
    }
}
