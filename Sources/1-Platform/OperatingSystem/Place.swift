import CLinux
import Glibc

extension Files {
    /// The path without symbolic links, `.` and `..`; the path as it is when it does not exist.
    public static func canonical(_ path: String) -> String {
        guard let resolved = realpath(path, nil) else { return path }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// Waits until everything written to the file system of `path` is on the disk (syncfs).
    /// - Throws: `SystemError`.
    public static func synchronize(_ path: String) throws {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw SystemError(call: "open", path: path, errno: errno) }
        defer { close(descriptor) }
        let result = clinux_sync_file_system(descriptor)
        guard result == 0 else { throw SystemError(call: "syncfs", path: path, errno: -result) }
    }
}
