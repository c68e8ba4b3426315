internal import CRdKafka

/// Reads chosen partitions from chosen offsets, in no group: for whoever looks at topics without taking part.
///
/// Nothing is stored at the broker and no right on a group is needed. `queued.max.messages.kbytes` counts per partition here.
public final class Reader: KafkaClient {
    private var queue: OpaquePointer?
    private var started: Set<KafkaPosition> = []

    public init(properties: [String: String], log: @escaping @Sendable (KafkaLogLine) -> Void) throws(KafkaError) {
        try super.init(RD_KAFKA_CONSUMER, properties: properties, log: log)
        queue = rd_kafka_queue_new(handle)
    }

    deinit {
        // librdkafka's manual: every started partition is stopped before the client is destroyed.
        for position in started {
            if let topic = try? topicHandle(position.topic) { rd_kafka_consume_stop(topic, position.partition.rawValue) }
        }
        rd_kafka_queue_destroy(queue)
    }

    /// Begins, or begins anew, to read a partition at the position's offset. No record from before comes after this returned.
    public func start(at position: KafkaPosition) throws(KafkaError) {
        try stop(position)
        guard
            rd_kafka_consume_start_queue(try topicHandle(position.topic), position.partition.rawValue, position.offset.rawValue, queue) == 0
        else { throw KafkaError(rd_kafka_last_error(), "rd_kafka_consume_start_queue", of: handle) }
        started.insert(KafkaPosition(position.topic, position.partition))
    }

    /// Ends reading a partition; the offset is not looked at.
    public func stop(_ position: KafkaPosition) throws(KafkaError) {
        guard started.remove(KafkaPosition(position.topic, position.partition)) != nil else { return }
        guard rd_kafka_consume_stop(try topicHandle(position.topic), position.partition.rawValue) == 0 else {
            throw KafkaError(rd_kafka_last_error(), "rd_kafka_consume_stop", of: handle)
        }
    }

    /// The next event, or nil if none came in time.
    public func poll(for wait: Duration) -> KafkaEvent? {
        rd_kafka_poll(handle, 0)  // incidents have a queue of their own here
        return rd_kafka_consume_queue(queue, wait.milliseconds).map { KafkaEvent(consuming: $0, of: handle, topicName: topicName) }
    }
}
