public import FoundationEssentials
public import SigningModel

/// Where jobs come from and results go: the pipeline's port to `KafkaJobLog` and `EmbeddedJobLog`.
///
/// A log serves one stream. It is driven by one task: calls never overlap. Both logs keep the same contract, which
/// `JobLogContractTests` holds:
/// * every record of a partition is given in offset order, once per ownership of the partition;
/// * what `publish` reports as committed is visible to readers exactly once, whatever crashes;
/// * what is not committed is given again, to whoever owns the partition then.
public protocol JobLog: Sendable {
    /// The stream's name; its topics are `NAME.jobs` and `NAME.results`.
    var stream: String { get }

    /// Waits for job records, at most `demand.wait`, and tells which partitions were lost meanwhile.
    ///
    /// Must be called often, with a `limit` of 0 when nothing can be taken: it keeps the consumer in its group.
    /// - Throws: `JobLogError`; `.unavailable` may be called again later, the other kinds end the stream.
    func receive(_ demand: Demand) async throws(JobLogError) -> Intake

    /// Publishes the results, the ledger and the consumed positions of one batch in one transaction.
    ///
    /// - Returns: `.committed`, or `.rewound` when the transaction was aborted: then nothing of the batch is visible, and every
    ///   record that was not committed is received again.
    func publish(_ batch: PublishedBatch) async throws(JobLogError) -> Publication

    /// Gives the stream up. Called once, after the pipeline drained.
    func close() async
}

/// What the pipeline can take now.
public struct Demand: Sendable {
    /// Records to return at most; 0 takes none.
    public var limit: Int
    /// Partitions whose window is full: nothing is taken from them.
    public var full: Set<Partition>
    /// How long to wait for a first record.
    public var wait: Duration
    /// No key signs for the stream and has not for long: its partitions are given up, so that another worker may have them, until a later
    /// demand says otherwise. A log that has one reader ever keeps what it has and gives no records.
    public var isStandingBy: Bool

    public init(limit: Int, full: Set<Partition> = [], wait: Duration, isStandingBy: Bool = false) {
        self.limit = limit
        self.full = full
        self.wait = wait
        self.isStandingBy = isStandingBy
    }
}

/// What one call of `receive` brought.
public struct Intake: Sendable {
    /// In offset order within each partition.
    public var records: [JobRecord]
    /// Partitions that were revoked, lost or rewound: their jobs in flight are forgotten. Applies before `records`.
    public var dropped: Set<Partition>
    /// No record is known to wait behind these.
    public var isAtEnd: Bool
    /// How many workers serve the stream, this one included: told with the first intake and after each change. Applies before `records`.
    public var members: Int?
    /// The largest result that the log takes, told when it has changed; before, `Bounds.resultBytesMax`. Applies before `records`.
    public var resultBytesMax: Int?
    /// How many records of each partition the log has not given out yet, `records` taken off; told now and then by logs that know it.
    /// 0 at the end of a partition, whatever marks of transactions stand there.
    public var unread: [Partition: Int]?

    public init(
        records: [JobRecord] = [], dropped: Set<Partition> = [], isAtEnd: Bool = false, members: Int? = nil, resultBytesMax: Int? = nil,
        unread: [Partition: Int]? = nil
    ) {
        self.records = records
        self.dropped = dropped
        self.isAtEnd = isAtEnd
        self.members = members
        self.resultBytesMax = resultBytesMax
        self.unread = unread
    }
}

/// One record of a jobs topic, as it stands there: nothing of it is checked.
public struct JobRecord: Sendable {
    public var position: SourcePosition
    public var key: [UInt8]?
    public var value: [UInt8]?
    /// When the record was written, as the log says.
    public var enqueued: Date
    /// The `traceparent` header, which the result carries on.
    public var traceparent: [UInt8]?
    /// The record does not stand in the partition that its key demands (architecture: *Jobs and results*).
    public var isMisplaced: Bool
    /// An earlier signed job with this key, as far as the log durably knows.
    public var precedent: Precedent?

    public init(
        position: SourcePosition, key: [UInt8]?, value: [UInt8]?, enqueued: Date, traceparent: [UInt8]? = nil, isMisplaced: Bool = false,
        precedent: Precedent? = nil
    ) {
        self.position = position
        self.key = key
        self.value = value
        self.enqueued = enqueued
        self.traceparent = traceparent
        self.isMisplaced = isMisplaced
        self.precedent = precedent
    }
}

/// Where a job id was signed before, and for which content.
public struct Precedent: Sendable, Hashable {
    public var partition: Partition
    public var offset: Offset
    public var content: ContentDigest

    public init(partition: Partition, offset: Offset, content: ContentDigest) {
        self.partition = partition
        self.offset = offset
        self.content = content
    }
}

/// How a transaction ended.
public enum Publication: Sendable, Equatable {
    case committed
    /// Aborted and taken back; the reason is for the log.
    case rewound(reason: String)
}

/// The log's world failed.
public struct JobLogError: Error, CustomStringConvertible {
    public enum Kind: Sendable {
        /// May pass by itself: call again later.
        case unavailable
        /// Needs a change of configuration, rights or data.
        case misconfigured
        /// The stream cannot go on in this process.
        case fatal
    }

    public var kind: Kind
    /// What failed, naming it.
    public var reason: String
    /// What a person can do.
    public var remedy: String

    public init(_ kind: Kind, reason: String, remedy: String) {
        self.kind = kind
        self.reason = reason
        self.remedy = remedy
    }

    public var description: String { "\(reason); \(remedy)" }
}
