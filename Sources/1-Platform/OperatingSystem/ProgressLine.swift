/// One line on the terminal that tells how far something is, at what rate, and when it will be done.
///
/// Writes to standard error, at most five times a second, and nothing at all when that is no terminal.
public final class ProgressLine: Sendable {
    private struct State {
        var done = 0
        var total: Int?
        var shown: ContinuousClock.Instant?
        var width = 0
    }

    private let noun: String
    private let isShown: Bool
    private let start = ContinuousClock.now
    private let state: Locked<State>

    /// - Parameters:
    ///   - noun: what is counted, in the plural.
    ///   - total: how many there will be, when known.
    public init(_ noun: String, total: Int? = nil) {
        self.noun = noun
        isShown = Terminal.isTerminal(descriptor: 2)
        state = Locked(State(total: total))
    }

    public func expect(_ total: Int) { state.withLock { $0.total = total } }

    public func advance(to done: Int) {
        guard isShown else { return }
        let now = ContinuousClock.now
        let text = state.withLock { state -> String? in
            state.done = done
            if let shown = state.shown, now - shown < .milliseconds(200) { return nil }
            state.shown = now
            let text = Self.text(noun, done: done, total: state.total, elapsed: now - start)
            let padding = String(repeating: " ", count: max(0, state.width - text.count))
            state.width = text.count
            return "\r" + text + padding
        }
        if let text { StandardStreams.writeError(text) }
    }

    /// Takes the line away, so that what follows stands at the left margin.
    public func clear() {
        guard isShown else { return }
        let width = state.withLock { state in
            defer { state.width = 0 }
            return state.width
        }
        if width > 0 { StandardStreams.writeError("\r" + String(repeating: " ", count: width) + "\r") }
    }

    /// `3400 of 10000 documents, 34 %, 1700/s, 3 s left`
    static func text(_ noun: String, done: Int, total: Int?, elapsed: Duration) -> String {
        let seconds = max(Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) * 1e-18, 0.001)
        let rate = Double(done) / seconds
        guard let total, total > 0 else { return "\(done) \(noun), \(Int(rate))/s" }
        var text = "\(done) of \(total) \(noun), \(done * 100 / total) %, \(Int(rate))/s"
        if rate > 0, done < total { text += ", \(Int((Double(total - done) / rate).rounded(.up))) s left" }
        return text
    }
}
