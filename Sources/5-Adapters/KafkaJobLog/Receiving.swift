import Failpoints
import FoundationEssentials
import Kafka
import Log
import Metrics
import SigningModel
import SigningPipeline

// From Kafka's records to the pipeline's.
extension KafkaJobLog {
    /// Serves the consumer until enough records are at hand or the time is over.
    ///
    /// Kafka gives records of all partitions in one queue. Those that nobody wants now are penned, and their partition is paused when
    /// its pen is full. Pausing throws away what was fetched ahead, so a pipeline that is full for a moment only rests.
    func poll(_ session: TransactSession, _ demand: Demand) throws(JobLogError) {
        try resumeWanted(session, demand)
        let end = ContinuousClock.now + demand.wait
        Failpoint.kafkaBeforePoll.pass()
        defer { Failpoint.kafkaAfterPoll.pass() }
        var available = availableCount(demand)
        while true {
            let now = ContinuousClock.now
            let left = max(.zero, end - now)
            let isRested = now - lastServed >= Self.restMax
            if !isRested {
                if available > 0, available >= demand.limit { return }
                if hasFullPen, !isAnythingWanted(demand) {
                    session.producer.poll(for: left)
                    return
                }
            }
            lastServed = now
            guard let event = session.consumer.poll(for: available > 0 ? .zero : left) else {
                if available > 0 || now >= end { return }
                continue
            }
            if case .record(let record) = event {
                let partition = Partition(record.partition)
                guard pen(record, in: partition) else { continue }
                if isWanted(partition, demand) {
                    available += 1
                } else if isRested || isAnythingWanted(demand) {
                    try pauseIfFull(partition, session)
                }
            } else {
                try handle(event, session)
                if awaited != nil { try takeAwaited(session) }
                available = availableCount(demand)
            }
        }
    }

    /// What the pipeline gets of what is at hand: an equal share of each partition as far as it goes, beginning with another one each time.
    func takeIntake(_ demand: Demand) -> Intake {
        var records: [JobRecord] = []
        let wanted = partitions.keys.filter { isWanted($0, demand) && !partitions[$0]!.pen.isEmpty }.sorted()
        if !wanted.isEmpty {
            turn += 1
            let order = wanted.indices.map { wanted[($0 + turn) % wanted.count] }
            var left = min(demand.limit, availableCount(demand))
            records.reserveCapacity(left)
            while left > 0 {
                let share = max(1, left / order.count)
                for partition in order where left > 0 {
                    for _ in 0..<min(share, left) {
                        guard let record = partitions[partition]!.pen.takeFirst() else { break }
                        records.append(jobRecord(record, partition))
                        left -= 1
                    }
                }
            }
        }
        let isAtEnd = awaited == nil && partitions.values.allSatisfy { $0.isAtEnd && $0.pen.isEmpty }
        defer {
            (dropped, members) = ([], nil)
            resultRoom.isNews = false
        }
        let resultBytesMax = resultRoom.isNews ? resultRoom.bytesMax ?? Bounds.resultBytesMax : nil
        return Intake(
            records: records, dropped: dropped, isAtEnd: isAtEnd, members: members, resultBytesMax: resultBytesMax, unread: unreadIfDue())
    }

    /// What waits behind what was given out, four times a second.
    private func unreadIfDue() -> [Partition: Int]? {
        let now = ContinuousClock.now
        guard let session, unreadTold.map({ now - $0 >= .milliseconds(250) }) ?? true else { return nil }
        unreadTold = now
        return Dictionary(
            uniqueKeysWithValues: partitions.map { partition, state in
                (partition, state.unread(before: session.consumer.knownEnd(of: topics.jobs(partition)).map { Offset($0) }))
            })
    }

    private func jobRecord(_ record: KafkaRecord, _ partition: Partition) -> JobRecord {
        var precedent: Precedent?
        if let key = record.key, let entry = partitions[partition]!.known.entry(ofKey: key) {
            precedent = Precedent(partition: partition, offset: entry.offset, content: entry.fingerprint.content)
        }
        let enqueued = record.millisecondsSince1970.map { Date(timeIntervalSince1970: Double($0) / 1000) } ?? Date()
        return JobRecord(
            position: SourcePosition(topic: topics.jobs, partition: partition, offset: Offset(record.offset)), key: record.key,
            value: record.value, enqueued: enqueued, traceparent: record.headers.last { $0.name == "traceparent" }?.value,
            isMisplaced: record.key.map { Partition.holding(key: $0, among: partitionCount) != partition } ?? true, precedent: precedent)
    }

    // MARK: - Pens

    private func isWanted(_ partition: Partition, _ demand: Demand) -> Bool { demand.limit > 0 && !demand.full.contains(partition) }

    private func isAnythingWanted(_ demand: Demand) -> Bool { partitions.keys.contains { isWanted($0, demand) } }

    private func isFull(_ state: OwnedPartition) -> Bool {
        !state.isPaused && (state.pen.count >= penRecordsMax || state.pen.byteCount >= Self.penBytesMax)
    }

    private var hasFullPen: Bool { partitions.values.contains { isFull($0) } }

    private func availableCount(_ demand: Demand) -> Int {
        partitions.reduce(0) { isWanted($1.key, demand) ? $0 + $1.value.pen.count : $0 }
    }

    /// False for a record that is none of ours any more, or comes twice.
    private func pen(_ record: KafkaRecord, in partition: Partition) -> Bool {
        guard let state = partitions[partition], Offset(record.offset) >= state.fetched else { return false }
        partitions[partition]!.pen.append(record)
        partitions[partition]!.fetched = Offset(record.offset).next
        partitions[partition]!.isAtEnd = false
        return true
    }

    private func pauseIfFull(_ partition: Partition, _ session: TransactSession) throws(JobLogError) {
        guard let state = partitions[partition], isFull(state) else { return }
        partitions[partition]!.isPaused = true
        Failpoint.kafkaBeforePause.pass()
        try attempt("pause a partition") { () throws(KafkaError) in try session.consumer.pause([topics.jobs(partition)]) }
        Failpoint.kafkaAfterPause.pass()
    }

    private func resumeWanted(_ session: TransactSession, _ demand: Demand) throws(JobLogError) {
        let wanted = partitions.filter {
            $0.value.isPaused && isWanted($0.key, demand) && $0.value.pen.count <= penRecordsMax / 2
                && $0.value.pen.byteCount <= Self.penBytesMax / 2
        }
        guard !wanted.isEmpty else { return }
        for partition in wanted.keys { partitions[partition]!.isPaused = false }
        Failpoint.kafkaBeforeResume.pass()
        try attempt("resume partitions") { () throws(KafkaError) in try session.consumer.resume(wanted.keys.map { topics.jobs($0) }) }
        Failpoint.kafkaAfterResume.pass()
    }

    /// Unwanted records a partition may have at hand: few enough that all pens together stay small.
    private var penRecordsMax: Int { max(16, 512 / max(1, partitions.count)) }
    private static let penBytesMax = 1 << 20

    /// How long the group may go unserved: a rebalance is noticed that much later.
    private static let restMax = Duration.seconds(1)

    // MARK: - Events

    /// Deals with what the group has to say while partitions wait to be taken, or a transaction to be settled.
    func serveGroup(_ session: TransactSession) throws(JobLogError) {
        for _ in 0..<100 {
            guard let event = session.consumer.poll(for: .zero) else { return }
            try handle(event, session)
        }
    }

    private func handle(_ event: KafkaEvent, _ session: TransactSession) throws(JobLogError) {
        switch event {
        case .record(let record):
            if pen(record, in: Partition(record.partition)) { try pauseIfFull(Partition(record.partition), session) }
        case .endOfPartition(let position):
            partitions[Partition(position.partition)]?.isAtEnd = true
            partitions[Partition(position.partition)]?.reached = Offset(position.offset)
        case .rebalance(let rebalance): try follow(rebalance, session)
        case .failure(let error, let position): try noteFailure(error, position)
        }
    }

    private func follow(_ rebalance: Rebalance, _ session: TransactSession) throws(JobLogError) {
        metrics.rebalances.add()
        dropped.formUnion(partitions.keys)
        partitions = [:]
        metrics.show(partitions.values)
        awaited = nil
        switch rebalance {
        case .assigned(let positions):
            awaited = positions.map { Partition($0.partition) }.sorted()
            return
        case .revoked(let positions, let isLost):
            report.info("partitions-revoked", "", [("partitions", .init(positions.count)), ("lost", .init(isLost))])
        case .failed(let error):
            report.warning("rebalance-failed", error.description)
        }
        Failpoint.kafkaBeforeUnassign.pass()
        try attempt("give partitions up") { () throws(KafkaError) in try session.consumer.unassign() }
        Failpoint.kafkaAfterUnassign.pass()
    }

    private func noteFailure(_ error: KafkaError, _ position: KafkaPosition?) throws(JobLogError) {
        if error.code == .offsetOutOfReach {
            // Retention overtook us, or the log was cut: what the broker has now decides, as when the partitions were taken.
            takeAnew()
        } else if error.isTransient || error.code == .pollTooLate {
            note(error)
        } else {
            try attempt("consume \(position?.topic ?? topics.jobs)") { () throws(KafkaError) in throw error }
        }
    }
}

extension KnownJobs {
    func entry(ofKey key: [UInt8]) -> Entry? { count == 0 ? nil : entry(JobIDDigest(ofKey: key)) }
}
