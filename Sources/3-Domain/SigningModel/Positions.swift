/// A partition of a stream's topics, from 0. Jobs, results and ledger of one partition stand under one number.
public struct Partition: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
    public let rawValue: Int32

    public init(rawValue: Int32) { self.rawValue = rawValue }
    public init(_ rawValue: Int32) { self.rawValue = rawValue }

    public static func < (a: Partition, b: Partition) -> Bool { a.rawValue < b.rawValue }
    public var description: String { String(rawValue) }
}

/// The place of a record in its partition, from 0.
public struct Offset: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
    public let rawValue: Int64

    public init(rawValue: Int64) { self.rawValue = rawValue }
    public init(_ rawValue: Int64) { self.rawValue = rawValue }

    /// The offset after this one.
    public var next: Offset { Offset(rawValue + 1) }

    public static func < (a: Offset, b: Offset) -> Bool { a.rawValue < b.rawValue }
    public var description: String { String(rawValue) }
}

/// Where a job record stands. `topic` is the whole name of the topic, `NAME.jobs`.
public struct SourcePosition: Hashable, Sendable, CustomStringConvertible {
    public let topic: String
    public let partition: Partition
    public let offset: Offset

    public init(topic: String, partition: Partition, offset: Offset) {
        self.topic = topic
        self.partition = partition
        self.offset = offset
    }

    public var description: String { "\(topic)/\(partition)@\(offset)" }
}
