import Glibc

/// What identifies a file's content at one moment, as stat(2) tells it.
public struct FileStatus: Sendable, Hashable {
    /// Bytes.
    public let size: Int
    /// Last change of the content, in nanoseconds since 1970.
    public let modifiedNanoseconds: Int64
    /// Last change of content, name count, owner or rights, in nanoseconds since 1970; nobody can set it back.
    public let changedNanoseconds: Int64
    public let inode: UInt64
    public let device: UInt64

    let mode: UInt32
    /// No directory, pipe or device.
    public var isRegular: Bool { mode & S_IFMT == S_IFREG }

    /// Of what the path leads to; symbolic links are followed.
    public init(path: String) throws(SystemError) {
        var status = stat()
        guard stat(path, &status) == 0 else { throw SystemError(call: "stat", path: path, errno: errno) }
        self.init(status)
    }

    init(_ descriptor: Int32, path: String) throws(SystemError) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw SystemError(call: "fstat", path: path, errno: errno) }
        self.init(status)
    }

    init(_ status: stat) {
        size = Int(status.st_size)
        modifiedNanoseconds = Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec)
        changedNanoseconds = Int64(status.st_ctim.tv_sec) * 1_000_000_000 + Int64(status.st_ctim.tv_nsec)
        inode = UInt64(status.st_ino)
        device = UInt64(status.st_dev)
        mode = status.st_mode
    }
}
