public import TimeStampProtocol

/// The authorities of a profile, which stamp imprints (RFC 3161): the pipeline's port to `TimeStampClient`.
///
/// Stamps are promised before a key is used, so that while no authority can take more, jobs wait unsigned; and a promise is kept, however long
/// it takes.
public protocol TimeStampAuthority: Sendable {
    /// For logs and people: the authorities' names.
    var name: String { get }
    /// Why nothing can be promised now, as a person reads it behind "waits for": "authority a, which is away: …"; nil while stamps are promised.
    var obstacle: String? { get }

    /// Promises up to `wanted` stamps, at once, without waiting; 0 while no authority can take more. Each promise is used by one
    /// `timeStamp` or given back by `release`. Their number at any time is bounded.
    func reserve(_ wanted: Int) -> Int

    /// Gives promises back that nobody will use.
    func release(_ count: Int)

    /// Uses one promise: asks, and asks again, this or another authority, until there is a stamp.
    ///
    /// - Parameter isWanted: asked before each request.
    /// - Returns: a token that passed everything RFC 3161 and the configuration demand.
    /// - Throws: `CancellationError` alone: the task was cancelled, the stamp is not wanted any more, or the authorities were closed.
    func timeStamp(_ imprint: MessageImprint, isWanted: @Sendable () async -> Bool) async throws -> Stamp

    /// How many workers serve the stream now, this one included: an authority's budget is one for all of them, and each takes its part. Called
    /// after each rebalance, before the jobs that it brings; of several streams the greatest number holds.
    func share(among members: Int, in stream: String)
}

/// A time-stamp, and who made it.
public struct Stamp: Sendable {
    public var token: TimeStampToken
    /// The authority's name in the configuration.
    public var authority: String

    public init(token: TimeStampToken, authority: String) {
        self.token = token
        self.authority = authority
    }
}
