internal import CRdKafka

/// Reads chosen partitions from chosen offsets, in no group: for whoever looks at topics without taking part.
///
/// Nothing is stored at the broker and no right on a group is needed. `queued.max.messages.kbytes` counts per partition here.
public final class Reader: KafkaClient {
    private var queue: OpaquePointer?
    private var started: [KafkaPosition] = []

    public init(properties: [String: String], log: @escaping @Sendable (KafkaLogLine) -> Void) throws(KafkaError) {
        try super.init(RD_KAFKA_CONSUMER, properties: properties, log: log)
    }

    deinit {
        // librdkafka's manual: every started partition is stopped before the client is destroyed.
        try? stop()
    }

    /// From now on reads these partitions from their offsets on, and no others. Nothing comes any more of what was read before.
    public func start(at positions: [KafkaPosition]) throws(KafkaError) {
        try stop()
        queue = rd_kafka_queue_new(handle)
        for position in positions {
            let topic = try topicHandle(position.topic)
            guard rd_kafka_consume_start_queue(topic, position.partition.rawValue, position.offset.rawValue, queue) == 0 else {
                throw KafkaError(rd_kafka_last_error(), "rd_kafka_consume_start_queue", of: handle)
            }
            started.append(position)
        }
    }

    /// Ends reading.
    public func stop() throws(KafkaError) {
        while let position = started.popLast() {
            guard rd_kafka_consume_stop(try topicHandle(position.topic), position.partition.rawValue) == 0 else {
                throw KafkaError(rd_kafka_last_error(), "rd_kafka_consume_stop", of: handle)
            }
        }
        // Each start has a queue of its own: 2.0.2 leaves the ends of partitions in it that were reached before the stop, and they
        // would end the next reading early.
        if let queue { rd_kafka_queue_destroy(queue) }
        queue = nil
    }

    /// The next event, or nil if none came in time. Waits for nothing if nothing is read.
    public func poll(for wait: Duration) -> KafkaEvent? {
        rd_kafka_poll(handle, 0)  // incidents have a queue of their own here
        guard let queue else { return nil }
        return rd_kafka_consume_queue(queue, wait.milliseconds).map { KafkaEvent(consuming: $0, of: handle, topicName: topicName) }
    }
}
