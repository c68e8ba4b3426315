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
