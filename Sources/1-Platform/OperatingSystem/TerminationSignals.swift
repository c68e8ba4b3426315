import Dispatch
import Glibc

/// Calls a handler when the process is asked to end (SIGTERM, SIGINT), instead of ending it.
///
/// The handler runs on a queue of its own, once for each signal, while this object lives; a second signal may mean a person who is
/// tired of waiting. After the object is gone the signals end the process again.
public final class TerminationSignals {
    private let sources: [any DispatchSourceSignal]

    public init(_ handler: @escaping @Sendable (Int32) -> Void) {
        let queue = DispatchQueue(label: "tanba.signals")
        sources = [SIGTERM, SIGINT].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler { handler(number) }
            source.resume()
            return source
        }
    }

    deinit {
        for source in sources { source.cancel() }
        for number in [SIGTERM, SIGINT] { signal(number, SIG_DFL) }
    }
}
