public import FoundationEssentials
import OperatingSystem
public import SigningPipeline

/// Time that a test owns. Sleepers wake when the time is moved to where they wait for.
public final class ManualClock: Sendable {
    private struct State {
        var elapsed = Duration.zero
        var sleepers: [(until: Duration, continuation: CheckedContinuation<Void, Never>)] = []
        var slept = 0
    }

    private let origin: Date
    private let state = Locked(State())

    public init(at origin: Date = Date(timeIntervalSince1970: 1_790_000_000)) { self.origin = origin }

    public var now: Date { origin.addingTimeInterval(seconds(state.withLock { $0.elapsed })) }

    /// How many sleeps began.
    public var sleeps: Int { state.withLock { $0.slept } }

    public func advance(by duration: Duration) {
        let due = state.withLock { state in
            state.elapsed += duration
            let due = state.sleepers.filter { $0.until <= state.elapsed }
            state.sleepers.removeAll { $0.until <= state.elapsed }
            return due.map(\.continuation)
        }
        for continuation in due { continuation.resume() }
    }

    /// As the pipeline sees it.
    public var pipelineClock: PipelineClock {
        PipelineClock(
            wall: { self.now }, elapsed: { self.state.withLock { $0.elapsed } },
            sleep: { duration in
                await withCheckedContinuation { continuation in
                    let isDue = self.state.withLock { state -> Bool in
                        state.slept += 1
                        if duration <= .zero { return true }
                        state.sleepers.append((state.elapsed + duration, continuation))
                        return false
                    }
                    if isDue { continuation.resume() }
                }
                try Task.checkCancellation()
            })
    }

    /// A clock that does not wait at all: every sleep moves the time.
    public static func hasty(at origin: Date = Date(timeIntervalSince1970: 1_790_000_000)) -> PipelineClock {
        let elapsed = Locked(Duration.zero)
        return PipelineClock(
            wall: { origin.addingTimeInterval(secondsOf(elapsed.withLock { $0 })) },
            elapsed: {
                elapsed.withLock { elapsed in
                    elapsed += .microseconds(100)
                    return elapsed
                }
            },
            sleep: { duration in
                try Task.checkCancellation()
                elapsed.withLock { $0 += duration }
                await Task.yield()
            })
    }

    private func seconds(_ duration: Duration) -> Double { Self.secondsOf(duration) }

    private static func secondsOf(_ duration: Duration) -> Double {
        Double(duration.components.seconds) + Double(duration.components.attoseconds) * 1e-18
    }
}
