import Kafka
import KafkaJobLog
import Log
import Metrics
import SigningModel
import SigningPipeline
import SigningTestKit
import Testing

/// Goal: what keeps a stream from starting is named, with what to do, in bounded time.
@Suite struct JobLogStartTests {
    @Test func aBrokerThatIsAwayIsUnavailableAndNamed() async throws {
        let gone = "127.0.0.1:\(try refusingPort())"
        var settings = KafkaJobLog.Settings(bootstrap: gone, stream: "s", worker: "w1")
        settings.patience = .seconds(3)
        let log = try KafkaJobLog(settings, report: .silent, metrics: Metrics())
        for _ in 0..<2 {
            let began = ContinuousClock.now
            let error = await #expect(throws: JobLogError.self) { try await log.receive(Demand(limit: 1, wait: .zero)) }
            #expect(error?.kind == .unavailable)
            #expect(error?.reason.contains("Connection refused") == true, "\(error?.reason ?? "")")
            #expect(error?.remedy.contains(gone) == true)
            #expect(ContinuousClock.now - began < .seconds(30))
        }
        await log.close()
    }

    @Test func propertiesThatThePromisesFixAreRefused() {
        let settings = KafkaJobLog.Settings(bootstrap: "h", stream: "s", worker: "w", properties: ["isolation.level": "read_uncommitted"])
        let error = #expect(throws: JobLogError.self) { _ = try KafkaJobLog(settings, report: .silent, metrics: Metrics()) }
        #expect(error?.kind == .misconfigured)
        #expect(error?.reason.contains("isolation.level") == true)
    }

    @Test func propertiesThatLibrdkafkaDoesNotKnowAreNamed() async throws {
        let settings = KafkaJobLog.Settings(bootstrap: "h", stream: "s", worker: "w", properties: ["lingre.ms": "1"])
        let log = try KafkaJobLog(settings, report: .silent, metrics: Metrics())
        let error = await #expect(throws: JobLogError.self) { try await log.receive(Demand(limit: 1, wait: .zero)) }
        #expect(error?.kind == .misconfigured)
        #expect(error?.reason.contains("lingre.ms") == true)
    }
}

/// The same at a real broker.
@Suite(.enabled(if: TestBroker.isAvailable)) struct JobLogStreamTests {
    @Test func missingTopicsAreNamed() async throws {
        let broker = try TestBroker.shared.get()
        let name = freshName("missing")
        let log = try KafkaJobLog(.init(bootstrap: broker.bootstrap, stream: name, worker: "w"), report: .silent, metrics: Metrics())
        let error = try await log.firstError()
        #expect(error.kind == .misconfigured)
        #expect(error.reason.contains(name + ".jobs"))
        let writer = try KafkaJobWriter(bootstrap: broker.bootstrap, stream: name, report: .silent)
        let second = await #expect(throws: JobLogError.self) { try await writer.connect() }
        #expect(second?.kind == .misconfigured)
    }

    @Test func partitionCountsMustAgree() async throws {
        let broker = try TestBroker.shared.get()
        let name = freshName("uneven")
        try broker.createTopics(name + ".jobs", name + ".ledger", partitions: 2)
        try broker.createTopics(name + ".results", partitions: 1)
        let log = try KafkaJobLog(.init(bootstrap: broker.bootstrap, stream: name, worker: "w"), report: .silent, metrics: Metrics())
        let error = try await log.firstError()
        #expect(error.kind == .misconfigured)
        #expect(error.reason.contains("2, 1, 2"))
    }

    /// TLS spoken to a broker without it: the call times out, the incident says why.
    @Test func connectionsThatCannotBeMadeAreNamed() async throws {
        let lab = try StreamLab(partitions: 1)
        var settings = KafkaJobLog.Settings(
            bootstrap: lab.broker.bootstrap, stream: lab.name, worker: "w", properties: ["security.protocol": "ssl"])
        settings.patience = .seconds(2)
        let log = try KafkaJobLog(settings, report: .silent, metrics: Metrics())
        let error = try await log.firstError()
        #expect(error.kind == .misconfigured)
        #expect(error.reason.contains("SSL") && error.remedy.contains("security.protocol"), "\(error)")
    }

    /// Results, and nobody knows up to which job: signing from the start would double them.
    @Test func aPositionThatNobodyKnowsStopsTheStream() async throws {
        let lab = try StreamLab(partitions: 1)
        try await lab.enqueue(["a"])
        let producer = try Producer(properties: ["bootstrap.servers": lab.broker.bootstrap], log: KafkaClient.silent)
        try producer.produce(to: lab.results, KafkaPartition(0), key: nil, value: [1])
        try producer.flush(within: .seconds(20))
        let log = try lab.log()
        let error = try await log.firstError()
        #expect(error.kind == .misconfigured)
        #expect(error.reason.contains(lab.results))
        #expect(error.remedy.contains("--reset-offsets"))
        await log.close()
    }

    /// Retention took jobs that nobody had read: an alert, and on with the first that is there.
    @Test func jobsDeletedUnreadAreAnAlert() async throws {
        let lab = try StreamLab(partitions: 1)
        try await lab.enqueue((0..<10).map { "job \($0)" })
        let first = try lab.log()
        let records = try await first.receive(count: 3)
        #expect(try await first.publish(StreamLab.batch(records)) == .committed)
        await first.close()
        try RawAdmin.deleteRecords(of: lab.jobs, 0, before: 7, at: lab.broker.bootstrap)
        let second = try lab.log()
        #expect(try await second.receive(count: 3).map(\.position.offset.rawValue) == [7, 8, 9])
        let counter = lab.metrics.counter(
            "tanba_kafka_jobs_deleted_unread_total", help: "Job records that retention deleted before they were read.", labels: ["stream"])
        #expect(counter.value(lab.name) == 4)
        await second.close()
    }

    /// The same before the first worker came.
    @Test func jobsDeletedBeforeTheFirstUseAreAnAlert() async throws {
        let lab = try StreamLab(partitions: 1)
        try await lab.enqueue((0..<4).map { "job \($0)" })
        try RawAdmin.deleteRecords(of: lab.jobs, 0, before: 3, at: lab.broker.bootstrap)
        let log = try lab.log()
        #expect(try await log.receive(count: 1).map(\.position.offset.rawValue) == [3])
        #expect(lab.metric("tanba_kafka_jobs_deleted_unread_total") == 3)
        await log.close()
    }

    @Test func aJobsTopicThatWasMadeAnewStopsTheStream() async throws {
        let lab = try StreamLab(partitions: 1)
        let producer = try Producer(
            properties: ["bootstrap.servers": lab.broker.bootstrap, "transactional.id": freshName("id")], log: KafkaClient.silent)
        try producer.initTransactions(within: .seconds(30))
        let transaction = try producer.begin()
        // a ledger that tells of 100 jobs, and no job
        try transaction.produce(to: lab.ledger, KafkaPartition(0), key: nil, value: [UInt8](repeating: 0, count: 15) + [99])
        try transaction.commit(within: .seconds(30))
        let log = try lab.log()
        let error = try await log.firstError()
        #expect(error.kind == .misconfigured)
        #expect(error.reason.contains("made anew"))
        await log.close()
    }
}
