public import SigningPipeline

/// A log in memory that lets the others work when it has nothing: a pipeline asks again and again.
public struct PatientLog: JobLog {
    private let log: MemoryJobLog

    public init(_ log: MemoryJobLog) { self.log = log }

    public var stream: String { log.stream }

    public func receive(_ demand: Demand) async throws(JobLogError) -> Intake {
        let intake = try await log.receive(demand)
        if intake.records.isEmpty { try? await Task.sleep(for: .milliseconds(1)) }
        return intake
    }

    public func publish(_ batch: PublishedBatch) async throws(JobLogError) -> Publication { try await log.publish(batch) }

    public func close() async { await log.close() }
}

extension Pipeline {
    /// Runs to the log's end; throws `Stuck` when that is not there within the time.
    public func run(within limit: Duration) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await self.run() }
            group.addTask {
                try await Task.sleep(for: limit)
                throw Stuck()
            }
            try await group.next()
            group.cancelAll()
        }
    }

    public struct Stuck: Error, CustomStringConvertible { public let description = "the run did not end" }
}
