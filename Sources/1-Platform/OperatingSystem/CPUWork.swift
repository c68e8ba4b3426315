import CLinux
import Dispatch
import Synchronization

/// Work that keeps a processor busy and never blocks: hashing files from memory, checking signatures.
///
/// It runs on one concurrent Dispatch queue for the whole process, which starts as many threads as there are processors; what is
/// handed in beyond that waits. Not for calls that block: see `SerialLane`.
public enum CPUWork {
    /// Processors this process may use.
    public static let width = max(1, Int(clinux_processors()))

    private static let queue = DispatchQueue(label: "tanba.cpu", attributes: .concurrent)

    /// Runs the body once on the queue.
    public static func run<T: Sendable, E: Error>(_ body: @escaping @Sendable () throws(E) -> T) async throws(E) -> T {
        let result = await withUnsafeContinuation { (continuation: UnsafeContinuation<Result<T, E>, Never>) in
            queue.async { continuation.resume(returning: Result(catching: body)) }
        }
        return try result.get()
    }

    /// The body's answers in the order of the items, at most `width` bodies at a time.
    ///
    /// Each processor takes the next few items when it is free, so uneven items even out. The number taken at once falls with the
    /// number of items, and is one for few.
    public static func map<T: Sendable, R: Sendable>(_ items: [T], _ body: @escaping @Sendable (T) -> R) async -> [R] {
        guard !items.isEmpty else { return [] }
        let share = max(1, min(16, items.count / (width * 4)))
        let workers = min(width, (items.count + share - 1) / share)
        let state = MapState<R>(workers: workers)
        return await withUnsafeContinuation { (continuation: UnsafeContinuation<[R], Never>) in
            for _ in 0..<workers {
                queue.async {
                    while true {
                        let start = state.next.wrappingAdd(share, ordering: .relaxed).oldValue
                        guard start < items.count else { break }
                        let part = items[start..<min(start + share, items.count)].map(body)
                        state.parts.withLock { $0.append((start, part)) }
                    }
                    if let parts = state.finish() {
                        continuation.resume(returning: parts.sorted { $0.start < $1.start }.flatMap(\.answers))
                    }
                }
            }
        }
    }
}

/// What the workers of one `map` share.
private final class MapState<R: Sendable>: Sendable {
    typealias Part = (start: Int, answers: [R])

    let next = Atomic<Int>(0)
    let parts = Locked<[Part]>([])
    private let running: Locked<Int>

    init(workers: Int) { running = Locked(workers) }

    /// The last worker to finish gets all parts; the others nil.
    func finish() -> [Part]? {
        let isLast = running.withLock { left in
            left -= 1
            return left == 0
        }
        return isLast ? parts.withLock { $0 } : nil
    }
}
