import TimeStampProtocol

/// One authority as a governor sees it: `TimeStampClient`, or a simulated one.
protocol TimeStampAsker: Sendable {
    var name: String { get }
    /// Asks once; everything was checked.
    func ask(_ imprint: MessageImprint) async throws(TimeStampAuthorityError) -> AuthorityAnswer
    /// Ends what is on its way.
    func close() async
}

/// A token that passed every check.
struct AuthorityAnswer: Sendable {
    var token: TimeStampToken
    /// How far the authority's clock is before ours; negative where it is behind.
    var skew: Duration
}

extension TimeStampAuthorityError {
    /// What it says of the authority; nil where it says nothing: whoever asked went away, or requests are limited.
    var cause: Breaker.Cause? {
        switch fault {
        case "cancelled", "closed": nil
        case "unreachable", "timeout", "tls-failed", "broken-off": .away
        case "http-status" where isLimit: nil
        case "http-status" where status == 408 || (500..<600).contains(status ?? 0): .away
        // Who is not admitted may be banned for asking on.
        case "http-status" where [401, 402, 403, 407].contains(status ?? 0): .refusing
        case "http-status", "content-type", "settings-invalid": .rejecting
        case "status": .rejecting
        case "time-outside-window": .clock
        default: .lying
        }
    }

    var isLimit: Bool { status == 429 }

    /// The request never came to the authority, so that it cannot have been counted there.
    var wasNotSent: Bool { fault == "unreachable" || fault == "tls-failed" || fault == "settings-invalid" }
}
