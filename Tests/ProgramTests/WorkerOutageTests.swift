import Foundation
import OperatingSystem
import SigningModel
import SigningTestKit
import Testing

/// How a worker's process meets the troubles of its brokers: what it says, and with which status it ends.
@Suite struct WorkerOutageTests {
    private static let noBroker: Comment = "SKIPPED: workers and the troubles of a Kafka of ours; set KAFKA_HOME (and install Java 17)"

    /// Two workers have one id: they fence each other off, until one says so and ends, a quiet stream with it; the other does all jobs, each
    /// once.
    @Test(.enabled(if: TestBroker.isAvailable, noBroker)) func oneOfTwoWorkersWithOneIDEndsAndSaysWhy() async throws {
        let lab = try await WorkerStand()
        let quiet = try await lab.addStream("quiet", profile: "p256-b")
        let text = String(decoding: try lab.stand.read("tanba.yaml"), as: UTF8.self)
        try lab.stand.write(text.replacing("port-file: port", with: "port-file: other-port"), to: "other.yaml")
        let workers = [try lab.startWorker(), try lab.stand.start("tanba-worker", ["--config", "other.yaml"])]
        try lab.stand.writeDocuments(4)
        var rounds = 0
        let end = ContinuousClock.now + .seconds(120)
        while workers.allSatisfy(\.isRunning), ContinuousClock.now < end {
            rounds += 1
            try await lab.enqueue(package: "package \(rounds)", profile: "p256-b")
            #expect(try await lab.results(of: "package \(rounds)").count == 4)
        }
        guard let loser = workers.first(where: { !$0.isRunning }), let winner = workers.first(where: \.isRunning) else {
            Issue.record("none of the two ended, or both did: \(workers.map(\.errorsSoFar))")
            return
        }
        let ended = try await loser.ended()
        #expect(ended.status == 3, "\(ended)")
        #expect(ended.errors.contains("kafka-fatal") && ended.errors.contains("the worker id \(lab.stream)"), "\(ended)")
        #expect(!ended.errors.contains("stream \(quiet)") && WorkerStand.events(of: ended.errors).contains("draining"), "\(ended)")
        let all = try await lab.results()
        #expect(all.count == 4 * rounds)
        #expect(Set(all.map(\.source)).count == 4 * rounds)
        try await lab.drain(winner)
    }

    /// A password that the broker refuses: named at the start, and the worker ends instead of trying for ever.
    @Test(.enabled(if: TestBroker.canBeStarted, noBroker)) func aWrongPasswordEndsTheWorkerAtItsStart() async throws {
        let broker = try TestBroker.secured.get()
        let properties = try broker.properties(.passwordOverTLS, as: "worker")
        let stand = try ProgramStand {
            """
            kafka:
              bootstrap: "\(properties["bootstrap.servers"]!)"
              properties:
                security.protocol: sasl_ssl
                sasl.mechanisms: PLAIN
                sasl.username: worker
                sasl.password: env:GUESS
                ssl.ca.location: "\(properties["ssl.ca.location"]!)"
            streams: [{name: office, profiles: [p256-b]}]

            """ + $0
        }
        let worker = try stand.start("tanba-worker", [], environment: ["GUESS": "a-guess-nobody-sees"])
        let ended = try await worker.ended()
        #expect(ended.status == 2, "\(ended)")
        #expect(ended.errors.contains("Authentication failed") && ended.errors.contains("check user, password and mechanism"), "\(ended)")
        #expect(!ended.errors.contains("a-guess-nobody-sees"))
    }

    /// While the broker is away the pages say so, and for how long; when it is back, they say nothing.
    @Test(.enabled(if: TestBroker.canBeStarted, noBroker)) func thePagesTellOfABrokerThatIsAway() async throws {
        let broker = try TestBroker()
        defer { withExtendedLifetime(broker) {} }
        let lab = try await WorkerStand(bootstrap: broker.bootstrap)
        try lab.stand.writeDocuments(6)
        let worker = try lab.startWorker()
        try await worker.wait(for: "readiness") { try await lab.get("/ready").status == 200 }
        // It has nothing to do, and notices all the same.
        try broker.kill()
        try await worker.wait(for: "a word about the log") {
            let ready = try await lab.get("/ready")
            return ready.status == 503 && ready.text.contains("the log of stream \(lab.stream): ")
        }
        func unavailable() async throws -> Double {
            let line = try await lab.get("/metrics").text.split(separator: "\n").first { $0.hasPrefix("tanba_log_unavailable_seconds{") }
            return line?.split(separator: " ").last.flatMap { Double($0) } ?? -1
        }
        try await worker.wait(for: "seconds without the log") { try await unavailable() > 3 }
        try broker.start()
        try await lab.enqueue(profile: "p256-b")
        #expect(try await lab.results(of: "package").count == 6)
        try await worker.wait(for: "readiness") { try await lab.get("/ready").status == 200 }
        #expect(try await unavailable() == 0)
        try await lab.drain(worker)
    }
}
