import FoundationEssentials
import Log

/// The health of one part of the outside world that jobs wait for: a signer's token, a time-stamp authority.
///
/// While it is out, one caller probes with growing pauses (full jitter, to `pauseMax`) and all others wait for it: an outage
/// costs one request at a time, however many jobs wait.
actor Availability {
    private let name: String
    private let clock: PipelineClock
    private let log: Log
    private let pauseMax: Duration
    private var outSince: Duration?
    private var waiting: [CheckedContinuation<Void, Never>] = []
    private var isClosed = false

    init(of name: String, clock: PipelineClock, log: Log, pauseMax: Duration) {
        self.name = name
        self.clock = clock
        self.log = log
        self.pauseMax = pauseMax
    }

    /// Does `work` until it succeeds.
    /// - Throws: `CancellationError` when the task was cancelled or the pipeline gave up.
    nonisolated func persist<T: Sendable, Failure: Error>(_ work: @Sendable () async throws(Failure) -> T) async throws -> T {
        var probes = 0
        while true {
            if probes == 0 { await waitUntilIn() }
            try Task.checkCancellation()
            do {
                let value = try await work()
                if probes > 0 { await cameBack() }
                return value
            } catch {
                if probes == 0 { guard await wentOut(error) else { continue } }
                probes += 1
                try await clock.sleep(pause(after: probes))
            }
        }
    }

    /// Lets go of everybody who waits; their tasks find themselves cancelled.
    func close() {
        isClosed = true
        release()
    }

    /// Since when it is out, as the pipeline's clock counts; nil when in.
    var out: Duration? { outSince }

    private func waitUntilIn() async {
        guard outSince != nil, !isClosed else { return }
        await withCheckedContinuation { waiting.append($0) }
    }

    /// - Returns: whether the caller is the one who probes.
    private func wentOut(_ error: any Error) -> Bool {
        guard outSince == nil else { return false }
        outSince = clock.elapsed()
        log.warning("waiting", "\(error)", [("for", LogValue(name))])
        return true
    }

    private func cameBack() {
        guard let since = outSince else { return }
        outSince = nil
        log.info("back", "", [("what", LogValue(name)), ("afterSeconds", LogValue((clock.elapsed() - since).seconds))])
        release()
    }

    private func release() {
        for continuation in waiting { continuation.resume() }
        waiting = []
    }

    /// 0.1 s, doubled for each probe, at most `pauseMax`; a random part of it.
    private nonisolated func pause(after probes: Int) -> Duration {
        let most = min(pauseMax, .milliseconds(100) * (1 << min(probes, 16)))
        return most * Double.random(in: 0.1...1)
    }
}
