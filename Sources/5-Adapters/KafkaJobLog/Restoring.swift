import Failpoints
import Kafka
import Log
import Metrics
import SigningModel
import SigningPipeline

// What a partition's new owner starts from.
extension KafkaJobLog {
    /// Takes the partitions that the group gave, once it is known of each where it stands and what was signed in it.
    func takeAwaited(_ session: TransactSession) throws(JobLogError) {
        guard let awaited else { return }
        let owned = try restore(awaited, session)
        Failpoint.kafkaBeforeAssign.pass()
        try attempt("take partitions") { () throws(KafkaError) in
            try session.consumer.assign(awaited.map { topics.jobs($0, at: owned[$0]!.next) })
            // librdkafka keeps a partition paused over a rebalance; its new time with us begins with an empty pen.
            try session.consumer.resume(awaited.map { topics.jobs($0) })
        }
        Failpoint.kafkaAfterAssign.pass()
        partitions = owned
        self.awaited = nil
        members = countMembers(session)
        mustSeek = false
        metrics.show(partitions.values)
        for (partition, state) in owned.sorted(by: { $0.key < $1.key }) {
            report.info(
                "partition-taken", "",
                [
                    ("partition", .init(partition.rawValue)), ("position", .init(state.next.rawValue)),
                    ("known_jobs", .init(state.known.count)),
                ])
        }
    }

    /// Each rebalance comes to every member, so each asks when the number has changed. Where the brokers do not say it, as many as there
    /// can be at most: what is shared among them is then used with too much care, not too little.
    private func countMembers(_ session: TransactSession) -> Int {
        do throws(KafkaError) {
            return max(1, try session.consumer.memberCount(ofGroup: topics.group, within: settings.patience))
        } catch {
            report.warning("group-size-unknown", "\(error)", [("assumed", .init(partitionCount))])
            return partitionCount
        }
    }

    /// Gives up what is known of all partitions and has it read again.
    func takeAnew() {
        awaited = partitions.keys.sorted()
        dropped.formUnion(partitions.keys)
        partitions = [:]
    }

    /// Goes back to the first record of each partition that is not committed.
    func seek(_ session: TransactSession) throws(JobLogError) {
        let owned = partitions.keys.sorted()
        if !owned.isEmpty {
            let committed = try committed(owned, session)
            if owned.contains(where: { (committed[$0] ?? Offset(0)) > partitions[$0]!.next }) {
                // Somebody else went on there: the group has taken the partition away, or will. What we know of it is out of date.
                takeAnew()
            } else {
                for partition in owned { partitions[partition]!.rewind() }
                Failpoint.kafkaBeforeSeek.pass()
                try attempt("go back to the committed positions") { () throws(KafkaError) in
                    try session.consumer.resume(owned.map { topics.jobs($0) })
                    try session.consumer.seek(to: owned.map { topics.jobs($0, at: partitions[$0]!.next) }, within: settings.patience)
                }
                Failpoint.kafkaAfterSeek.pass()
            }
        }
        mustSeek = false
    }

    /// Where the group stands; nothing for partitions in which it has committed nothing, or so long ago that it was forgotten.
    private func committed(_ partitions: [Partition], _ session: TransactSession) throws(JobLogError) -> [Partition: Offset] {
        Failpoint.kafkaBeforeCommitted.pass()
        let positions = try attempt("read the committed positions") { () throws(KafkaError) in
            try session.consumer.committed(partitions.map { topics.jobs($0) }, within: settings.patience)
        }
        Failpoint.kafkaAfterCommitted.pass()
        return Dictionary(
            uniqueKeysWithValues: positions.filter { $0.offset.rawValue >= 0 }.map { (Partition($0.partition), Offset($0.offset)) })
    }

    private func restore(_ wanted: [Partition], _ session: TransactSession) throws(JobLogError) -> [Partition: OwnedPartition] {
        guard !wanted.isEmpty else { return [:] }
        let reader = try attempt("read the ledger") { () throws(KafkaError) in
            try LedgerReader(topics: topics, settings: clientSettings, timeout: settings.patience, log: Self.sink(of: report))
        }
        ledgerReader = reader
        defer { ledgerReader = nil }
        // Waits until offsets of transactions under way are settled, so it is asked before the ledger is read.
        let committed = try committed(wanted, session)
        var owned: [Partition: OwnedPartition] = [:]
        Failpoint.kafkaBeforeReadLedger.pass()
        for partition in wanted {
            let ledger = try settledLedger(of: partition, reaching: committed[partition], reader)
            let position = try position(of: partition, committed: committed[partition], ledger: ledger.last, reader)
            owned[partition] = OwnedPartition(next: position, known: ledger.known)
        }
        Failpoint.kafkaAfterReadLedger.pass()
        return owned
    }

    /// The ledger, read until it has what the committed offset says was done. The markers of one transaction reach its partitions at
    /// different times, and a new owner that is early would sign a job twice.
    private func settledLedger(
        of partition: Partition, reaching committed: Offset?, _ reader: LedgerReader
    ) throws(JobLogError) -> LedgerReader.Reading {
        let end = ContinuousClock.now + settings.patience
        while true {
            let ledger = try attempt("read \(topics.ledger):\(partition)") { () throws(KafkaError) in
                try reader.read(partition, window: settings.windowJobs)
            }
            if ledger.unreadable > 0 {
                report.error(
                    "ledger-unreadable", "records of \(topics.ledger) that are none of Tanba's are passed over",
                    [("partition", .init(partition.rawValue)), ("records", .init(ledger.unreadable))])
            }
            guard let committed, ledger.last?.next ?? Offset(0) < committed else { return ledger }
            guard ledger.isUnsettled else {
                // No transaction is under way: the offset was set by hand, or the ledger's records are deleted.
                report.warning(
                    "ledger-behind", "the group stands further on than \(topics.ledger): jobs in between are not known",
                    [
                        ("partition", .init(partition.rawValue)), ("committed", .init(committed.rawValue)),
                        ("ledger", .init(ledger.last?.rawValue ?? -1)),
                    ])
                return ledger
            }
            guard ContinuousClock.now < end else {
                throw JobLogError(
                    .unavailable, reason: "\(topics.ledger):\(partition) does not yet show what the group has committed up to \(committed)",
                    remedy: "it is read again; a transaction under way there ends after its timeout; one that never does is found by "
                        + "kafka-transactions.sh --bootstrap-server \(settings.bootstrap) find-hanging, and ended by abort")
            }
        }
    }

    /// The later of the group's position and the ledger's. The group forgets its own a week after its last worker left.
    private func position(
        of partition: Partition, committed: Offset?, ledger: Offset?, _ reader: LedgerReader
    ) throws(JobLogError) -> Offset {
        let jobs = try attempt("look at \(topics.jobs):\(partition)") { () throws(KafkaError) in try reader.jobs(partition) }
        let known = [committed, ledger?.next].compactMap { $0 }.max()
        if known == nil {
            let isFirstUse = try attempt("look at \(topics.results):\(partition)") { () throws(KafkaError) in
                try !reader.hasResults(partition)
            }
            guard isFirstUse else { throw unknownPosition(partition) }
        }
        let position = known ?? Offset(0)
        if position < Offset(jobs.low) {
            let count = jobs.low.rawValue - position.rawValue
            metrics.deletedUnread.add(Double(count))
            report.error(
                "jobs-deleted-unread", "retention deleted jobs that were never read: lengthen retention.ms of \(topics.jobs)",
                [("partition", .init(partition.rawValue)), ("from", .init(position.rawValue)), ("jobs", .init(count))])
            return Offset(jobs.low)
        }
        guard position <= Offset(jobs.high) else {
            throw JobLogError(
                .misconfigured,
                reason:
                    "\(topics.jobs):\(partition) ends at \(jobs.high), but the jobs before \(position) have their results: it lost records or was made anew",
                remedy: "use a new stream; or delete the group \(topics.group), \(topics.results) and \(topics.ledger) as well")
        }
        return position
    }

    private func unknownPosition(_ partition: Partition) -> JobLogError {
        JobLogError(
            .misconfigured,
            reason:
                "\(topics.results):\(partition) has results, but neither the group \(topics.group) nor \(topics.ledger) says up to which job",
            remedy: "find its first job without a result (tanba-auditor audit), stop the stream's workers and set the group there: "
                + "kafka-consumer-groups.sh --bootstrap-server \(settings.bootstrap) --group \(topics.group) "
                + "--topic \(topics.jobs):\(partition) --reset-offsets --to-offset JOB --execute")
    }
}
