internal import CRdKafka

/// Makes topics and looks at them.
public final class Admin: KafkaClient {
    public init(properties: [String: String], log: @escaping @Sendable (KafkaLogLine) -> Void) throws(KafkaError) {
        try super.init(RD_KAFKA_PRODUCER, properties: properties, log: log)
    }

    public struct NewTopic: Sendable {
        public var name: String
        public var partitions: Int
        /// Copies of each partition.
        public var replication: Int
        /// The broker's settings of a topic, such as `retention.ms`.
        public var settings: [String: String]

        public init(_ name: String, partitions: Int, replication: Int, settings: [String: String] = [:]) {
            self.name = name
            self.partitions = partitions
            self.replication = replication
            self.settings = settings
        }
    }

    /// Makes the topics and waits until the controller has them; other brokers may take a moment longer.
    ///
    /// - Throws: the first error of a topic, such as `.topicAlreadyExists`; the others were made all the same.
    public func create(_ topics: [NewTopic], within timeout: Duration) throws(KafkaError) {
        var text = [CChar](repeating: 0, count: 512)
        var wanted: [OpaquePointer?] = []
        defer { rd_kafka_NewTopic_destroy_array(&wanted, wanted.count) }
        for topic in topics {
            guard let new = rd_kafka_NewTopic_new(topic.name, Int32(topic.partitions), Int32(topic.replication), &text, text.count) else {
                throw KafkaError(operation: "rd_kafka_NewTopic_new", code: .invalidArgument, text: KafkaError.text(text))
            }
            wanted.append(new)
            for (name, value) in topic.settings {
                try KafkaError.check(rd_kafka_NewTopic_set_config(new, name, value), "rd_kafka_NewTopic_set_config", of: handle)
            }
        }
        let queue = rd_kafka_queue_new(handle)
        defer { rd_kafka_queue_destroy(queue) }
        let options = rd_kafka_AdminOptions_new(handle, RD_KAFKA_ADMIN_OP_CREATETOPICS)
        defer { rd_kafka_AdminOptions_destroy(options) }
        for set in [rd_kafka_AdminOptions_set_operation_timeout, rd_kafka_AdminOptions_set_request_timeout] {
            try KafkaError.check(set(options, timeout.milliseconds, &text, text.count), "rd_kafka_AdminOptions_set", of: handle)
        }
        rd_kafka_CreateTopics(handle, &wanted, wanted.count, options, queue)
        // The request has its own timeout and always answers.
        let event = rd_kafka_queue_poll(queue, -1)
        defer { rd_kafka_event_destroy(event) }
        guard rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR else {
            throw KafkaError(
                rd_kafka_event_error(event), "rd_kafka_CreateTopics", of: handle, text: String(cString: rd_kafka_event_error_string(event)))
        }
        var count = 0
        let results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count)
        for index in 0..<count {
            let result = results?[index]
            let code = rd_kafka_topic_result_error(result)
            guard code != RD_KAFKA_RESP_ERR_NO_ERROR else { continue }
            let reason = rd_kafka_topic_result_error_string(result).map { String(cString: $0) } ?? ""
            throw KafkaError(
                code, "rd_kafka_CreateTopics", of: handle, text: "\(String(cString: rd_kafka_topic_result_name(result))): \(reason)")
        }
    }
}
