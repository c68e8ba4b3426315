import Kafka
import SigningModel

/// Reads the ledger of partitions back, as far as the window of known jobs reaches.
///
/// A topic can only be read forwards, and how many records back the window begins depends on how large the batches were: so the
/// last few are read first, then stretches before them, each four times as long, until the window is covered.
final class LedgerReader {
    private let topics: StreamTopics
    private let committed: Reader
    private let uncommitted: Reader
    private let timeout: Duration

    init(
        topics: StreamTopics, settings: ClientSettings, timeout: Duration, log: @escaping @Sendable (KafkaLogLine) -> Void
    ) throws(KafkaError) {
        self.topics = topics
        self.timeout = timeout
        committed = try Reader(properties: settings.reader(isolation: "read_committed"), log: log)
        uncommitted = try Reader(properties: settings.reader(isolation: "read_uncommitted"), log: log)
    }

    /// What the ledger says of a partition now.
    struct Reading {
        var known: KnownJobs
        /// The last job record that a transaction dealt with; nil if the ledger has no record.
        var last: Offset?
        /// A transaction is under way whose record may still become visible.
        var isUnsettled: Bool
        /// Records that are none of ours.
        var unreadable = 0
    }

    func read(_ partition: Partition, window: Int) throws(KafkaError) -> Reading {
        let number = KafkaPartition(partition)
        // In this order: what is visible by the second question was written by the first.
        let written = try uncommitted.watermarks(of: topics.ledger, number, within: timeout).high
        let visible = try committed.watermarks(of: topics.ledger, number, within: timeout)
        var reading = Reading(known: KnownJobs(window: window), isUnsettled: visible.high < written)
        var stretches: [[LedgerRecord]] = []
        var end = visible.high.rawValue
        var length: Int64 = 512
        var first: Offset?
        while end > visible.low.rawValue {
            let start = max(visible.low.rawValue, end - length)
            let stretch = try records(number, from: start, to: end, &reading.unreadable)
            for record in stretch { reading.last = max(reading.last ?? record.to, record.to) }
            if let oldest = stretch.first { first = oldest.from }
            stretches.append(stretch)
            if let first, let last = reading.last, first.rawValue <= last.rawValue - Int64(window) + 1 { break }
            end = start
            length *= 4
        }
        for record in stretches.reversed().joined() { reading.known.add(record) }
        return reading
    }

    /// Whether a result was ever committed in this partition, or was there and is deleted.
    func hasResults(_ partition: Partition) throws(KafkaError) -> Bool {
        let watermarks = try committed.watermarks(of: topics.results, KafkaPartition(partition), within: timeout)
        guard watermarks.low.rawValue == 0 else { return true }
        guard watermarks.high.rawValue > 0 else { return false }
        // There may be nothing but what a crash left in its first transaction, which was aborted then.
        let position = KafkaPosition(topics.results, KafkaPartition(partition), .beginning)
        var found = false
        try forEachRecord(at: position, before: watermarks.high.rawValue) { _ in
            found = true
            return false
        }
        return found
    }

    /// What a partition of the jobs holds.
    func jobs(_ partition: Partition) throws(KafkaError) -> KafkaWatermarks {
        try committed.watermarks(of: topics.jobs, KafkaPartition(partition), within: timeout)
    }

    /// What its clients reported by themselves.
    func takeIncidents() -> [KafkaError] {
        [committed, uncommitted].flatMap { reader in
            _ = reader.poll(for: .zero)
            return reader.takeIncidents()
        }
    }

    private func records(
        _ partition: KafkaPartition, from start: Int64, to end: Int64, _ unreadable: inout Int
    ) throws(KafkaError) -> [LedgerRecord] {
        var records: [LedgerRecord] = []
        var failed = 0
        try forEachRecord(at: KafkaPosition(topics.ledger, partition, KafkaOffset(start)), before: end) { record in
            if let read = LedgerRecord(record.value ?? []) { records.append(read) } else { failed += 1 }
            return true
        }
        unreadable += failed
        return records
    }

    /// Calls the body with each visible record of a partition before an offset, until it returns false.
    private func forEachRecord(at position: KafkaPosition, before end: Int64, _ body: (KafkaRecord) -> Bool) throws(KafkaError) {
        try committed.start(at: [position])
        while true {
            switch committed.poll(for: timeout) {
            case .record(let record):
                guard record.offset.rawValue < end, body(record) else { return }
            case .endOfPartition(let reached):
                if reached.offset.rawValue >= end { return }
            case .failure(let error, _):
                // What passes by itself is tried again inside; its end is the poll that brings nothing.
                if !error.isTransient { throw error }
            case .rebalance:
                break
            case nil:
                throw KafkaError.silence(reading: position, for: timeout)
            }
        }
    }
}
