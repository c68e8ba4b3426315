import Foundation
import OperatingSystem
import SigningPipeline
import TokenSigner

/// Time that a test owns. Sleepers wake when the time is moved to where they wait for; each sleep that begins is told.
final class ProbeClock: Sendable {
    private struct State {
        var elapsed = Duration.zero
        var sleepers: [Int: (until: Duration, continuation: CheckedContinuation<Void, Never>)] = [:]
        var last = 0
    }

    private let state = Locked(State())
    /// How long each sleep is to be, as it begins.
    let sleeps: AsyncStream<Duration>
    private let began: AsyncStream<Duration>.Continuation

    init() { (sleeps, began) = AsyncStream.makeStream(of: Duration.self) }

    var pipelineClock: PipelineClock {
        PipelineClock(wall: { Date() }, elapsed: { self.state.withLock { $0.elapsed } }, sleep: { try await self.sleep($0) })
    }

    func advance(by duration: Duration) {
        let due = state.withLock { state in
            state.elapsed += duration
            let due = state.sleepers.filter { $0.value.until <= state.elapsed }
            for number in due.keys { state.sleepers[number] = nil }
            return due.values.map(\.continuation)
        }
        for continuation in due { continuation.resume() }
    }

    private func sleep(_ duration: Duration) async throws {
        let number = state.withLock { state in
            state.last += 1
            return state.last
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isCancelled = state.withLock { state in
                    if Task.isCancelled { return true }
                    state.sleepers[number] = (state.elapsed + duration, continuation)
                    return false
                }
                if isCancelled { continuation.resume() }
                began.yield(duration)
            }
        } onCancel: {
            state.withLock { $0.sleepers.removeValue(forKey: number)?.continuation }?.resume()
        }
        try Task.checkCancellation()
    }
}
