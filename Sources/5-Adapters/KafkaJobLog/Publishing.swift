import Failpoints
import Kafka
import Log
import Metrics
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
        let began = ContinuousClock.now
        let ending = session.publish(prefixes.map { topics.jobs($0.partition, at: $0.to.next) }) { transaction throws(KafkaError) in
            Failpoint.kafkaBeforeProduceResults.pass()
            for prefix in prefixes {
                for result in prefix.results {
                    var headers = [Self.schema]
                    if let traceparent = result.traceparent { headers.append(KafkaHeader("traceparent", traceparent)) }
                    try produce(transaction, session, topics.results, prefix.partition, result.key, result.value, headers)
                }
            }
            Failpoint.kafkaAfterProduceResults.pass()
            Failpoint.kafkaBeforeProduceLedger.pass()
            for prefix in prefixes {
                try produce(transaction, session, topics.ledger, prefix.partition, nil, undecided[prefix.partition]!.encoded(), [])
            }
            Failpoint.kafkaAfterProduceLedger.pass()
        }
        let (seconds, attoseconds) = (ContinuousClock.now - began).components
        metrics.transactionSeconds.observe(Double(seconds) + Double(attoseconds) / 1e18)
        try note(ending)
    }

    private func produce(
        _ transaction: Transaction, _ session: TransactSession, _ topic: String, _ partition: Partition, _ key: [UInt8]?, _ value: [UInt8],
        _ headers: [KafkaHeader]
    ) throws(KafkaError) {
        while true {
            do throws(KafkaError) {
                return try transaction.produce(to: topic, KafkaPartition(partition), key: key, value: value, headers: headers)
            } catch {
                guard error.code == .queueFull else { throw error }
                session.producer.poll(for: .milliseconds(100))
            }
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
