public import FoundationEssentials
import OperatingSystem
import SigningPipeline

/// How an authority stands, for people.
public struct AuthorityStatus: Sendable {
    /// Its name in the configuration.
    public var name: String
    /// `in`, `held` (it asked to be left alone), or why it is out: `away`, `refusing`, `rejecting`, `clock`, `lying`.
    public var state: String
    /// What it said or did last, when it is out; else empty.
    public var reason: String
    /// How long it has been out; nil when it is in.
    public var outFor: Duration?
    /// When it will be asked again; nil when it is in, or is being probed now.
    public var askedAgain: Date?
    /// Requests under way now, and how many at once are of use.
    public var inFlight: Int
    public var inFlightUseful: Int
    /// What the authority allows, as configured or learned, to all workers together.
    public var budget: RequestRate?
    /// What this worker may send now; nil without a budget.
    public var budgetLeft: Int?
    /// The authority's clock less ours, at its last answer.
    public var skew: Duration?
}

extension Governor {
    public var status: AuthorityStatus {
        state.withLock { state in
            let now = clock.elapsed()
            let left = state.budget.left(at: now)
            var status = AuthorityStatus(
                name: name, state: "in", reason: state.reason, inFlight: state.inFlight, inFlightUseful: state.width, budget: state.budget.rate,
                budgetLeft: state.budget.rate == nil ? nil : left, skew: state.skew)
            if let cause = state.breaker.cause {
                status.state = cause.rawValue
                status.outFor = state.breaker.outSince.map { now - $0 }
                if case .open(let until) = state.breaker.state { status.askedAgain = date(max(until, now), now) }
            } else if state.budget.isHeld(at: now), let until = state.budget.heldUntil {
                status.state = "held"
                status.askedAgain = date(until, now)
            }
            return status
        }
    }

    /// Why it takes no more stamps now; nil while it does, and while it is merely busy.
    var obstacle: String? {
        let status = status
        let again = status.askedAgain.map { ", asked again at \(Self.time($0))" } ?? ""
        switch status.state {
        case "in": break
        case "held": return "authority \(name), which wants no requests before \(status.askedAgain.map(Self.time) ?? "")"
        case "away": return "authority \(name), which is away\(again): \(status.reason)"
        default: return "authority \(name), which is out (\(status.state))\(again): \(status.reason)"
        }
        return state.withLock { state in
            if state.isClosed { return "authority \(name), which is closed" }
            let now = clock.elapsed()
            guard let rate = state.budget.rate, state.budget.left(at: now) - state.promised <= 0, state.inFlight < state.width else { return nil }
            if state.budget.share == 0 {
                return "authority \(name), whose budget (\(rate)) has no part for each of \(state.budget.members) workers"
            }
            // Those that are promised come first, but the first that is free tells people enough.
            let opening = state.budget.opening(at: now).map { " until \(Self.time(date($0, now)))" } ?? ""
            return "the budget of authority \(name) (\(rate)), which is spent\(opening)"
        }
    }

    private func date(_ time: Duration, _ now: Duration) -> Date { clock.wall().addingTimeInterval((time - now).seconds) }

    /// UTC, to the next whole second: `2027-01-31T10:20:00Z`.
    private static func time(_ date: Date) -> String {
        Date(timeIntervalSince1970: date.timeIntervalSince1970.rounded(.up)).formatted(.iso8601)
    }
}
