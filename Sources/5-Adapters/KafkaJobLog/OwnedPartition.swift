import Kafka
import SigningModel

/// A partition that this worker has, and what it knows of it.
struct OwnedPartition {
    /// The first job record that no transaction has dealt with.
    var next: Offset
    /// The jobs signed lately.
    var known: KnownJobs
    /// Records that came while nobody wanted them.
    var pen = Pen()
    /// The next record to come out of Kafka stands here or later.
    var fetched: Offset
    var isPaused = false
    /// Everything Kafka had came out of it.
    var isAtEnd = false
    /// Where its end was when that was last so: there may be marks of transactions before it, and no records.
    var reached: Offset

    init(next: Offset, known: KnownJobs) {
        self.next = next
        self.known = known
        fetched = next
        reached = next
    }

    /// How many records are not given out yet, where the partition ends there. What stands between the last record and an end that was
    /// reached are marks of enqueuers' transactions.
    func unread(before end: Offset?) -> Int { pen.count + max(0, Int((end ?? reached).rawValue - max(fetched, reached).rawValue)) }

    /// A transaction dealt with these jobs.
    mutating func commit(_ record: LedgerRecord) {
        next = record.to.next
        known.add(record)
    }

    /// Back to the first record that is not dealt with.
    mutating func rewind() {
        pen = Pen()
        fetched = next
        reached = next
        isPaused = false
        isAtEnd = false
    }
}

/// A queue of records and their size.
struct Pen {
    private var records: [KafkaRecord] = []
    private var head = 0
    private(set) var byteCount = 0

    var count: Int { records.count - head }
    var isEmpty: Bool { count == 0 }

    mutating func append(_ record: KafkaRecord) {
        records.append(record)
        byteCount += Self.size(of: record)
    }

    mutating func takeFirst() -> KafkaRecord? {
        guard head < records.count else { return nil }
        let record = records[head]
        byteCount -= Self.size(of: record)
        head += 1
        if head == records.count {
            records.removeAll(keepingCapacity: head <= 1024)
            head = 0
        } else if head == 1024 {
            records.removeFirst(head)
            head = 0
        }
        return record
    }

    private static func size(of record: KafkaRecord) -> Int { (record.key?.count ?? 0) + (record.value?.count ?? 0) }
}
