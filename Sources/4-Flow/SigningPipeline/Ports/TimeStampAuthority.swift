public import TimeStampProtocol

/// An authority that stamps imprints (RFC 3161): the pipeline's port to `TimeStampClient`.
public protocol TimeStampAuthority: Sendable {
    /// Its name in the configuration.
    var name: String { get }

    /// Asks for one token. Everything RFC 3161 and the configuration demand of the answer was checked when it returns.
    ///
    /// Bounds its requests in flight by itself: a call waits for its turn.
    func timeStamp(_ imprint: MessageImprint) async throws(TimeStampAuthorityError) -> TimeStampToken
}

/// The authority's world failed: it is away, refuses, or its answer does not stand up.
public struct TimeStampAuthorityError: Error, CustomStringConvertible {
    /// The authority's name in the configuration.
    public var authority: String
    /// What kind of failure, for metrics: `unreachable`, `timeout`, `http-status` or the code of a `TimeStampFault`.
    public var fault: String
    public var reason: String
    /// What a person can do.
    public var remedy: String

    public init(authority: String, fault: String, reason: String, remedy: String) {
        self.authority = authority
        self.fault = fault
        self.reason = reason
        self.remedy = remedy
    }

    public var description: String { "time-stamp authority \(authority): \(reason); \(remedy)" }
}
