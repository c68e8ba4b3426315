internal import CRdKafka

/// A member of a consumer group.
///
/// Rebalances come as events of `poll` and are answered by `assign` or `unassign`; meanwhile the group waits, as long as
/// `max.poll.interval.ms`. Only assignors of the eager protocol (`range`, `roundrobin`) are served: each rebalance takes all
/// partitions and gives anew. `poll` must be called at least every `max.poll.interval.ms`.
///
/// A consumer that goes without `close` stays in its group until its session times out.
public final class Consumer: KafkaClient {
    private var isClosed = false

    /// - Parameter log: called on librdkafka's threads.
    public init(properties: [String: String], log: @escaping @Sendable (KafkaLogLine) -> Void) throws(KafkaError) {
        try super.init(RD_KAFKA_CONSUMER, properties: properties, log: log)
        // From here on one queue has everything: records, rebalances and incidents.
        rd_kafka_poll_set_consumer(handle)
    }

    /// Joins the group for these topics; partitions come by `poll`.
    public func subscribe(to topics: [String]) throws(KafkaError) {
        let list = PositionList(topics.map { KafkaPosition($0, KafkaPartition(RD_KAFKA_PARTITION_UA)) })
        try KafkaError.check(rd_kafka_subscribe(handle, list.list), "rd_kafka_subscribe", of: handle)
    }

    /// Leaves the group; partitions that are held are taken by a rebalance that comes by `poll`. `subscribe` joins again.
    public func unsubscribe() throws(KafkaError) { try KafkaError.check(rd_kafka_unsubscribe(handle), "rd_kafka_unsubscribe", of: handle) }

    /// The next event, or nil if none came in time.
    public func poll(for wait: Duration) -> KafkaEvent? {
        if let rebalance = mailbox.takeRebalance() { return .rebalance(rebalance) }
        // rd_kafka_consumer_poll and not the batch call: in 2.0.2 the latter loses records of a partition that is paused meanwhile.
        let message = rd_kafka_consumer_poll(handle, wait.milliseconds)
        if let message { return KafkaEvent(consuming: message, of: handle, topicName: topicName) }
        return mailbox.takeRebalance().map { .rebalance($0) }
    }

    /// Takes these partitions, each from its offset on, and gives up all others.
    public func assign(_ positions: [KafkaPosition]) throws(KafkaError) {
        let list = PositionList(positions)
        try KafkaError.check(rd_kafka_assign(handle, list.list), "rd_kafka_assign", of: handle)
    }

    /// Gives up all partitions.
    public func unassign() throws(KafkaError) {
        try KafkaError.check(rd_kafka_assign(handle, nil), "rd_kafka_assign", of: handle)
    }

    /// Stops taking records from these partitions; what was fetched ahead of the application is thrown away and fetched again later.
    public func pause(_ positions: [KafkaPosition]) throws(KafkaError) {
        let list = PositionList(positions)
        try KafkaError.check(rd_kafka_pause_partitions(handle, list.list), "rd_kafka_pause_partitions", of: handle)
        try list.checkEach("rd_kafka_pause_partitions", of: handle)
    }

    public func resume(_ positions: [KafkaPosition]) throws(KafkaError) {
        let list = PositionList(positions)
        try KafkaError.check(rd_kafka_resume_partitions(handle, list.list), "rd_kafka_resume_partitions", of: handle)
        try list.checkEach("rd_kafka_resume_partitions", of: handle)
    }

    /// Goes to these offsets. No record from before comes after this returned.
    public func seek(to positions: [KafkaPosition], within timeout: Duration) throws(KafkaError) {
        let list = PositionList(positions)
        // Before 2.1.0 librdkafka took the milliseconds for microseconds.
        let scale: Int32 = rd_kafka_version() < 0x0201_0000 ? 1000 : 1
        let milliseconds = timeout.milliseconds.multipliedReportingOverflow(by: scale)
        try KafkaError.check(
            rd_kafka_seek_partitions(handle, list.list, milliseconds.overflow ? Int32.max : milliseconds.partialValue),
            "rd_kafka_seek_partitions", of: handle)
        try list.checkEach("rd_kafka_seek_partitions", of: handle)
    }

    /// Behind the last record of a partition that this consumer reads, as its leader said with the last records it gave: no request is made.
    /// Nil before the first answer.
    public func knownEnd(of position: KafkaPosition) -> KafkaOffset? {
        var low: Int64 = 0
        var high: Int64 = 0
        let code = rd_kafka_get_watermark_offsets(handle, position.topic, position.partition.rawValue, &low, &high)
        return code == RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0 ? KafkaOffset(high) : nil
    }

    /// Where the group stands in these partitions; `.none` where it has committed nothing.
    ///
    /// With `read_committed` it waits until offsets in an open transaction are settled, and times out if they are not.
    public func committed(_ positions: [KafkaPosition], within timeout: Duration) throws(KafkaError) -> [KafkaPosition] {
        let list = PositionList(positions)
        try KafkaError.check(rd_kafka_committed(handle, list.list, timeout.milliseconds), "rd_kafka_committed", of: handle)
        try list.checkEach("rd_kafka_committed", of: handle)
        return list.positions
    }

    /// Who this member is now; nil before it joined.
    public func groupMetadata() -> GroupMetadata? { rd_kafka_consumer_group_metadata(handle).map { GroupMetadata($0) } }

    /// Leaves the group, so that the others take over at once. Blocks for up to about `session.timeout.ms` if the broker is away.
    /// Nothing but dropping the consumer may follow.
    public func close() throws(KafkaError) {
        guard !isClosed else { return }
        isClosed = true
        mailbox.close()
        try KafkaError.check(rd_kafka_consumer_close(handle), "rd_kafka_consumer_close", of: handle)
    }
}
