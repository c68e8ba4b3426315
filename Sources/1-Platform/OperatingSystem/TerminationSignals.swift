import CLinux
import Dispatch
import Glibc

/// Calls a handler when the process is asked to end (SIGTERM, SIGINT), instead of ending it.
///
/// From the moment init returns no signal is lost, and none ends the process. The handler runs on a queue of its own, once for each signal,
/// while this object lives; a second signal may mean a person who is tired of waiting. After the object is gone the signals end
/// the process again. One object a process at a time.
///
/// Over a handler that writes to a pipe: Dispatch's own signal sources take effect some time after they are made, a signal in between
/// is lost or deadly, and the SIG_IGN that they want would be inherited by child processes.
public final class TerminationSignals {
    private static let numbers = [SIGTERM, SIGINT]
    private static let pipe = makePipe()
    private static let isTaken = Locked(false)

    private let source: any DispatchSourceRead

    public init(_ handler: @escaping @Sendable (Int32) -> Void) {
        let isFirst = Self.isTaken.withLock { isTaken in
            defer { isTaken = true }
            return !isTaken
        }
        precondition(isFirst, "the process has TerminationSignals already")
        let end = Self.pipe.reading
        source = DispatchSource.makeReadSource(fileDescriptor: end, queue: DispatchQueue(label: "tanba.signals"))
        source.setEventHandler {
            var number: UInt8 = 0
            while read(end, &number, 1) == 1 { handler(Int32(number)) }
        }
        source.resume()
        for number in Self.numbers {
            let result = clinux_catch_signal(number, Self.pipe.writing)
            precondition(result == 0, "sigaction: errno \(-result)")
        }
    }

    deinit {
        for number in Self.numbers { signal(number, SIG_DFL) }
        source.cancel()
        Self.isTaken.withLock { $0 = false }
    }

    /// Lives as long as the process: a handler may still be writing on another thread when the object goes.
    private static func makePipe() -> (reading: Int32, writing: Int32) {
        var ends: [Int32] = [0, 0]
        let result = clinux_pipe(&ends)
        precondition(result == 0, "pipe2: errno \(-result)")
        return (ends[0], ends[1])
    }
}
