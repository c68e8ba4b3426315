/// What a token is good for now. The names are those of docs/token-faults.md.
public enum TokenState: String, Sendable, Hashable, CaseIterable {
    /// It signs.
    case up
    /// It is not there, or its sessions were lost and are not restored yet. Probed.
    case away
    /// It answers with errors. Probed.
    case failing
    /// It gave a wrong signature. Probed: reopened, its keys found anew and proved.
    case suspect
    /// Its PIN was refused, is locked or has one try left. A person must come; nothing is tried until the program starts again.
    case lockedOut = "locked-out"
}

/// What a program shows of one token.
public struct TokenStatus: Sendable, Hashable {
    /// The name in the configuration.
    public let name: String
    /// The token's own.
    public let label: String
    public let state: TokenState
    /// Why it is not `up`, and what a person can do; empty when it is.
    public let reason: String
    /// How many signatures it makes at once now.
    public let width: Int
    /// Whether `width` is what a search has found, not a step of one.
    public let isKneeFound: Bool
    /// How many sessions it gives to sign with, as far as is known.
    public let sessions: Int
    /// Made in the last ten seconds, on average.
    public let signaturesPerSecond: Double
}

/// Counts what happened in the last ten seconds, in slices of one.
struct RateMeter: Sendable {
    private static let slices = 10
    private var counts = [Int](repeating: 0, count: slices)
    /// The second that was counted last.
    private var second = 0

    mutating func add(_ count: Int, at seconds: Double) {
        turn(to: seconds)
        counts[second % Self.slices] += count
    }

    mutating func perSecond(at seconds: Double) -> Double {
        turn(to: seconds)
        return Double(counts.reduce(0, +)) / Double(Self.slices)
    }

    private mutating func turn(to seconds: Double) {
        let now = Int(max(0, seconds))
        guard now > second else { return }
        for passed in max(second + 1, now - Self.slices + 1)...now { counts[passed % Self.slices] = 0 }
        second = now
    }
}
