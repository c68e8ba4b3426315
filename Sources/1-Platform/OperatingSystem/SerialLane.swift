import Dispatch

/// One thread's worth of blocking work: bodies run one after the other, off Swift's own threads.
///
/// For calls into C that block, such as a token's session or a broker's poll. The queue has no target, so each lane has a thread of
/// its own while it works; concurrent queues and shared targets start with one thread a core and starve blocking callers (and
/// Swift's executor with them). A hop costs 10 to 40 us: hand over batches, not single items.
public final class SerialLane: Sendable {
    let queue: DispatchQueue

    public init(label: String) { queue = DispatchQueue(label: label) }

    /// Runs the body on the lane and returns, or throws, what it does. It runs even if the waiting task is cancelled.
    public func run<T: Sendable, E: Error>(_ body: @escaping @Sendable () throws(E) -> T) async throws(E) -> T {
        let result = await withUnsafeContinuation { (continuation: UnsafeContinuation<Result<T, E>, Never>) in
            queue.async { continuation.resume(returning: Result(catching: body)) }
        }
        return try result.get()
    }
}
