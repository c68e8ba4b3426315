import Glibc

extension Files {
    /// Reads a regular file from start to end in pieces of at most 256 KiB, for hashing.
    ///
    /// The pieces lie in a buffer that is used again: the body keeps nothing of them. A symbolic link in the last part of the path is
    /// not followed. Throws `SystemError`; or `FileProblem`: `notRegular`, or `changedWhileRead` when size, content time, change time or
    /// inode are not as they were before the first byte. After an error, what the body made of the pieces is worthless.
    ///
    /// The kernel's time stamps move in ticks of up to 10 ms, so a file that changed within the current tick could change again unseen:
    /// this waits until the tick is over (20 ms at most, and for such files only).
    /// - Returns: the state of the file that was read.
    @discardableResult
    public static func forEachChunk(of path: String, _ body: (Span<UInt8>) -> Void) throws -> FileStatus {
        // Not to block on a pipe, O_NONBLOCK; it does nothing for regular files.
        let descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)
        guard descriptor >= 0 else { throw SystemError(call: "open", path: path, errno: errno) }
        defer { close(descriptor) }
        var before = try FileStatus(descriptor, path: path)
        guard before.isRegular else { throw FileProblem(path: path, kind: .notRegular) }
        if waitOutTick(of: before) { before = try FileStatus(descriptor, path: path) }

        let buffer = ReadBuffers.take()
        defer { ReadBuffers.giveBack(buffer) }
        // Two buffers' worth is where the kernel's usual read-ahead (128 KiB) begins to fall behind on a cold disk.
        if before.size > 2 * ReadBuffers.size { posix_fadvise(descriptor, 0, 0, POSIX_FADV_SEQUENTIAL) }
        var total = 0
        while total < before.size {
            let count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
            if count < 0 {
                if errno == EINTR { continue }
                throw SystemError(call: "read", path: path, errno: errno)
            }
            if count == 0 { break }
            total += count
            body(UnsafeRawBufferPointer(rebasing: buffer[..<count]).assumingMemoryBound(to: UInt8.self).span)
        }
        // The size tells of bytes that were added, so no read for the end is needed.
        guard total == before.size, try FileStatus(descriptor, path: path) == before else {
            throw FileProblem(path: path, kind: .changedWhileRead)
        }
        return before
    }

    private static func waitOutTick(of status: FileStatus) -> Bool {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        let age = Int64(now.tv_sec) * 1_000_000_000 + Int64(now.tv_nsec) - status.changedNanoseconds
        guard age < tickNanosecondsMax else { return false }
        var rest = timespec(tv_sec: 0, tv_nsec: Int(min(tickNanosecondsMax - age, 2 * tickNanosecondsMax)))
        var left = timespec()
        while nanosleep(&rest, &left) != 0, errno == EINTR { rest = left }
        return true
    }

    private static let tickNanosecondsMax: Int64 = 10_000_000
}

/// The read buffers of this process: page-aligned, 256 KiB each, kept for the next reader so that no file pays for fresh pages.
private enum ReadBuffers {
    static let size = 262_144

    private struct Buffer: @unchecked Sendable {  // whoever took it owns it
        let memory: UnsafeMutableRawBufferPointer
    }

    private static let free = Locked<[Buffer]>([])

    static func take() -> UnsafeMutableRawBufferPointer {
        free.withLock { $0.popLast() }?.memory ?? UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 4096)
    }

    static func giveBack(_ memory: UnsafeMutableRawBufferPointer) {
        let buffer = Buffer(memory: memory)
        let isKept = free.withLock { buffers in
            guard buffers.count < 2 * CPUWork.width else { return false }
            buffers.append(buffer)
            return true
        }
        if !isKept { memory.deallocate() }
    }
}
