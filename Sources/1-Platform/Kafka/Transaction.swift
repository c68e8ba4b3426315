internal import CRdKafka

/// Records and consumed offsets that become visible together or not at all.
///
/// Each call may fail in three ways, told by `KafkaError.disposition`: `.retry`, make the same call again; `.abort`, call `abort`;
/// `.fatal` (and `.unclassified`), the producer is done for. **A commit that timed out is committed again, never aborted**: the
/// coordinator may have committed already.
public final class Transaction {
    private let producer: Producer
    /// Committed or aborted: the producer may begin another.
    public private(set) var isOver = false

    init(of producer: Producer) { self.producer = producer }

    /// As `Producer.produce`, in this transaction.
    public func produce(
        to topic: String, _ partition: KafkaPartition?, key: [UInt8]?, value: [UInt8]?, headers: [KafkaHeader] = []
    ) throws(KafkaError) {
        precondition(!isOver, "the transaction is over")
        try producer.produce(to: topic, partition, key: key, value: value, headers: headers)
    }

    /// Adds where the group is to go on: the offset of each position is that of the next record to consume.
    ///
    /// - Parameter member: fetched from the consumer just now, so that a rebalance since is noticed.
    public func send(offsets: [KafkaPosition], of member: GroupMetadata, within timeout: Duration) throws(KafkaError) {
        precondition(!isOver, "the transaction is over")
        let list = PositionList(offsets)
        try KafkaError.check(
            rd_kafka_send_offsets_to_transaction(producer.handle, list.list, member.metadata, timeout.milliseconds),
            "rd_kafka_send_offsets_to_transaction", of: producer.handle)
    }

    /// Delivers what was produced and commits. After a time-out (`.retry`) it goes on in the background; calling again resumes it.
    ///
    /// librdkafka's manual recommends -1, the transaction's own timeout. But 2.0.2 waits with it for as long as the brokers are away,
    /// however long that is, and nobody would learn of it.
    public func commit(within timeout: Duration) throws(KafkaError) {
        precondition(!isOver, "the transaction is over")
        try KafkaError.check(
            rd_kafka_commit_transaction(producer.handle, timeout.milliseconds), "rd_kafka_commit_transaction", of: producer.handle)
        isOver = true
    }

    /// Takes everything back. After a time-out (`.retry`) it goes on in the background; calling again resumes it.
    public func abort(within timeout: Duration) throws(KafkaError) {
        precondition(!isOver, "the transaction is over")
        try KafkaError.check(
            rd_kafka_abort_transaction(producer.handle, timeout.milliseconds), "rd_kafka_abort_transaction", of: producer.handle)
        isOver = true
        _ = producer.takeFailures()  // the records that were purged
    }

    /// Why a record of this transaction was not delivered, if one was not: `commit` itself only says `_INCONSISTENT`.
    public func takeFailures() -> [DeliveryFailure] { producer.takeFailures() }
}
