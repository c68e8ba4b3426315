/// The number of a partition within its topic, from 0.
public struct KafkaPartition: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
    public let rawValue: Int32
    public init(rawValue: Int32) { self.rawValue = rawValue }
    public init(_ rawValue: Int32) { self.rawValue = rawValue }

    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    public var description: String { String(rawValue) }
}

/// The place of a record in its partition, from 0; below zero librdkafka's logical places.
public struct KafkaOffset: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
    public let rawValue: Int64
    public init(rawValue: Int64) { self.rawValue = rawValue }
    public init(_ rawValue: Int64) { self.rawValue = rawValue }

    /// The first record that the broker still holds (`RD_KAFKA_OFFSET_BEGINNING`).
    public static let beginning = KafkaOffset(-2)
    /// Behind the last record (`RD_KAFKA_OFFSET_END`).
    public static let end = KafkaOffset(-1)
    /// None (`RD_KAFKA_OFFSET_INVALID`).
    public static let none = KafkaOffset(-1001)

    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    public var description: String {
        switch self {
        case .beginning: "beginning"
        case .end: "end"
        case .none: "none"
        default: String(rawValue)
        }
    }
}

/// A partition of a topic, and a place in it where one is meant.
public struct KafkaPosition: Hashable, Sendable, CustomStringConvertible {
    public var topic: String
    public var partition: KafkaPartition
    public var offset: KafkaOffset

    public init(_ topic: String, _ partition: KafkaPartition, _ offset: KafkaOffset = .none) {
        self.topic = topic
        self.partition = partition
        self.offset = offset
    }

    public var description: String { offset == .none ? "\(topic):\(partition)" : "\(topic):\(partition)@\(offset)" }
}

/// What a partition holds: records from `low` to before `high`. For a client with `isolation.level=read_committed`, librdkafka's
/// default, `high` is the last stable offset: the first offset of an open transaction, if there is one.
public struct KafkaWatermarks: Hashable, Sendable {
    public let low: KafkaOffset
    public let high: KafkaOffset
}
