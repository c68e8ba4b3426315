import OperatingSystem
import SigningPipeline

/// Who may probe a token: one signer at a time, the others wait in line. A pause between two probes ends early when `wake` is called.
actor Prober {
    private let clock: PipelineClock
    private var isTaken = false
    private var line: [(number: Int, continuation: CheckedContinuation<Void, Never>)] = []
    private var pauses: [Int: CheckedContinuation<Void, Never>] = [:]
    private var lastNumber = 0

    init(clock: PipelineClock) { self.clock = clock }

    /// Waits for the turn; to be ended by `endTurn`. Throws `CancellationError`, and has no turn then.
    func takeTurn() async throws {
        try Task.checkCancellation()
        if takeFreeTurn() { return }
        lastNumber += 1
        let number = lastNumber
        await withTaskCancellationHandler {
            await withCheckedContinuation { line.append((number, $0)) }
        } onCancel: {
            Task { await self.leaveLine(number) }
        }
        guard Task.isCancelled else { return }
        // Who left the line has no turn; who was given it at the same moment passes it on.
        if given.remove(number) != nil { endTurn() }
        throw CancellationError()
    }

    /// - Returns: false where somebody else has the turn.
    func takeFreeTurn() -> Bool {
        guard !isTaken else { return false }
        isTaken = true
        return true
    }

    func endTurn() {
        given.removeAll()
        guard !line.isEmpty else {
            isTaken = false
            return
        }
        let next = line.removeFirst()
        given.insert(next.number)
        next.continuation.resume()
    }

    /// Numbers of those who were given a turn in line; one at most.
    private var given: Set<Int> = []

    /// Sleeps by the clock, until `wake` or until the task is cancelled.
    func pause(_ duration: Duration) async {
        lastNumber += 1
        let number = lastNumber
        let clock = clock
        let sleeper = Task {
            try? await clock.sleep(duration)
            self.endPause(number)
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { pauses[number] = $0 }
        } onCancel: {
            Task { await self.endPause(number) }
        }
        sleeper.cancel()
    }

    /// Ends all pauses now.
    func wake() {
        for number in Array(pauses.keys) { endPause(number) }
    }

    private func endPause(_ number: Int) { pauses.removeValue(forKey: number)?.resume() }

    private func leaveLine(_ number: Int) {
        guard let index = line.firstIndex(where: { $0.number == number }) else { return }
        line.remove(at: index).continuation.resume()
    }
}
