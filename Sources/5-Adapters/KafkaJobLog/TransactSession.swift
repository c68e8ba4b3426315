import Failpoints
import Kafka

/// One consumer and one transactional producer, owned together, so that no transaction outlives what its group knows.
///
/// Every error of a transactional call is classed here and nowhere else: what is retriable is tried again for a while (`patience`)
/// with the same arguments; what needs an abort is aborted; everything else means that the pair is dead. **A commit that timed out
/// is committed again, never aborted**, by this call or by `settle`.
final class TransactSession {
    let consumer: Consumer
    let producer: Producer
    private let patience: Duration
    private var open: Open?

    private enum Open {
        case committing(Transaction)
        case aborting(Transaction)
    }

    /// How a transaction stands after a call.
    enum Ending {
        case committed
        /// It will never be committed, because of this. If the abort itself is still open, `settle` goes on with it.
        case takenBack(KafkaError)
        /// The coordinator knows of no transaction to abort: none of its requests was allowed, or it is over already. The new owner of the
        /// id reads what became of it. Both clients must be closed and made anew, as librdkafka cannot go on from there.
        case gone(KafkaError)
        /// An abort that was left open is done.
        case aborted
        /// The broker was asked to end it and has not answered: `settle` asks again.
        case undecided(KafkaError)
        /// Both clients must be closed and made anew. What was under way is settled by the new producer's `initTransactions`.
        case dead(KafkaError)
    }

    init(consumer: Consumer, producer: Producer, patience: Duration) {
        self.consumer = consumer
        self.producer = producer
        self.patience = patience
    }

    /// One transaction: what `fill` produces, then where the group goes on.
    ///
    /// May only be called when `settle` had nothing to do.
    func publish(_ offsets: [KafkaPosition], fill: (Transaction) throws(KafkaError) -> Void) -> Ending {
        precondition(open == nil, "a transaction is open")
        Failpoint.kafkaBeforeBegin.pass()
        let transaction: Transaction
        do throws(KafkaError) { transaction = try producer.begin() } catch { return .dead(error) }
        Failpoint.kafkaAfterBegin.pass()
        do throws(KafkaError) {
            try fill(transaction)
            // The commit would wait for the deliveries, too; but 2.0.2 looks only every 10 ms whether all are there, and when a record
            // failed it waits for those behind it, which will never be sent.
            try deliver(transaction)
            // Fetched now, not when the jobs were: a rebalance in between must be noticed by the coordinator.
            guard let member = consumer.groupMetadata() else { preconditionFailure("a consumer of a group has metadata") }
            Failpoint.kafkaBeforeSendOffsets.pass()
            try persist { () throws(KafkaError) in try transaction.send(offsets: offsets, of: member, within: patience) }
            Failpoint.kafkaAfterSendOffsets.pass()
        } catch {
            return error.isFatal ? .dead(error) : takeBack(transaction, because: error)
        }
        return commit(transaction)
    }

    /// Waits until all that was produced is delivered, at most `patience` long.
    ///
    /// - Throws: why a record was not.
    func deliver(_ transaction: Transaction) throws(KafkaError) {
        let end = ContinuousClock.now + patience
        while producer.outstanding > 0, ContinuousClock.now < end {
            producer.poll(for: .milliseconds(1))
            if let failure = failure(in: transaction) { throw failure }
        }
        if let failure = failure(in: transaction) { throw failure }
    }

    /// Goes on with a commit or an abort that an outage left undecided; nil if there is none.
    func settle() -> Ending? {
        switch open {
        case nil: nil
        case .committing(let transaction): commit(transaction)
        case .aborting(let transaction): abort(transaction)
        }
    }

    private func commit(_ transaction: Transaction) -> Ending {
        do throws(KafkaError) {
            Failpoint.kafkaBeforeCommit.pass()
            try persist { () throws(KafkaError) in try transaction.commit(within: patience) }
            Failpoint.kafkaAfterCommit.pass()
            open = nil
            return .committed
        } catch {
            switch error.disposition {
            case .retry:
                // The commit is only sent when all records are delivered: as one failed, it was not, and never will be.
                if let failure = failure(in: transaction) { return takeBack(transaction, because: failure) }
                open = .committing(transaction)
                return .undecided(error)
            case .abort:
                return takeBack(transaction, because: error)
            case .fatal, .unclassified:
                return .dead(error)
            }
        }
    }

    private func takeBack(_ transaction: Transaction, because error: KafkaError) -> Ending {
        // A record that was not delivered says more than the call that noticed.
        let reason = failure(in: transaction) ?? error
        switch abort(transaction) {
        case .dead(let error): return .dead(error)
        case .gone: return .gone(reason)
        default: return .takenBack(reason)
        }
    }

    /// Why a record of the transaction was not delivered, if one was not. What librdkafka threw away because the transaction had failed
    /// says nothing.
    private func failure(in transaction: Transaction) -> KafkaError? {
        producer.poll(for: .zero)
        return transaction.takeFailures().map(\.error).first { ![.purgedFromQueue, .purgedInFlight].contains($0.code) }
    }

    private func abort(_ transaction: Transaction) -> Ending {
        do throws(KafkaError) {
            Failpoint.kafkaBeforeAbort.pass()
            try persist { () throws(KafkaError) in try transaction.abort(within: patience) }
            Failpoint.kafkaAfterAbort.pass()
            open = nil
            return .aborted
        } catch {
            guard error.disposition == .retry else { return error.code == .invalidTransactionState ? .gone(error) : .dead(error) }
            open = .aborting(transaction)
            return .undecided(error)
        }
    }

    /// Makes the same call again while it says that it may be, at most `patience` long.
    private func persist(_ call: () throws(KafkaError) -> Void) throws(KafkaError) {
        let end = ContinuousClock.now + patience
        while true {
            do throws(KafkaError) { return try call() } catch {
                guard error.disposition == .retry, ContinuousClock.now < end else { throw error }
                producer.poll(for: .milliseconds(100))
            }
        }
    }
}
