import CLinux
import Glibc

/// Files, whole: read with a bound, written so that a crash leaves the old or the new content and nothing between.
public enum Files {
    /// The whole content of a file of at most that many bytes; symbolic links are followed.
    ///
    /// Throws `SystemError`, or `FileProblem` for a larger file, of which at most one byte too many is read. Also for pipes and /proc,
    /// where the size is not known before.
    public static func read(_ path: String, atMost limit: Int) throws -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)
        guard descriptor >= 0 else { throw SystemError(call: "open", path: path, errno: errno) }
        defer { close(descriptor) }
        let status = try FileStatus(descriptor, path: path)
        var content: [UInt8] = []
        // A file of known size is read into one buffer of its size, and a byte more that tells its end.
        var room = status.isRegular ? min(status.size, limit) + 1 : min(65_536, limit + 1)
        while true {
            let before = content.count
            var failure: Int32 = 0
            content.append(addingCapacity: room) { buffer in
                while true {
                    let got = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
                    if got < 0, errno == EINTR { continue }
                    if got < 0 { failure = errno }
                    return max(0, got)
                }
            }
            guard failure == 0 else { throw SystemError(call: "read", path: path, errno: failure) }
            guard content.count <= limit else { throw FileProblem(path: path, kind: .tooLarge(limit: limit)) }
            if content.count == before { return content }
            room = min(max(room - (content.count - before), 65_536), limit + 1 - content.count)
        }
    }

    /// Writes a file so that its name stands for the old content or for the whole new one, whatever crashes.
    ///
    /// A temporary file in the same directory is written, synchronised and renamed over the path; then the directory is synchronised.
    /// After an error the path is as it was and the temporary file is gone (after a crash it may be left: `.tanba-….tmp`).
    /// - Parameters:
    ///   - mode: rights of the new file, before the umask.
    ///   - durably: false leaves both synchronisations out: the change is still all or nothing when this process is killed, but
    ///     after a power cut the file may be the old one, or empty. For output that can be made again.
    public static func writeAtomically(_ bytes: [UInt8], to path: String, mode: UInt32 = 0o644, durably: Bool = true) throws {
        let directory = parent(of: path)
        let suffix = Randomness.bytes(8).reduce(into: "") { $0 += String($1 >> 4, radix: 16) + String($1 & 15, radix: 16) }
        let temporary = directory + "/.tanba-\(suffix).tmp"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode)
        guard descriptor >= 0 else { throw SystemError(call: "open", path: temporary, errno: errno) }
        do {
            defer { close(descriptor) }
            if let failure = bytes.withUnsafeBytes({ writeAll($0, to: descriptor) }) {
                throw SystemError(call: "write", path: temporary, errno: failure)
            }
            if durably, fsync(descriptor) != 0 { throw SystemError(call: "fsync", path: temporary, errno: errno) }
            guard rename(temporary, path) == 0 else { throw SystemError(call: "rename", path: path, errno: errno) }
        } catch {
            unlink(temporary)
            throw error
        }
        if durably { try synchronize(directory: directory) }
    }

    /// Makes a directory and those above it, where they are missing. One that is there already is no error and keeps its rights.
    public static func createDirectory(_ path: String, mode: UInt32 = 0o755) throws {
        if mkdir(path, mode) == 0 { return }
        let failure = errno
        switch failure {
        case EEXIST:
            var status = stat()
            guard stat(path, &status) == 0 else { throw SystemError(call: "mkdir", path: path, errno: errno) }
            guard status.st_mode & S_IFMT == S_IFDIR else { throw SystemError(call: "mkdir", path: path, errno: ENOTDIR) }
        case ENOENT where parent(of: path) != path:
            try createDirectory(parent(of: path))
            if mkdir(path, mode) != 0, errno != EEXIST { throw SystemError(call: "mkdir", path: path, errno: errno) }
        default:
            throw SystemError(call: "mkdir", path: path, errno: failure)
        }
    }

    /// Whether something has this name (a symbolic link to nothing has none).
    public static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// Removes a file; one that is not there is no error.
    public static func remove(_ path: String) throws {
        if unlink(path) != 0, errno != ENOENT { throw SystemError(call: "unlink", path: path, errno: errno) }
    }

    static func synchronize(directory: String) throws {
        let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw SystemError(call: "open", path: directory, errno: errno) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw SystemError(call: "fsync", path: directory, errno: errno) }
    }

    /// The directory a path stands in: `.` for a bare name, `/` for what stands at the root.
    static func parent(of path: String) -> String {
        let bytes = Array(path.utf8)
        let slash = UInt8(ascii: "/")
        var end = bytes.count
        while end > 1, bytes[end - 1] == slash { end -= 1 }
        while end > 0, bytes[end - 1] != slash { end -= 1 }
        guard end > 0 else { return path.hasPrefix("/") ? "/" : "." }
        while end > 1, bytes[end - 1] == slash { end -= 1 }
        return String(decoding: bytes[..<end], as: UTF8.self)
    }
}

/// A file that is not fit for what was asked, though every system call went well.
public struct FileProblem: Error, Hashable, CustomStringConvertible {
    public enum Kind: Sendable, Hashable {
        case tooLarge(limit: Int)
        case changedWhileRead
        case notRegular
        case symbolicLink
        /// The name's bytes are not UTF-8; `path` has replacement characters in their place.
        case nameNotUTF8
        case nestedTooDeep(limit: Int)
    }

    public let path: String
    public let kind: Kind

    public init(path: String, kind: Kind) {
        self.path = path
        self.kind = kind
    }

    public var description: String {
        switch kind {
        case .tooLarge(let limit): "\(printable(path)) is larger than \(limit) bytes"
        case .changedWhileRead: "\(printable(path)) changed while it was read"
        case .notRegular: "\(printable(path)) is not a regular file"
        case .symbolicLink: "\(printable(path)) is a symbolic link"
        case .nameNotUTF8: "the name of \(printable(path)) is not UTF-8"
        case .nestedTooDeep(let limit): "\(printable(path)) lies more than \(limit) directories deep"
        }
    }

    /// What to do about it, as a sentence.
    public var remedy: String {
        switch kind {
        case .tooLarge: "Check that it is the right file."
        case .changedWhileRead: "Wait until its writer is done, and run this again."
        case .notRegular: "Name a file, not a device, pipe or directory."
        case .symbolicLink: "Links are not followed; name what it points to."
        case .nameNotUTF8: "Rename it (convmv can)."
        case .nestedTooDeep: "Name a directory further down."
        }
    }
}

extension Array where Element == UInt8 {
    /// Appends what the body writes into fresh room at the end; the body returns how many bytes it wrote.
    fileprivate mutating func append(addingCapacity room: Int, _ body: (UnsafeMutableRawBufferPointer) -> Int) {
        let before = count
        append(contentsOf: repeatElement(0, count: room))
        let written = withUnsafeMutableBytes { body(UnsafeMutableRawBufferPointer(rebasing: $0[before...])) }
        removeLast(room - written)
    }
}
