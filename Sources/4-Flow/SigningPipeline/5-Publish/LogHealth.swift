import OperatingSystem

/// Whether the log does what it is asked: for `/ready` and `tanba_log_unavailable_seconds`.
final class LogHealth: Sendable {
    private struct State {
        var isOpen = false
        /// A call says that the log is away.
        var away: Trouble?
        /// Batches are taken back, and none was committed since.
        var unpublished: Trouble?
        var takenBack = 0
    }

    private struct Trouble {
        var since: Duration
        var reason: String
    }

    private let state = Locked(State())

    /// Why nothing goes on; nil when all is well.
    var obstacle: String? {
        state.withLock { state in
            if let away = state.away { return away.reason }
            // One batch that is taken back is a rebalance.
            if let unpublished = state.unpublished, state.takenBack > 1 { return unpublished.reason }
            return state.isOpen ? nil : "it is not open yet"
        }
    }

    /// For how long it has been so.
    func seconds(at elapsed: Duration) -> Double {
        state.withLock { state in
            let since = [state.away?.since, state.takenBack > 1 ? state.unpublished?.since : nil].compactMap { $0 }.min()
            return since.map { (elapsed - $0).seconds } ?? 0
        }
    }

    func answered() {
        state.withLock {
            $0.isOpen = true
            $0.away = nil
        }
    }

    func committed() { state.withLock { $0 = State(isOpen: true) } }

    func failed(_ error: JobLogError, at elapsed: Duration) {
        state.withLock { $0.away = Trouble(since: $0.away?.since ?? elapsed, reason: "\(error)") }
    }

    func tookBack(_ reason: String, at elapsed: Duration) {
        state.withLock {
            $0.away = nil
            $0.takenBack += 1
            $0.unpublished = Trouble(since: $0.unpublished?.since ?? elapsed, reason: reason)
        }
    }
}
