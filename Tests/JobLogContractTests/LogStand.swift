import Auditor
import EmbeddedJobLog
import EmbeddedResultStream
import Foundation
import Kafka
import KafkaJobLog
import KafkaResultStream
import Log
import Metrics
import SigningModel
import SigningPipeline
import SigningTestKit
import Testing

/// One kind of log with a stream of its own: the contract tests run on each.
struct LogStand: Sendable, CustomTestStringConvertible {
    enum Kind: String, CaseIterable { case memory, embedded, kafka }

    let kind: Kind
    let name = "contract-\(UInt64.random(in: .min ... .max))"
    private let storage: MemoryStream
    private let folder: String

    var testDescription: String { kind.rawValue }

    /// All kinds that can be had here. The test kit's own log stands in the row, so that it is at least as strict as the real ones.
    static var all: [LogStand] {
        Kind.allCases.filter { $0 != .kafka || TestBroker.isAvailable }.map(LogStand.init)
    }

    private init(_ kind: Kind) {
        self.kind = kind
        storage = MemoryStream(name, partitions: 2)
        folder = FileManager.default.temporaryDirectory.appending(path: name).path
    }

    /// Makes the stream; call once.
    func prepare() throws {
        guard kind == .kafka else { return }
        let admin = try Admin(properties: ["bootstrap.servers": try TestBroker.shared.get().bootstrap], log: { _ in })
        let topics = ["jobs", "results", "ledger"].map { "\(name).\($0)" }
        try admin.create(topics.map { .init($0, partitions: 2, replication: 1, settings: [:]) }, within: .seconds(30))
    }

    func enqueue(_ jobs: [Job]) async throws {
        switch kind {
        case .memory: for job in jobs { await storage.enqueue(job) }
        case .embedded:
            let log = try EmbeddedJobLog(directory: folder, stream: name)
            try await log.append(jobs)
            await log.close()
        case .kafka:
            let writer = try KafkaJobWriter(bootstrap: TestBroker.shared.get().bootstrap, stream: name, report: .silent)
            try await writer.connect()
            _ = try await writer.write(jobs.enumerated().map { .init(key: Array($1.id.utf8), value: $1.encoded(), tag: $0) })
            guard try await writer.flush().isEmpty else { throw StandError(what: "jobs were not delivered") }
        }
    }

    /// A worker's log. One at a time.
    func open() async throws -> any JobLog {
        switch kind {
        case .memory: return await MemoryJobLog(storage, endsWithJobs: false)
        case .embedded: return try EmbeddedJobLog(directory: folder, stream: name)
        case .kafka:
            let settings = KafkaJobLog.Settings(
                bootstrap: try TestBroker.shared.get().bootstrap, stream: name, worker: "contract",
                properties: ["session.timeout.ms": "6000", "heartbeat.interval.ms": "500"])
            return try KafkaJobLog(settings, report: .silent, metrics: Metrics())
        }
    }

    /// What a reader sees of the results now, partition after partition.
    func results() async throws -> [JobResult] {
        switch kind {
        case .memory: return try await storage.allResults()
        case .embedded: return try await records(EmbeddedResultStream(directory: folder))
        case .kafka:
            return try await records(
                KafkaResultStream(bootstrap: try TestBroker.shared.get().bootstrap, stream: name, report: .silent))
        }
    }

    /// The same, once there are so many: a broker shows what is committed a moment after it was.
    func results(count: Int) async throws -> [JobResult] {
        let end = ContinuousClock.now + .seconds(60)
        while true {
            let results = try await results()
            if results.count >= count || ContinuousClock.now > end { return results }
            await Task.yield()
        }
    }

    private func records(_ stream: some ResultStream) async throws -> [JobResult] {
        var results: [JobResult] = []
        for partition in try await stream.partitions() {
            let records = try await stream.results(of: partition.partition, from: Offset(0), limit: 100_000)
            results += try records.map { try JobResult.read($0.value ?? []) }
        }
        return results
    }

    func remove() { try? FileManager.default.removeItem(atPath: folder) }
}

struct StandError: Error { let what: String }
