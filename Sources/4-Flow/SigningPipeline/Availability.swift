import FoundationEssentials
import Log
import Synchronization

/// The health of one part of the outside world that jobs wait for: a time-stamp authority.
///
/// While it is out, one caller probes with growing pauses (full jitter, to `pauseMax`) and all others wait for it: an outage
/// costs one request at a time, however many jobs wait.
actor Availability {
    nonisolated let name: String
    private let clock: PipelineClock
    private let log: Log
    private let pauseMax: Duration
    private var outSince: Duration?
    private var waiting: [CheckedContinuation<Void, Never>] = []
    private var isClosed = false
    private nonisolated let out = Atomic(false)

    init(of name: String, clock: PipelineClock, log: Log, pauseMax: Duration) {
        self.name = name
        self.clock = clock
        self.log = log
        self.pauseMax = pauseMax
    }

    /// Whether jobs wait for it now.
    nonisolated var isOut: Bool { out.load(ordering: .relaxed) }

    /// Does `work` until it succeeds.
    ///
    /// - Parameters:
    ///   - isVain: asked before each attempt; true when nobody wants the outcome any more.
    ///   - isFinal: whether waiting cannot mend an error.
    /// - Throws: `CancellationError` when the task was cancelled, the outcome is not wanted or the pipeline gave up; a final error.
    nonisolated func persist<T: Sendable, Failure: Error>(
        isVain: @Sendable () async -> Bool, isFinal: @Sendable (Failure) -> Bool = { _ in false },
        work: @Sendable () async throws(Failure) -> T
    ) async throws -> T {
        var probes = 0
        do {
            while true {
                try Task.checkCancellation()
                if await isVain() { throw CancellationError() }
                if probes == 0, await !waitUntilIn() { continue }
                let result: Result<T, Failure>
                do {
                    result = .success(try await work())
                } catch {
                    result = .failure(error)
                }
                switch result {
                case .success(let value):
                    if probes > 0 { await cameBack() }
                    return value
                case .failure(let error):
                    if isFinal(error) { throw error }
                    if probes == 0, await !wentOut(error) { continue }
                    probes += 1
                    try await clock.sleep(pause(after: probes))
                }
            }
        } catch {
            // Without its prober an outage would last for ever: the others find out for themselves.
            if probes > 0 { await proberLeft() }
            throw error
        }
    }

    /// Wakes those who wait, so that they ask again whether it is in vain.
    func recheck() { release() }

    /// Lets go of everybody who waits; their tasks find themselves cancelled.
    func close() {
        isClosed = true
        release()
    }

    /// - Returns: whether it is in; false after a wait, when the caller looks again.
    private func waitUntilIn() async -> Bool {
        guard outSince != nil, !isClosed else { return true }
        await withCheckedContinuation { waiting.append($0) }
        return false
    }

    /// - Returns: whether the caller is the one who probes.
    private func wentOut(_ error: any Error) -> Bool {
        guard outSince == nil else { return false }
        outSince = clock.elapsed()
        out.store(true, ordering: .relaxed)
        log.warning("waiting", "\(error)", [("for", LogValue(name))])
        return true
    }

    private func cameBack() {
        guard let since = outSince else { return }
        comeIn()
        log.info("back", "", [("what", LogValue(name)), ("afterSeconds", LogValue((clock.elapsed() - since).seconds))])
    }

    private func proberLeft() { comeIn() }

    private func comeIn() {
        outSince = nil
        out.store(false, ordering: .relaxed)
        release()
    }

    private func release() {
        for continuation in waiting { continuation.resume() }
        waiting = []
    }

    private nonisolated func pause(after probes: Int) -> Duration { fullJitter(after: probes, max: pauseMax) }
}

/// 0.1 s, doubled for each failure, at most `max`; a random part of it.
func fullJitter(after failures: Int, max: Duration) -> Duration {
    min(max, .milliseconds(100) * (1 << min(failures, 16))) * Double.random(in: 0.1...1)
}
