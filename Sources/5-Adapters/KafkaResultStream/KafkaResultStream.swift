public import Auditor
import Kafka
public import Log
public import OperatingSystem
public import SigningModel

/// A stream of real Kafka, as an auditor reads it: jobs and results as far as they went when the audit began.
///
/// Nothing is stored at the brokers, and no more is needed than the right to read the two topics. Reads of one partition in order are
/// one pass over it.
public actor KafkaResultStream: ResultStream, LaneActor {
    public nonisolated let name: String
    public nonisolated let lane: SerialLane
    private let client: StreamClient
    private var bounds: Bounds?
    private var jobs: BoundedReader?
    private var results: BoundedReader?

    private struct Bounds {
        var partitions: [AuditedPartition]
        var endOfJobs: [Partition: Offset]
        var endOfResults: [Partition: Offset]
    }

    /// Connects to nothing yet.
    ///
    /// - Parameters:
    ///   - properties: librdkafka's, for access (`ClientProperties`); how records are read is settled here.
    ///   - patience: how long brokers may be silent before a call fails.
    public init(
        bootstrap: String, stream: String, properties: [String: String] = [:], patience: Duration = .seconds(30), report: Log
    ) {
        name = stream
        lane = SerialLane(label: "tanba.result-stream.\(stream)")
        client = StreamClient(bootstrap: bootstrap, stream: stream, properties: properties, patience: patience, report: report)
    }

    public func partitions() throws -> [AuditedPartition] { try fixBounds().partitions }

    public func jobs(of partition: Partition, from: Offset, limit: Int) throws -> [StreamRecord] {
        guard let end = try fixBounds().endOfJobs[partition] else { return [] }
        if jobs == nil { jobs = try BoundedReader(client, topic: client.jobs) }
        return try jobs!.records(of: partition, from: from, before: end, limit: limit)
    }

    public func results(of partition: Partition, from: Offset, limit: Int) throws -> [StreamRecord] {
        guard let end = try fixBounds().endOfResults[partition] else { return [] }
        if results == nil { results = try BoundedReader(client, topic: client.results) }
        return try results!.records(of: partition, from: from, before: end, limit: limit)
    }

    private func fixBounds() throws(KafkaStreamError) -> Bounds {
        if let bounds { return bounds }
        let committed = try client.reader()
        let uncommitted = try client.reader(isolation: "read_uncommitted")
        let jobCount = try client.partitionCount(of: client.jobs, committed)
        let resultCount = try client.partitionCount(of: client.results, committed)
        guard jobCount == resultCount else {
            throw KafkaStreamError(
                reason: "\(client.jobs) has \(jobCount) partitions, \(client.results) \(resultCount)",
                remedy: "a stream's topics must have one partition count; look into what changed it")
        }
        var bounds = Bounds(partitions: [], endOfJobs: [:], endOfResults: [:])
        var firstResults: [Partition: Offset] = [:]
        // All results first: whatever stands in one then has its job before the end of the jobs, however fast workers are.
        for number in 0..<Int32(resultCount) {
            let results = try client.watermarks(of: client.results, Partition(number), committed)
            bounds.endOfResults[Partition(number)] = results.high
            firstResults[Partition(number)] = results.low
        }
        for number in 0..<Int32(jobCount) {
            let partition = Partition(number)
            let jobs = try client.watermarks(of: client.jobs, partition, uncommitted)
            bounds.endOfJobs[partition] = jobs.high
            bounds.partitions.append(
                AuditedPartition(
                    partition: partition, firstJob: jobs.low, endOfJobs: jobs.high,
                    firstResult: firstResults[partition]!))
        }
        self.bounds = bounds
        return bounds
    }
}
