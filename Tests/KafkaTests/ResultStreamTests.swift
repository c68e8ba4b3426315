import Auditor
import FoundationEssentials
import Kafka
import KafkaJobLog
import KafkaResultStream
import Log
import SigningModel
import SigningPipeline
import SigningTestKit
import Testing

@Suite struct ClientPropertiesTests {
    @Test func linesAreReadAsKcatReadsThem() throws {
        let text = "# access\n\nsecurity.protocol=ssl\r\n  sasl.password = a=b #c \nempty=\n"
        #expect(
            try ClientProperties.parse(text, file: "f") == ["security.protocol": "ssl", "sasl.password": "a=b #c", "empty": ""])
        #expect(try ClientProperties.parse("", file: "f") == [:])
    }

    @Test(arguments: [("a=b\nsecret", "f:2"), ("=secret", "f:1"), ("a=secret\nb=c\na=secret", "f:3")])
    func faultsNameTheirLineAndNoValue(text: String, place: String) {
        let error = #expect(throws: KafkaStreamError.self) { try ClientProperties.parse(text, file: "f") }
        #expect(error?.reason.hasPrefix(place) == true)
        #expect(error?.description.contains("secret") == false)
    }
}

/// Goal: an auditor sees what is committed, all of it, and nothing that came after it began.
@Suite(.enabled(if: TestBroker.isAvailable)) struct ResultStreamTests {
    func stream(_ lab: StreamLab) -> KafkaResultStream {
        KafkaResultStream(bootstrap: lab.broker.bootstrap, stream: lab.name, report: .silent)
    }

    func work(_ lab: StreamLab, _ count: Int) async throws {
        let log = try lab.log()
        #expect(try await log.publish(StreamLab.batch(try await log.receive(count: count))) == .committed)
        await log.close()
    }

    @Test func jobsAndResultsAreReadUpToTheStart() async throws {
        let lab = try StreamLab(partitions: 2)
        let ids = (0..<100).map { "job \($0)" }
        try await lab.enqueue(ids)
        try await work(lab, 100)
        _ = try lab.visibleResults(count: 100)
        let stream = stream(lab)
        let partitions = try await stream.partitions()
        #expect(partitions.map(\.partition.rawValue) == [0, 1])
        #expect(partitions.reduce(0) { $0 + $1.endOfJobs.rawValue - $1.firstJob.rawValue } == 100)
        // what comes now is not part of the audit
        try await lab.enqueue(["late"])
        try await work(lab, 1)

        var jobs: [String] = []
        var results: [String] = []
        for partition in partitions {
            var next = partition.firstJob
            while true {
                let records = try await stream.jobs(of: partition.partition, from: next, limit: 7)
                guard let last = records.last else { break }
                #expect(records.count <= 7 && records.first!.offset >= next)
                #expect(records.allSatisfy { abs($0.time.timeIntervalSinceNow) < 600 && $0.key == $0.value })
                jobs += records.map { String(decoding: $0.value!, as: UTF8.self) }
                next = last.offset.next
            }
            #expect(next == partition.endOfJobs)
            next = Offset(0)
            while case let records = try await stream.results(of: partition.partition, from: next, limit: 1000), let last = records.last {
                results += records.map { String(decoding: $0.value!, as: UTF8.self) }
                next = last.offset.next
            }
        }
        #expect(Set(jobs) == Set(ids) && jobs.count == 100)
        #expect(Set(results) == Set(ids.map { "result of " + $0 }) && results.count == 100)
        // any place may be read again
        let again = try await stream.jobs(of: Partition(0), from: Offset(3), limit: 2)
        #expect(again.map(\.offset.rawValue) == [3, 4])
    }

    /// An open transaction at the end of the results is not there, and does not keep the auditor waiting.
    @Test func openAndAbortedTransactionsAreNotThere() async throws {
        let lab = try StreamLab(partitions: 1)
        try await lab.enqueue(["a"])
        let producer = try Producer(
            properties: ["bootstrap.servers": lab.broker.bootstrap, "transactional.id": freshName("id")], log: KafkaClient.silent)
        try producer.initTransactions(within: .seconds(30))
        for aborts in [true, false] {
            let transaction = try producer.begin()
            try transaction.produce(to: lab.results, KafkaPartition(0), key: nil, value: [1])
            try producer.flush(within: .seconds(20))
            if aborts { try transaction.abort(within: .seconds(30)) }
        }
        let stream = stream(lab)
        #expect(try await stream.results(of: Partition(0), from: Offset(0), limit: 10).isEmpty)
        #expect(try await stream.jobs(of: Partition(0), from: Offset(0), limit: 10).count == 1)
        let follower = ResultFollower(bootstrap: lab.broker.bootstrap, stream: lab.name, report: .silent)
        let caught = try await follower.next(limit: 10, wait: .seconds(20))
        #expect(caught.results.isEmpty && caught.isAtEnd)
    }

    @Test func aStreamThatIsNotThereIsNamed() async throws {
        let broker = try TestBroker.shared.get()
        let stream = KafkaResultStream(bootstrap: broker.bootstrap, stream: freshName("missing"), report: .silent)
        let error = await #expect(throws: KafkaStreamError.self) { try await stream.partitions() }
        #expect(error?.isTransient == false && error?.isMisconfigured == true)
        #expect(error?.reason.contains(".jobs") == true)
    }

    @Test func brokersThatAreAwayAreNamed() async throws {
        let gone = "127.0.0.1:\(try refusingPort())"
        // Longer than one look, of which the last alone need not know why.
        let stream = KafkaResultStream(bootstrap: gone, stream: "s", patience: .seconds(6), report: .silent)
        let error = await #expect(throws: KafkaStreamError.self) { try await stream.partitions() }
        #expect(error?.isTransient == true && error?.isMisconfigured == false)
        #expect(error?.reason.contains("Connection refused") == true, "\(error?.reason ?? "")")
    }

    @Test func aFollowerGoesOnWithWhatComes() async throws {
        let lab = try StreamLab(partitions: 3)
        let follower = ResultFollower(bootstrap: lab.broker.bootstrap, stream: lab.name, report: .silent)
        var results: [String] = []
        func follow(until count: Int) async throws {
            let end = ContinuousClock.now + .seconds(60)
            while ContinuousClock.now < end {
                let caught = try await follower.next(limit: 11, wait: .seconds(1))
                #expect(caught.results.count <= 11)
                results += caught.results.map { String(decoding: $0.record.value!, as: UTF8.self) }
                if caught.isAtEnd, results.count >= count { return }
            }
        }
        try await follow(until: 0)
        #expect(results.isEmpty)
        for round in 1...2 {
            try await lab.enqueue((0..<50).map { "job \(round) \($0)" })
            try await work(lab, 50)
            try await follow(until: 50 * round)
            #expect(Set(results).count == 50 * round && results.count == 50 * round)
        }
    }
}
