import Glibc

/// A file that a walk found, or something it could not look into.
public struct FoundFile: Sendable {
    /// As the root was given, `/` and the relative path: good for opening.
    public let path: String
    /// Below the root, with `/`; for a root that is a file, its name.
    public let relativePath: String
    /// Bytes; 0 where there is a problem.
    public let size: Int
    /// Nil for a regular file. Else a `SystemError` or `FileProblem`: why this entry, a directory mostly, could not be read.
    public let problem: (any Error)?
}

extension Files {
    /// All regular files under a directory, sorted by the bytes of their relative paths; no symbolic link is followed.
    ///
    /// What cannot be read is in the list with its problem, in its place; the walk goes on. A root that is a regular file gives just that.
    /// Throws when the root itself is missing, unreadable, a symbolic link or neither file nor directory.
    /// - Parameter skipped: is told the path of each symbolic link, device, socket and pipe that was passed over.
    public static func walk(_ root: String, skipped: (String) -> Void = { _ in }) throws -> [FoundFile] {
        var status = stat()
        guard lstat(root, &status) == 0 else { throw SystemError(call: "stat", path: root, errno: errno) }
        switch status.st_mode & S_IFMT {
        case S_IFREG:
            let name = root.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(root[root.index(after: $0)...]) } ?? root
            return [FoundFile(path: root, relativePath: name, size: Int(status.st_size), problem: nil)]
        case S_IFDIR:
            break
        case S_IFLNK:
            throw FileProblem(path: root, kind: .symbolicLink)
        default:
            throw FileProblem(path: root, kind: .notRegular)
        }
        let directory = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
        guard directory >= 0 else { throw SystemError(call: "open", path: root, errno: errno) }
        var found: [FoundFile] = []
        let prefix = root.hasSuffix("/") ? root : root + "/"
        list(directory, prefix: prefix, relative: "", depth: 0, &found, skipped)
        found.sort { $0.relativePath.utf8.lexicographicallyPrecedes($1.relativePath.utf8) }
        return found
    }

    /// Directories one inside the other; each holds a descriptor open while those in it are read.
    private static let depthMax = 256

    /// Adds what is in the open directory, which it closes. Every step goes from an open directory by one name, so that nothing that is
    /// renamed meanwhile leads out of the tree.
    private static func list(
        _ directory: Int32, prefix: String, relative: String, depth: Int, _ found: inout [FoundFile], _ skipped: (String) -> Void
    ) {
        func add(_ name: String, size: Int = 0, problem: (any Error)? = nil) {
            found.append(FoundFile(path: prefix + relative + name, relativePath: relative + name, size: size, problem: problem))
        }
        guard let stream = fdopendir(directory) else {
            found.append(problemOf(prefix, relative, SystemError(call: "opendir", path: prefix + relative, errno: errno)))
            close(directory)
            return
        }
        defer { closedir(stream) }
        while true {
            errno = 0
            guard let entry = readdir(stream) else {
                if errno != 0 {
                    found.append(problemOf(prefix, relative, SystemError(call: "readdir", path: prefix + relative, errno: errno)))
                }
                return
            }
            let bytes = nameBytes(entry)
            if bytes == [0x2E] || bytes == [0x2E, 0x2E] { continue }
            guard let name = String(validating: bytes, as: UTF8.self) else {
                let repaired = String(decoding: bytes, as: UTF8.self)
                add(repaired, problem: FileProblem(path: prefix + relative + repaired, kind: .nameNotUTF8))
                continue
            }
            let path = prefix + relative + name
            var status = stat()
            guard fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
                if errno != ENOENT { add(name, problem: SystemError(call: "stat", path: path, errno: errno)) }  // else removed meanwhile
                continue
            }
            switch status.st_mode & S_IFMT {
            case S_IFREG:
                add(name, size: Int(status.st_size))
            case S_IFDIR:
                guard depth < depthMax else {
                    add(name, problem: FileProblem(path: path, kind: .nestedTooDeep(limit: depthMax)))
                    continue
                }
                let inner = openat(directory, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
                guard inner >= 0 else {
                    add(name, problem: SystemError(call: "open", path: path, errno: errno))
                    continue
                }
                list(inner, prefix: prefix, relative: relative + name + "/", depth: depth + 1, &found, skipped)
            default:
                skipped(path)
            }
        }
    }

    private static func problemOf(_ prefix: String, _ relative: String, _ error: SystemError) -> FoundFile {
        FoundFile(path: prefix + relative, relativePath: relative, size: 0, problem: error)
    }

    private static func nameBytes(_ entry: UnsafeMutablePointer<dirent>) -> [UInt8] {
        // By its address: copying the whole struct would read beyond a short record's end.
        let offset = MemoryLayout<dirent>.offset(of: \.d_name)!
        let name = UnsafeRawPointer(entry).advanced(by: offset).assumingMemoryBound(to: UInt8.self)
        return Array(UnsafeBufferPointer(start: name, count: strlen(UnsafePointer<CChar>(OpaquePointer(name)))))
    }
}
