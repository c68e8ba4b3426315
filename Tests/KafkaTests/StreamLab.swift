import Kafka
import KafkaJobLog
import Log
import Metrics
import SigningModel
import SigningPipeline
import SigningTestKit
import Testing

/// A fresh stream at a broker, with workers that do as little as a pipeline may: every job gets a result that names it.
struct StreamLab {
    let broker: TestBroker
    let name = freshName("stream")
    let partitions: Int
    let metrics = Metrics()

    var jobs: String { name + ".jobs" }
    var results: String { name + ".results" }
    var ledger: String { name + ".ledger" }
    var group: String { "tanba-" + name }

    init(_ broker: TestBroker? = nil, partitions: Int, resultBytesMax: Int? = nil, replication: Int = 1) throws {
        self.broker = try broker ?? TestBroker.shared.get()
        self.partitions = partitions
        try self.broker.createTopics(jobs, ledger, partitions: partitions, replication: replication)
        try self.broker.createTopics(
            results, partitions: partitions, replication: replication, settings: resultBytesMax.map { ["max.message.bytes": String($0)] } ?? [:])
    }

    func log(
        _ worker: String = "w1", _ properties: [String: String] = [:], window: Int = 50_000, patience: Duration = .seconds(10),
        isStaticMember: Bool = false, secretFiles: [String: String] = [:], report: Log = .silent
    ) throws -> KafkaJobLog {
        var settings = KafkaJobLog.Settings(
            bootstrap: properties["bootstrap.servers"] ?? broker.bootstrap, stream: name, worker: worker,
            properties: ["session.timeout.ms": "6000", "heartbeat.interval.ms": "500"].merging(properties) { $1 })
        settings.properties["bootstrap.servers"] = nil
        settings.isStaticMember = isStaticMember
        settings.secretFiles = secretFiles
        settings.windowJobs = window
        settings.patience = patience
        return try KafkaJobLog(settings, report: report, metrics: metrics)
    }

    /// Writes jobs with these ids, each with its id as value.
    func enqueue(_ ids: some Sequence<String>) async throws {
        let writer = try KafkaJobWriter(bootstrap: broker.bootstrap, stream: name, report: .silent)
        try await writer.connect()
        let jobs = ids.enumerated().map { KafkaJobWriter.EnqueuedJob(key: Array($1.utf8), value: Array($1.utf8), tag: $0) }
        let early = try await writer.write(jobs)
        let late = try await writer.flush()
        #expect(early + late == [])
    }

    /// The values of all results that a reader may see, in order, per partition.
    func visibleResults() throws -> [[String]] {
        try (0..<partitions).map { partition in
            try broker.contents(results, Int32(partition)).map { String(decoding: $0.value ?? [], as: UTF8.self) }
        }
    }

    /// Waits until as many results are visible: markers reach the partitions a moment after the commit.
    func visibleResults(count: Int) throws -> [[String]] {
        try retrying {
            let results = try visibleResults()
            guard results.reduce(0, { $0 + $1.count }) >= count else { throw NotYet() }
            return results
        }
    }

    /// Every job has one visible result, and they stand in the order of their jobs.
    func checkOnce(_ ids: [String]) throws {
        let visible = try visibleResults(count: ids.count)
        #expect(visible.reduce(0) { $0 + $1.count } == ids.count)
        for (partition, results) in visible.enumerated() {
            let here = ids.filter { Partition.holding(key: Array($0.utf8), among: partitions).rawValue == Int32(partition) }
            #expect(results == here.map { "result of " + $0 })
        }
    }

    /// Deletes what stands before an offset of partition 0, as retention does, once it is all there: markers come a moment after the commit.
    func delete(_ topic: String, before offset: Int64) throws {
        let reader = try Reader(properties: ["bootstrap.servers": broker.bootstrap], log: KafkaClient.silent)
        try retrying {
            guard try reader.watermarks(of: topic, KafkaPartition(0), within: .seconds(10)).high.rawValue >= offset else { throw NotYet() }
        }
        try RawAdmin.deleteRecords(of: topic, 0, before: offset, at: broker.bootstrap)
    }

    /// A sample of this stream's as a scraper would see it; nil when it is not there.
    func metric(_ name: String) -> Double? {
        let text = String(decoding: metrics.prometheusText(), as: UTF8.self)
        let line = text.split(separator: "\n").first { $0.hasPrefix(name + "{stream=\"\(self.name)\"} ") }
        return line.flatMap { Double($0.split(separator: " ").last!) }
    }

    static func result(_ record: JobRecord, isSigned: Bool = true, value: [UInt8]? = nil) -> FinishedResult {
        FinishedResult(
            offset: record.position.offset, key: record.key, value: value ?? Array("result of ".utf8) + (record.value ?? []),
            fingerprint: isSigned ? fingerprint(record.key ?? []) : nil, traceparent: record.traceparent)
    }

    static func fingerprint(_ key: [UInt8]) -> JobFingerprint {
        JobFingerprint(
            id: JobIDDigest(ofKey: key),
            content: ContentDigest(bytes: Array(key.prefix(12)) + Array(repeating: 0, count: max(0, 12 - key.count)))!)
    }

    /// One prefix a partition, of records that follow each other without a gap.
    static func batch(_ records: [JobRecord], result: (JobRecord) -> FinishedResult = { StreamLab.result($0) }) -> PublishedBatch {
        let prefixes = Dictionary(grouping: records, by: \.position.partition).sorted { $0.key < $1.key }.map { partition, records in
            FinishedPrefix(
                partition: partition, from: records.first!.position.offset, to: records.last!.position.offset, results: records.map(result))
        }
        return PublishedBatch(uncheckedPrefixes: prefixes)
    }
}

extension KafkaJobLog {
    /// Receives until there are this many records, trying again while the log is away. Partitions dropped meanwhile take theirs along.
    func receive(count: Int, within time: Duration = .seconds(60)) async throws -> [JobRecord] {
        var records: [JobRecord] = []
        let end = ContinuousClock.now + time
        while records.count < count, ContinuousClock.now < end {
            let intake = try await receivePatiently(Demand(limit: count - records.count, wait: .milliseconds(100)))
            records.removeAll { intake.dropped.contains($0.position.partition) }
            records += intake.records
        }
        return records
    }

    /// Waits for a log that is away.
    func receivePatiently(_ demand: Demand, for patience: Duration = .seconds(120)) async throws -> Intake {
        let end = ContinuousClock.now + patience
        while true {
            do throws(JobLogError) { return try receive(demand) } catch {
                guard error.kind == .unavailable, ContinuousClock.now < end else { throw error }
            }
        }
    }

    /// The first error that does not pass by itself.
    func firstError() async throws -> JobLogError {
        let end = ContinuousClock.now + .seconds(60)
        while ContinuousClock.now < end {
            do throws(JobLogError) { _ = try receive(Demand(limit: 10, wait: .milliseconds(200))) } catch {
                if error.kind != .unavailable { return error }
            }
        }
        throw NotYet()
    }

    func publishPatiently(_ batch: PublishedBatch, for patience: Duration = .seconds(120)) async throws -> Publication {
        let end = ContinuousClock.now + patience
        while true {
            do throws(JobLogError) { return try publish(batch) } catch {
                guard error.kind == .unavailable, ContinuousClock.now < end else { throw error }
            }
        }
    }
}

/// A worker that does its jobs at once and publishes in small batches.
struct Hand {
    let log: KafkaJobLog
    private var held: [JobRecord] = []
    private(set) var done = 0
    /// How often the group gave it partitions, and how many members it had then.
    private(set) var rebalances = 0
    private(set) var members = 0
    var isStandingBy = false

    init(_ log: KafkaJobLog) { self.log = log }

    /// - Parameter patience: how long to wait for a log that is away.
    mutating func step(for patience: Duration = .seconds(120)) async throws {
        let demand = Demand(limit: 30, wait: .milliseconds(20), isStandingBy: isStandingBy)
        let intake = try await log.receivePatiently(demand, for: patience)
        if let members = intake.members {
            self.members = members
            rebalances += 1
        }
        held.removeAll { intake.dropped.contains($0.position.partition) }
        held += intake.records
        guard held.count >= 200 || intake.records.isEmpty && !held.isEmpty else { return }
        if try await log.publishPatiently(StreamLab.batch(held), for: patience) == .committed { done += held.count }
        held = []
    }
}
