import SigningPipeline

/// librdkafka's settings: which are the user's, and which the promises fix.
public enum KafkaProperties {
    /// Why a user may not set this property; nil if he may.
    public static func refused(_ name: String) -> String? {
        let name = canonical(name)
        if let reason = fixed[name] { return reason }
        if name.hasSuffix("_cb") || name == "opaque" { return "it is a pointer of the program's, no setting" }
        return nil
    }

    static func check(_ properties: [String: String]) throws(JobLogError) {
        for name in properties.keys.sorted() {
            guard let reason = refused(name) else { continue }
            throw JobLogError(.misconfigured, reason: "kafka.properties.\(name) may not be set: \(reason)", remedy: "remove it")
        }
    }

    /// librdkafka has several names for some properties; what is set under one must override our default under another.
    static func canonical(_ name: String) -> String { aliases[name] ?? name }

    private static let aliases = [
        "metadata.broker.list": "bootstrap.servers", "request.required.acks": "acks", "message.send.max.retries": "retries",
        "queue.buffering.max.ms": "linger.ms", "compression.codec": "compression.type", "delivery.timeout.ms": "message.timeout.ms",
        "max.in.flight": "max.in.flight.requests.per.connection", "sasl.mechanism": "sasl.mechanisms",
        "max.partition.fetch.bytes": "fetch.message.max.bytes",
    ]

    private static let fixed = [
        "bootstrap.servers": "the brokers are named by kafka.bootstrap",
        "group.id": "the group is tanba-STREAM, so that all workers of a stream share its partitions",
        "transactional.id": "it is tanba-STREAM-WORKER, so that a worker that starts again ends what it left open",
        "enable.idempotence": "without it records could be doubled or lose their order",
        "acks": "a record counts only when all replicas in sync have it",
        "retries": "a record that is not tried again would be lost",
        "enable.auto.commit": "positions are committed in the transaction of their results, and nowhere else",
        "auto.commit.interval.ms": "positions are committed in the transaction of their results, and nowhere else",
        "enable.auto.offset.store": "positions are committed in the transaction of their results, and nowhere else",
        "auto.offset.reset": "the position comes from the group and the ledger; starting anywhere else would sign twice or never",
        "isolation.level": "only committed records may be read",
        "partitioner": "jobs of one id must stand in one partition, whichever client wrote them: murmur2",
        "partition.assignment.strategy": "all workers of a stream must agree on it: range",
        "group.protocol": "the group's classic protocol is what the transactions were proved with",
        "enable.partition.eof": "the end of a partition must be noticed",
        "delivery.report.only.error": "only failures are reported, as the program expects",
        "enabled_events": "the program expects callbacks",
        "log.queue": "the program expects log lines by its callback",
        "test.mock.num.brokers": "it would replace the brokers by librdkafka's mock",
    ]
}

/// The complete settings of a stream's clients: the user's over our defaults, what is fixed over both.
struct ClientSettings {
    private var common: [String: String]

    /// - Parameter properties: the user's, none of them refused.
    init(bootstrap: String, clientID: String, properties: [String: String]) {
        var common = ["client.id": clientID, "socket.keepalive.enable": "true"]
        for (name, value) in properties { common[KafkaProperties.canonical(name)] = value }
        common["bootstrap.servers"] = bootstrap
        self.common = common
    }

    /// The same with other values of some of the user's.
    func with(_ values: [String: String]) -> ClientSettings {
        var settings = self
        settings.common.merge(values) { $1 }
        return settings
    }

    /// - Parameter member: the id of a static member.
    func consumer(group: String, member: String? = nil) -> [String: String] {
        var defaults = [
            "session.timeout.ms": "45000", "heartbeat.interval.ms": "3000", "max.poll.interval.ms": "300000",
            // The memory of a backlog of any length. 2.0.2 counts values alone, and keeps some 400 bytes beside each: with jobs of 250 bytes the
            // queue takes three times its limit, and a last fetch of each partition comes on top, so fetches are small. When the queue
            // is full 2.0.2 looks again after up to a second: it holds 8,000 such jobs, and queued.min.messages stays at 100,000.
            "queued.max.messages.kbytes": "2048", "fetch.message.max.bytes": "65536",
        ]
        if let member { defaults["group.instance.id"] = member }
        return complete(
            defaults,
            fixed: [
                "group.id": group, "enable.auto.commit": "false", "enable.auto.offset.store": "false", "isolation.level": "read_committed",
                "partition.assignment.strategy": "range", "enable.partition.eof": "true",
                // Every partition is assigned with its position. Out of reach of the log, it is for us to say why, never to be skipped over.
                "auto.offset.reset": "error",
            ])
    }

    func transactionalProducer(id: String) -> [String: String] {
        let defaults = [
            "transaction.timeout.ms": "30000", "linger.ms": "0", "compression.type": "lz4",
            // After a commit the broker still writes its markers and lets the next transaction wait; 2.0.2 asks again after this time.
            "retry.backoff.ms": "10",
        ]
        return complete(defaults, fixed: ["transactional.id": id, "enable.idempotence": "true", "acks": "all"])
    }

    func enqueuingProducer() -> [String: String] {
        let defaults = [
            "linger.ms": "5", "compression.type": "lz4", "message.timeout.ms": "120000", "queue.buffering.max.messages": "10000",
            "queue.buffering.max.kbytes": "16384",
        ]
        return complete(defaults, fixed: ["enable.idempotence": "true", "acks": "all", "partitioner": "murmur2_random"])
    }

    func reader(isolation: String) -> [String: String] {
        complete(
            // A fetch that waits for records at the end of a partition holds up the next partition.
            ["queued.max.messages.kbytes": "2048", "fetch.wait.max.ms": "10"],
            fixed: ["isolation.level": isolation, "enable.partition.eof": "true", "auto.offset.reset": "error"])
    }

    private func complete(_ defaults: [String: String], fixed: [String: String]) -> [String: String] {
        common.merging(defaults) { users, _ in users }.merging(fixed) { _, fixed in fixed }
    }
}
