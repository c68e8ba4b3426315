public import SigningModel
public import SigningPipeline

/// A log on a `MemoryStream`: the fake of the `JobLog` port.
///
/// Failures are scripted: each `receive` and `publish` first does what the script says next.
public actor MemoryJobLog: JobLog {
    public enum Event: Sendable {
        /// `receive` reports these partitions as dropped, and gives their uncommitted records again.
        case loses(Set<Partition>)
        /// `publish` aborts.
        case rewinds
        /// `publish` commits, and throws as if the answer had been lost.
        case commitsAndFails(JobLogError)
        /// The next call throws.
        case fails(JobLogError)
    }

    public nonisolated let stream: String
    private let storage: MemoryStream
    private let epoch: Int
    private var next: [Int]
    private var receiveScript: [Event]
    private var publishScript: [Event]
    private let endsWithJobs: Bool
    public private(set) var publications = 0
    public private(set) var isClosed = false
    /// How often the partitions were given up.
    public private(set) var standBys = 0
    private var isStandingBy = false

    /// - Parameter endsWithJobs: reports the end when all jobs were given out.
    public init(_ storage: MemoryStream, receiveScript: [Event] = [], publishScript: [Event] = [], endsWithJobs: Bool = true) async {
        stream = storage.name
        self.storage = storage
        epoch = await storage.attach()
        var next: [Int] = []
        for partition in 0..<storage.partitionCount { next.append(await storage.position(of: partition)) }
        self.next = next
        self.receiveScript = receiveScript
        self.publishScript = publishScript
        self.endsWithJobs = endsWithJobs
    }

    public func receive(_ demand: Demand) async throws(JobLogError) -> Intake {
        try await checkEpoch()
        var intake = Intake()
        if !receiveScript.isEmpty {
            switch receiveScript.removeFirst() {
            case .loses(let partitions):
                for partition in partitions { next[Int(partition.rawValue)] = await storage.position(of: Int(partition.rawValue)) }
                intake.dropped = partitions
            case .fails(let error): throw error
            case .rewinds, .commitsAndFails: preconditionFailure("an event of publish in the script of receive")
            }
        }
        if demand.isStandingBy != isStandingBy {
            isStandingBy = demand.isStandingBy
            for partition in next.indices { next[partition] = await storage.position(of: partition) }
            if isStandingBy {
                standBys += 1
                intake.dropped.formUnion(next.indices.map { Partition(Int32($0)) })
            }
        }
        if isStandingBy {
            intake.unread = [:]
            await Task.yield()
            return intake
        }
        var isAtEnd = true
        for partition in next.indices {
            let room = demand.limit - intake.records.count
            if room > 0, !demand.full.contains(Partition(Int32(partition))) {
                let records = await storage.records(of: partition, from: next[partition], limit: room)
                next[partition] += records.count
                intake.records += records
            }
            if await next[partition] < storage.count(of: partition) { isAtEnd = false }
        }
        intake.isAtEnd = isAtEnd && endsWithJobs
        var unread: [Partition: Int] = [:]
        for partition in next.indices { unread[Partition(Int32(partition))] = await storage.count(of: partition) - next[partition] }
        intake.unread = unread
        if intake.records.isEmpty { await Task.yield() }
        return intake
    }

    public func publish(_ batch: PublishedBatch) async throws(JobLogError) -> Publication {
        try await checkEpoch()
        publications += 1
        if !publishScript.isEmpty {
            switch publishScript.removeFirst() {
            case .rewinds:
                for partition in next.indices { next[partition] = await storage.position(of: partition) }
                return .rewound(reason: "scripted")
            case .commitsAndFails(let error):
                await storage.commit(batch)
                throw error
            case .fails(let error): throw error
            case .loses: preconditionFailure("an event of receive in the script of publish")
            }
        }
        await storage.commit(batch)
        return .committed
    }

    public func close() async { isClosed = true }

    private func checkEpoch() async throws(JobLogError) {
        guard await storage.isCurrent(epoch) else {
            throw JobLogError(.fatal, reason: "fenced: another log has the stream", remedy: "let one worker have this id")
        }
    }
}
