internal import CRdKafka

/// A record as it stands in a partition, copied out of librdkafka.
public struct KafkaRecord: Sendable {
    public var topic: String
    public var partition: KafkaPartition
    public var offset: KafkaOffset
    /// Nil and empty are two things.
    public var key: [UInt8]?
    public var value: [UInt8]?
    public var headers: [KafkaHeader]
    /// Milliseconds since 1970, by the producer's or the broker's clock as the topic is set; nil if the record has none.
    public var millisecondsSince1970: Int64?
}

/// A header of a record. Names may repeat.
public struct KafkaHeader: Hashable, Sendable {
    public var name: String
    public var value: [UInt8]?

    public init(_ name: String, _ value: [UInt8]?) {
        self.name = name
        self.value = value
    }
}

/// What a poll brought.
public enum KafkaEvent: Sendable {
    case record(KafkaRecord)
    /// Nothing waits in the partition; the next record will stand at this offset or later. Only with `enable.partition.eof=true`.
    case endOfPartition(KafkaPosition)
    /// The group gave or took partitions. It must be answered by `Consumer.assign` or `Consumer.unassign` before the next one comes.
    case rebalance(Rebalance)
    /// librdkafka goes on trying, unless the error is fatal.
    case failure(KafkaError, at: KafkaPosition?)
}

extension KafkaEvent {
    /// Copies a message and destroys it.
    ///
    /// - Parameter topicName: gives the name of the message's topic, which the caller keeps at hand: building a string for each
    ///   record would cost more than the rest.
    init(consuming message: UnsafeMutablePointer<rd_kafka_message_t>, of handle: OpaquePointer, topicName: (OpaquePointer) -> String) {
        defer { rd_kafka_message_destroy(message) }
        let position = message.pointee.rkt.map {
            KafkaPosition(topicName($0), KafkaPartition(message.pointee.partition), KafkaOffset(message.pointee.offset))
        }
        guard message.pointee.err == RD_KAFKA_RESP_ERR_NO_ERROR, let position else {
            if message.pointee.err == RD_KAFKA_RESP_ERR__PARTITION_EOF, let position {
                self = .endOfPartition(position)
            } else {
                let text = rd_kafka_message_errstr(message).map { String(cString: $0) }
                self = .failure(KafkaError(message.pointee.err, "rd_kafka_consumer_poll", of: handle, text: text), at: position)
            }
            return
        }
        var type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE
        let time = rd_kafka_message_timestamp(message, &type)
        self = .record(
            KafkaRecord(
                topic: position.topic, partition: position.partition, offset: position.offset,
                key: Self.bytes(message.pointee.key, message.pointee.key_len),
                value: Self.bytes(message.pointee.payload, message.pointee.len),
                headers: Self.headers(of: message),
                millisecondsSince1970: type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE || time < 0 ? nil : time))
    }

    private static func headers(of message: UnsafeMutablePointer<rd_kafka_message_t>) -> [KafkaHeader] {
        var list: OpaquePointer?
        // The list stays the message's.
        guard rd_kafka_message_headers(message, &list) == RD_KAFKA_RESP_ERR_NO_ERROR, let list else { return [] }
        var headers: [KafkaHeader] = []
        var name: UnsafePointer<CChar>?
        var value: UnsafeRawPointer?
        var size = 0
        while rd_kafka_header_get_all(list, headers.count, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR, let name {
            headers.append(KafkaHeader(String(cString: name), bytes(value, size)))
        }
        return headers
    }

    private static func bytes(_ start: UnsafeRawPointer?, _ count: Int) -> [UInt8]? {
        start.map { [UInt8](UnsafeRawBufferPointer(start: $0, count: count)) }
    }
}
