import CLinux
import Glibc

/// Whether and how wide a person is looking.
public enum Terminal {
    /// Descriptor 1 is standard output, 2 standard error.
    public static func isTerminal(descriptor: Int32) -> Bool { isatty(descriptor) == 1 }

    /// Columns of the terminal on standard output or standard error; 80 where there is none.
    public static var width: Int {
        for descriptor: Int32 in [1, 2] {
            let columns = clinux_terminal_columns(descriptor)
            if columns > 0 { return Int(columns) }
        }
        return 80
    }
}

/// Standard output and standard error, unbuffered: each call is written whole before it returns.
public enum StandardStreams {
    private static let firstFailure = Locked<SystemError?>(nil)

    public static func writeOut(_ text: String) { writeOut(Array(text.utf8)) }

    /// Writes to standard output. A failure (a full disk, say) is kept in `outFailure`, which a program asks once before it ends.
    public static func writeOut(_ bytes: [UInt8]) {
        guard let failure = write(bytes, to: 1) else { return }
        firstFailure.withLock { first in
            if first == nil { first = failure }
        }
    }

    /// Writes to standard error. A failure has nowhere to be told and is passed over.
    public static func writeError(_ text: String) { writeError(Array(text.utf8)) }

    public static func writeError(_ bytes: [UInt8]) { _ = write(bytes, to: 2) }

    /// The first failure to write to standard output: then the output is not complete, and the exit status should say so.
    public static var outFailure: SystemError? { firstFailure.withLock { $0 } }

    private static func write(_ bytes: [UInt8], to descriptor: Int32) -> SystemError? {
        bytes.withUnsafeBytes { buffer in
            writeAll(buffer, to: descriptor).map {
                SystemError(call: "write", path: descriptor == 1 ? "standard output" : "standard error", errno: $0)
            }
        }
    }
}

/// Writes all of the buffer; nil, or the errno that stopped it. A descriptor that does not block by itself is waited for.
func writeAll(_ buffer: UnsafeRawBufferPointer, to descriptor: Int32) -> Int32? {
    var rest = buffer
    while !rest.isEmpty {
        let written = write(descriptor, rest.baseAddress, rest.count)
        if written < 0 {
            if errno == EINTR { continue }
            if errno == EAGAIN {
                var ready = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                poll(&ready, 1, -1)
                continue
            }
            return errno
        }
        rest = UnsafeRawBufferPointer(rebasing: rest[written...])
    }
    return nil
}
