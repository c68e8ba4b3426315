public import Log
public import Metrics
import OperatingSystem
public import SigningPipeline

/// The tokens of this process, each one object however many signers use it: one login, one set of sessions, one prober.
public final class TokenRegistry: Sendable {
    private let log: Log
    private let metrics: TokenMetrics
    private let clock: PipelineClock
    private let memory: KneeMemory?
    private let tokens = Locked<[Place: SharedToken]>([:])

    private struct Place: Hashable {
        let module: String
        let label: String
    }

    /// - Parameter memory: where the widths that are found are kept for the next start; nil to begin anew each time.
    public init(log: Log, metrics: Metrics, clock: PipelineClock = .system, memory: KneeMemory? = nil) {
        self.log = log
        self.metrics = TokenMetrics(metrics)
        self.clock = clock
        self.memory = memory
    }

    /// The token of these settings; nothing is loaded or opened yet. The same object for each caller who names the same module and label
    /// (then name, PIN and sessions are those of the first), until its last signer has been closed.
    public func token(_ settings: TokenSettings) -> SharedToken {
        let place = Place(module: settings.module, label: settings.label)
        return tokens.withLock { tokens in
            if let known = tokens[place], !known.isClosed { return known }
            let token = SharedToken(settings, log: log, metrics: metrics, clock: clock, memory: memory)
            tokens[place] = token
            return token
        }
    }

    /// Cards came or went: every token is asked at once whether it is still there, and every one that is out is probed at once.
    public func readersChanged() async {
        let all = tokens.withLock { Array($0.values) }
        await withDiscardingTaskGroup { group in
            for token in all { group.addTask { await token.readersChanged() } }
        }
    }

    /// Every token that is in use, sorted by name.
    public func report() -> [TokenStatus] {
        tokens.withLock { Array($0.values) }.filter { !$0.isClosed }.map(\.status).sorted { $0.name < $1.name }
    }
}
