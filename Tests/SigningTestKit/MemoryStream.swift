public import FoundationEssentials
public import SigningModel
public import SigningPipeline

/// What a broker would hold of one stream: jobs, committed results, positions. Survives the logs that are attached to it.
///
/// Stricter than Kafka: a second log that attaches fences the first at once, and what is published is checked against the contract:
/// each prefix begins at the position, has one result for each job, in order, and signs no id twice.
public actor MemoryStream {
    public nonisolated let name: String
    public nonisolated let partitionCount: Int
    private var jobs: [[StoredJob]]
    private var committed: [[FinishedResult]]
    private var signed: [JobIDDigest: Precedent] = [:]
    private var epoch = 0
    /// Breaches of the contract by a pipeline; a test expects none.
    public private(set) var breaches: [String] = []

    private struct StoredJob {
        var key: [UInt8]?
        var value: [UInt8]?
        var time: Date
        var isMisplaced: Bool
    }

    public init(_ name: String = "test", partitions: Int = 1) {
        self.name = name
        partitionCount = partitions
        jobs = Array(repeating: [], count: partitions)
        committed = Array(repeating: [], count: partitions)
    }

    /// Writes a job record into the partition of its key.
    public func enqueue(_ job: Job, at time: Date = Date()) {
        enqueue(key: Array(job.id.utf8), value: job.encoded(), at: time)
    }

    /// Writes any record; into a partition of the caller's choice, else that of its key.
    public func enqueue(key: [UInt8]?, value: [UInt8]?, partition: Int? = nil, at time: Date = Date()) {
        let home = key.map { Int(Partition.holding(key: $0, among: partitionCount).rawValue) }
        let place = partition ?? home ?? 0
        jobs[place].append(StoredJob(key: key, value: value, time: time, isMisplaced: home != nil && home != place))
    }

    /// The records of a partition as they stand: of jobs, and of results in the order of their publication.
    public func records(of partition: Int) -> (jobs: [(key: [UInt8]?, value: [UInt8]?, time: Date)], results: [FinishedResult]) {
        (jobs[partition].map { ($0.key, $0.value, $0.time) }, committed[partition])
    }

    /// All committed results of a partition, read back.
    public func results(of partition: Int = 0) throws -> [JobResult] { try committed[partition].map { try JobResult.read($0.value) } }

    public func allResults() throws -> [JobResult] { try (0..<partitionCount).flatMap { try results(of: $0) } }

    public var jobCount: Int { jobs.reduce(0) { $0 + $1.count } }
    public var resultCount: Int { committed.reduce(0) { $0 + $1.count } }

    func attach() -> Int {
        epoch += 1
        return epoch
    }

    func isCurrent(_ epoch: Int) -> Bool { self.epoch == epoch }

    func position(of partition: Int) -> Int { committed[partition].count }

    func records(of partition: Int, from offset: Int, limit: Int) -> [JobRecord] {
        jobs[partition].indices.dropFirst(offset).prefix(limit).map { offset in
            let job = jobs[partition][offset]
            let position = SourcePosition(topic: name + ".jobs", partition: Partition(Int32(partition)), offset: Offset(Int64(offset)))
            return JobRecord(
                position: position, key: job.key, value: job.value, enqueued: job.time, isMisplaced: job.isMisplaced,
                precedent: job.key.flatMap { signed[JobIDDigest(ofKey: $0)] })
        }
    }

    func count(of partition: Int) -> Int { jobs[partition].count }

    func commit(_ batch: PublishedBatch) {
        for prefix in batch.prefixes {
            let partition = Int(prefix.partition.rawValue)
            let expected = committed[partition].count..<(committed[partition].count + prefix.results.count)
            if prefix.results.map({ Int($0.offset.rawValue) }) != Array(expected) {
                breaches.append("partition \(partition): results \(prefix.results.map(\.offset)) where \(expected) was due")
            }
            if prefix.from != prefix.results.first?.offset || prefix.to != prefix.results.last?.offset {
                breaches.append("partition \(partition): prefix \(prefix.from) to \(prefix.to) does not fit its results")
            }
            for result in prefix.results {
                if let fingerprint = result.fingerprint {
                    let precedent = Precedent(partition: prefix.partition, offset: result.offset, content: fingerprint.content)
                    if signed.updateValue(precedent, forKey: fingerprint.id) != nil {
                        breaches.append("partition \(partition): an id was signed twice")
                    }
                }
                committed[partition].append(result)
            }
        }
    }
}
