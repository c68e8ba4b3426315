public import Log
public import Metrics
public import SigningPipeline

/// The tokens of this process, each opened once however many signers use it: one login, one set of sessions.
public actor TokenRegistry {
    private let log: Log
    private let metrics: TokenMetrics
    private var tokens: [Place: SharedToken] = [:]

    private struct Place: Hashable {
        let module: String
        let label: String
    }

    public init(log: Log, metrics: Metrics) {
        self.log = log
        self.metrics = TokenMetrics(metrics)
    }

    /// The token, found by its label and logged in; the one that is open already where another signer has asked before (then name,
    /// PIN and sessions are those of the first).
    ///
    /// - Throws: `SignerError`, permanent after a wrong PIN, which reaches the token once however often this is called.
    public func open(_ settings: TokenSettings) async throws(SignerError) -> SharedToken {
        let place = Place(module: settings.module, label: settings.label)
        let token: SharedToken
        if let known = tokens[place], !known.isClosed {
            token = known
        } else {
            token = SharedToken(settings, log: log, metrics: metrics)
            tokens[place] = token
        }
        try await token.open()
        return token
    }
}
