import Failpoints
import Kafka
import Log
import Metrics
import OperatingSystem
import SigningModel
import SigningPipeline

// From the pipeline's batches to Kafka's transactions.
extension KafkaJobLog {
    /// Commits what of the batch is not committed yet, or leaves in `untoldRewind` why not.
    func publish(_ batch: PublishedBatch, by session: TransactSession) throws(JobLogError) {
        // An earlier call with this batch may have been left undecided and settled since.
        let prefixes = batch.prefixes.filter { prefix in partitions[prefix.partition].map { prefix.to >= $0.next } ?? true }
        guard !prefixes.isEmpty else { return }
        for prefix in prefixes {
            let isOurs = partitions[prefix.partition].map { prefix.from >= $0.next } ?? false
            guard isOurs, !dropped.contains(prefix.partition) else {
                return rewind("partition \(prefix.partition) was taken away")
            }
        }
        undecided = Dictionary(uniqueKeysWithValues: prefixes.map { ($0.partition, LedgerRecord($0)) })
        resultRoom.triedAll()
        let began = ContinuousClock.now
        let ending = session.publish(prefixes.map { topics.jobs($0.partition, at: $0.to.next) }) { transaction throws(KafkaError) in
            Failpoint.kafkaBeforeProduceResults.pass()
            for prefix in prefixes {
                for result in prefix.results {
                    var headers = [Self.schema]
                    if let traceparent = result.traceparent { headers.append(KafkaHeader("traceparent", traceparent)) }
                    try produce(transaction, session, topics.results, prefix.partition, result.value, headers, result)
                }
            }
            Failpoint.kafkaAfterProduceResults.pass()
            Failpoint.kafkaBeforeProduceLedger.pass()
            for prefix in prefixes {
                try produce(transaction, session, topics.ledger, prefix.partition, undecided[prefix.partition]!.encoded(), [], nil)
            }
            resultRoom.triedAll()
            Failpoint.kafkaAfterProduceLedger.pass()
        }
        metrics.transactionSeconds.observe((ContinuousClock.now - began).seconds)
        try note(ending)
    }

    private func produce(
        _ transaction: Transaction, _ session: TransactSession, _ topic: String, _ partition: Partition, _ value: [UInt8],
        _ headers: [KafkaHeader], _ result: FinishedResult?
    ) throws(KafkaError) {
        if resultRoom.isSingly { resultRoom.tries(topic, result) }
        var isQueued = false
        while !isQueued {
            do throws(KafkaError) {
                try transaction.produce(to: topic, KafkaPartition(partition), key: result?.key, value: value, headers: headers)
                isQueued = true
            } catch {
                // Larger than the client's own message.max.bytes: this very record.
                if error.code == .messageTooLarge { resultRoom.tries(topic, result) }
                guard error.code == .queueFull else { throw error }
                session.producer.poll(for: .milliseconds(100))
            }
        }
        if resultRoom.isSingly { try session.deliver(transaction) }
    }

    /// Something was too large for its topic.
    func learn(_ lesson: ResultRoom.Lesson) {
        switch lesson {
        case .someRecord:
            report.warning("kafka-record-too-large", "which one is found by delivering them one at a time", [("topic", .text(topics.results))])
        case .result(let bytes):
            report.error(
                "kafka-result-too-large", "jobs whose results are as large are refused: raise max.message.bytes of the topic",
                [("topic", .text(topics.results)), ("bytes", .init(bytes))])
        case .topic(let topic):
            report.error(
                "kafka-topic-too-small", "it takes not even the smallest records: raise its max.message.bytes", [("topic", .text(topic))])
        }
    }

    /// Which JSON schema a result follows: docs/schemas.
    private static let schema = KafkaHeader("schema", Array("tanba-result-v1".utf8))
}

extension LedgerRecord {
    init(_ prefix: FinishedPrefix) {
        let signed = prefix.results.compactMap { result in
            result.fingerprint.map { KnownJobs.Entry(offset: result.offset, fingerprint: $0) }
        }
        self.init(from: prefix.from, to: prefix.to, signed: signed)
    }
}
