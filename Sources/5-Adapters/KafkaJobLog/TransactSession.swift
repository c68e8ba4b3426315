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
            try persist { () throws(KafkaError) in try transaction.commit() }
            Failpoint.kafkaAfterCommit.pass()
            open = nil
            return .committed
        } catch {
            switch error.disposition {
            case .retry:
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
        producer.poll(for: .zero)
        let reason = transaction.takeFailures().first?.error ?? error
        switch abort(transaction) {
        case .dead(let error): return .dead(error)
        default: return .takenBack(reason)
        }
    }

    private func abort(_ transaction: Transaction) -> Ending {
        do throws(KafkaError) {
            Failpoint.kafkaBeforeAbort.pass()
            try persist { () throws(KafkaError) in try transaction.abort() }
            Failpoint.kafkaAfterAbort.pass()
            open = nil
            return .aborted
        } catch {
            guard error.disposition == .retry else { return .dead(error) }
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
