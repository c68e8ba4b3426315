public import FoundationEssentials

/// Where the parts of Tanba report what happens: named events with fields.
///
/// A value, handed down by the programs, which choose the sink; `silent` for whoever does not care. Messages and fields of events below
/// the minimum are never computed. Neither secrets nor digests of customers' documents belong into an event.
public struct Log: Sendable {
    public enum Level: Int, Sendable, Comparable, CaseIterable {
        case debug, info, warning, error

        public static func < (one: Level, other: Level) -> Bool { one.rawValue < other.rawValue }

        /// `debug`, `info`, `warning` or `error`.
        public var name: String { String(describing: self) }
    }

    public let minimum: Level
    private let sink: @Sendable (LogEvent) -> Void
    private let context: [(String, LogValue)]

    /// - Parameter sink: is called on the thread that reports, by any number of them at a time.
    public init(minimum: Level, sink: @escaping @Sendable (LogEvent) -> Void) {
        self.init(minimum: minimum, context: [], sink: sink)
    }

    private init(minimum: Level, context: [(String, LogValue)], sink: @escaping @Sendable (LogEvent) -> Void) {
        self.minimum = minimum
        self.context = context
        self.sink = sink
    }

    /// Passes everything over.
    public static let silent = Log(minimum: .error) { _ in }

    /// The same log with fields that stand before those of each event, such as the stream that a part works for.
    public func with(_ fields: [(String, LogValue)]) -> Log { Log(minimum: minimum, context: context + fields, sink: sink) }

    /// - Parameters:
    ///   - event: the event's name in kebab-case; it stays the same from release to release, so that alerts can be set on it.
    ///   - message: a sentence for a person.
    ///   - fields: names in snake_case.
    public func debug(
        _ event: StaticString, _ message: @autoclosure () -> String = "", _ fields: @autoclosure () -> [(String, LogValue)] = []
    ) {
        report(.debug, event, message, fields)
    }

    /// The course of things: started, joined, drained.
    public func info(
        _ event: StaticString, _ message: @autoclosure () -> String = "", _ fields: @autoclosure () -> [(String, LogValue)] = []
    ) {
        report(.info, event, message, fields)
    }

    /// Something is wrong and is being waited out or worked around.
    public func warning(
        _ event: StaticString, _ message: @autoclosure () -> String = "", _ fields: @autoclosure () -> [(String, LogValue)] = []
    ) {
        report(.warning, event, message, fields)
    }

    /// A person has to do something.
    public func error(
        _ event: StaticString, _ message: @autoclosure () -> String = "", _ fields: @autoclosure () -> [(String, LogValue)] = []
    ) {
        report(.error, event, message, fields)
    }

    private func report(_ level: Level, _ event: StaticString, _ message: () -> String, _ fields: () -> [(String, LogValue)]) {
        guard level >= minimum else { return }
        sink(LogEvent(time: Date(), level: level, event: event.description, message: message(), fields: context + fields()))
    }
}

/// One thing that happened.
public struct LogEvent: Sendable {
    public let time: Date
    public let level: Log.Level
    /// Its name in kebab-case.
    public let event: String
    /// A sentence for a person; may be empty.
    public let message: String
    /// In the order they were given; a name may stand twice, and then the later one counts.
    public let fields: [(String, LogValue)]

    public init(time: Date, level: Log.Level, event: String, message: String, fields: [(String, LogValue)]) {
        self.time = time
        self.level = level
        self.event = event
        self.message = message
        self.fields = fields
    }
}

/// What a field may hold.
public enum LogValue: Sendable, Hashable, CustomStringConvertible {
    case text(String)
    case integer(Int64)
    case number(Double)
    case boolean(Bool)

    public init(_ text: String) { self = .text(text) }
    public init(_ integer: some BinaryInteger) { self = .integer(Int64(clamping: integer)) }
    public init(_ number: Double) { self = .number(number) }
    public init(_ boolean: Bool) { self = .boolean(boolean) }

    public var description: String {
        switch self {
        case .text(let text): text
        case .integer(let integer): String(integer)
        case .number(let number): String(number)
        case .boolean(let boolean): String(boolean)
        }
    }
}

// MARK: - Literals

extension LogValue: ExpressibleByStringInterpolation, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral, ExpressibleByBooleanLiteral {
    public init(stringLiteral text: String) { self = .text(text) }
    public init(integerLiteral integer: Int64) { self = .integer(integer) }
    public init(floatLiteral number: Double) { self = .number(number) }
    public init(booleanLiteral boolean: Bool) { self = .boolean(boolean) }
}
