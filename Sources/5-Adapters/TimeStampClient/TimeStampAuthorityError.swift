/// The authority's world failed: it is away, refuses, or its answer does not stand up.
public struct TimeStampAuthorityError: Error, CustomStringConvertible {
    /// The authority's name in the configuration.
    public var authority: String
    /// What kind of failure, for metrics: `unreachable`, `timeout`, `http-status` or the code of a `TimeStampFault`.
    public var fault: String
    public var reason: String
    /// What a person can do.
    public var remedy: String
    /// The HTTP status, where an answer came.
    public var status: Int?
    /// How long the authority wants to be left alone (`Retry-After`), where it says so.
    public var retryAfter: Duration?
    /// With `time-outside-window`: how far the authority's clock is before ours.
    public var skew: Duration?

    public init(
        authority: String, fault: String, reason: String, remedy: String, status: Int? = nil, retryAfter: Duration? = nil, skew: Duration? = nil
    ) {
        self.authority = authority
        self.fault = fault
        self.reason = reason
        self.remedy = remedy
        self.status = status
        self.retryAfter = retryAfter
        self.skew = skew
    }

    public var description: String { "time-stamp authority \(authority): \(reason); \(remedy)" }
}
