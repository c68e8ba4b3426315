public import FoundationEssentials
public import SigningModel

/// The auditor's port: one stream as it stood when the audit began, its jobs and its results read by partition in the order of offsets.
///
/// Results are read `read_committed`: what an aborted transaction left behind is not there. Implementations share nothing with the
/// adapters that write a stream. Calls for one partition never overlap; calls for different partitions may.
public protocol ResultStream: Sendable {
    /// The stream's name, without `.jobs` or `.results`.
    var name: String { get }

    /// Every partition of the stream, in order. The first call fixes where the audit ends: what is appended later is not part of it.
    func partitions() async throws -> [AuditedPartition]

    /// Up to `limit` job records from `from` on, in order of their offsets, which may have gaps. Empty means: no more, as of the start.
    func jobs(of partition: Partition, from: Offset, limit: Int) async throws -> [StreamRecord]

    /// Up to `limit` result records from `from` on, likewise. `from` and the records' offsets are places in the results' own partition.
    func results(of partition: Partition, from: Offset, limit: Int) async throws -> [StreamRecord]
}

/// Where the jobs of one partition begin and end, and where its results begin, as of the start of the audit.
public struct AuditedPartition: Sendable, Hashable {
    public let partition: Partition
    /// The offset of the first job record that is still there; more than 0 when older ones were deleted.
    public let firstJob: Offset
    /// One more than the offset of the last job record.
    public let endOfJobs: Offset
    /// The offset of the first result record that is still there; more than 0 when older ones were deleted.
    public let firstResult: Offset
    /// Nothing is known of the jobs: results are judged by themselves.
    public var isWithoutJobs: Bool { firstJob == Self.unknown }

    private static let unknown = Offset(.max)

    /// A partition of which there are results alone.
    public init(resultsAloneOf partition: Partition, firstResult: Offset) {
        self.init(partition: partition, firstJob: Self.unknown, endOfJobs: Self.unknown, firstResult: firstResult)
    }

    public init(partition: Partition, firstJob: Offset, endOfJobs: Offset, firstResult: Offset = Offset(0)) {
        self.partition = partition
        self.firstJob = firstJob
        self.endOfJobs = endOfJobs
        self.firstResult = firstResult
    }
}

/// A record as the log holds it.
public struct StreamRecord: Sendable {
    public let offset: Offset
    public let key: [UInt8]?
    public let value: [UInt8]?
    /// When the log says that it was appended (Kafka: the record's timestamp).
    public let time: Date

    public init(offset: Offset, key: [UInt8]?, value: [UInt8]?, time: Date) {
        self.offset = offset
        self.key = key
        self.value = value
        self.time = time
    }
}
