internal import CRdKafka

/// A connection to a cluster: what `Consumer`, `Producer`, `Reader` and `Admin` have in common.
///
/// Properties are librdkafka's own (`bootstrap.servers` and so on) and are checked by it when the client is made. No client connects
/// in its initialiser; what stops it later is told by the call that waits for it, and **why** by `takeIncidents`: librdkafka 2.0.2
/// names a wrong password or certificate nowhere else. A client is used by one thread at a time.
public class KafkaClient {
    let handle: OpaquePointer
    let mailbox: CallbackMailbox
    private var topics: [String: OpaquePointer] = [:]
    private var lastTopic: (handle: OpaquePointer, name: String)?

    init(
        _ kind: rd_kafka_type_t, properties: [String: String], log: @escaping @Sendable (KafkaLogLine) -> Void
    ) throws(KafkaError) {
        let configuration: OpaquePointer = rd_kafka_conf_new()
        var text = [CChar](repeating: 0, count: 512)
        for (name, value) in properties.sorted(by: { $0.key < $1.key }) {
            guard rd_kafka_conf_set(configuration, name, value, &text, text.count) == RD_KAFKA_CONF_OK else {
                rd_kafka_conf_destroy(configuration)
                throw KafkaError(operation: "rd_kafka_conf_set", code: .invalidArgument, text: KafkaError.text(text))
            }
        }
        mailbox = CallbackMailbox(log: log)
        let opaque = Unmanaged.passRetained(mailbox)
        mailbox.attach(to: configuration, opaque: opaque.toOpaque(), kind: kind)
        guard let handle = rd_kafka_new(kind, configuration, &text, text.count) else {
            let code = KafkaError.Code(rd_kafka_last_error())
            rd_kafka_conf_destroy(configuration)  // rd_kafka_new takes the configuration over only if it succeeds
            opaque.release()
            throw KafkaError(operation: "rd_kafka_new", code: code, text: KafkaError.text(text))
        }
        self.handle = handle
    }

    deinit {
        for topic in topics.values { rd_kafka_topic_destroy(topic) }
        // Without the flag a consumer that was not closed would be closed here, calling back into a mailbox nobody reads.
        rd_kafka_destroy_flags(handle, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE)
        Unmanaged.passUnretained(mailbox).release()  // only now no callback can come any more
    }

    /// What librdkafka reported by itself since the last call, oldest first: brokers that went away, refused logins
    /// (`.authentication`), TLS faults (`.ssl`), fatal errors. It goes on trying in all but the last case.
    public func takeIncidents() -> [KafkaError] { mailbox.takeIncidents() }

    /// How many partitions a topic has.
    ///
    /// - Throws: `.unknownTopicOrPartition` if there is no such topic, `.topicAuthorizationFailed`, or what kept the broker from answering.
    public func partitionCount(of topic: String, within timeout: Duration) throws(KafkaError) -> Int {
        var answer: UnsafePointer<rd_kafka_metadata>?
        try KafkaError.check(
            rd_kafka_metadata(handle, 0, topicHandle(topic), &answer, timeout.milliseconds), "rd_kafka_metadata", of: handle)
        defer { rd_kafka_metadata_destroy(answer) }
        guard let answer, answer.pointee.topic_cnt == 1 else {
            throw KafkaError(operation: "rd_kafka_metadata", code: .unknownTopicOrPartition, text: "\(topic): not in the broker's answer")
        }
        let found = answer.pointee.topics[0]
        guard found.err == RD_KAFKA_RESP_ERR_NO_ERROR else {
            throw KafkaError(found.err, "rd_kafka_metadata", of: handle, text: "\(topic): \(String(cString: rd_kafka_err2str(found.err)))")
        }
        return Int(found.partition_cnt)
    }

    /// What a partition holds now, asked of its leader.
    public func watermarks(of topic: String, _ partition: KafkaPartition, within timeout: Duration) throws(KafkaError) -> KafkaWatermarks {
        var low: Int64 = 0
        var high: Int64 = 0
        let code = rd_kafka_query_watermark_offsets(handle, topic, partition.rawValue, &low, &high, timeout.milliseconds)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else {
            let text = "\(topic):\(partition): \(String(cString: rd_kafka_err2str(code)))"
            throw KafkaError(code, "rd_kafka_query_watermark_offsets", of: handle, text: text)
        }
        return KafkaWatermarks(low: KafkaOffset(low), high: KafkaOffset(high))
    }

    /// How many members a consumer group has now, asked of the brokers; 0 where there is no such group.
    public func memberCount(ofGroup group: String, within timeout: Duration) throws(KafkaError) -> Int {
        var answer: UnsafePointer<rd_kafka_group_list>?
        try KafkaError.check(rd_kafka_list_groups(handle, group, &answer, timeout.milliseconds), "rd_kafka_list_groups", of: handle)
        defer { rd_kafka_group_list_destroy(answer) }
        guard let answer, answer.pointee.group_cnt > 0, let found = answer.pointee.groups?[0] else { return 0 }
        try KafkaError.check(found.err, "rd_kafka_list_groups", of: handle)
        return Int(found.member_cnt)
    }

    /// The topic's handle, made at its first use and kept as long as the client.
    func topicHandle(_ name: String) throws(KafkaError) -> OpaquePointer {
        if let topic = topics[name] { return topic }
        guard let topic = rd_kafka_topic_new(handle, name, nil) else {
            throw KafkaError(rd_kafka_last_error(), "rd_kafka_topic_new", of: handle, text: "\(name): no topic's name")
        }
        topics[name] = topic
        return topic
    }

    /// The name behind a message's topic; messages come in runs of one topic.
    func topicName(_ topic: OpaquePointer) -> String {
        if let lastTopic, lastTopic.handle == topic { return lastTopic.name }
        let name = String(cString: rd_kafka_topic_name(topic))
        lastTopic = (topic, name)
        return name
    }
}

extension Duration {
    /// Whole milliseconds as librdkafka takes them, rounded up; never negative, which would mean for ever.
    var milliseconds: Int32 {
        let (seconds, attoseconds) = components
        let whole = Double(seconds) * 1e3 + (Double(attoseconds) / 1e15).rounded(.up)
        return Int32(max(0, min(whole, Double(Int32.max))))
    }
}
