import OperatingSystem

/// How many requests an authority allows in any span of time: "20 in 20m".
public struct RequestRate: Sendable, Hashable, CustomStringConvertible {
    public var requests: Int
    public var window: Duration

    /// - Precondition: both positive.
    public init(_ requests: Int, in window: Duration) {
        precondition(requests > 0 && window > .zero, "a rate of nothing")
        self.requests = requests
        self.window = window
    }

    /// As the configuration has it, in the greatest unit that divides the window.
    public var description: String {
        let milliseconds = Int64(window.seconds * 1000)
        for (unit, length) in [("h", 3_600_000), ("m", 60_000), ("s", 1000)] as [(String, Int64)] where milliseconds % length == 0 {
            return "\(requests) in \(milliseconds / length)\(unit)"
        }
        return "\(requests) in \(milliseconds)ms"
    }
}
