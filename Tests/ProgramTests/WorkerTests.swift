import Foundation
import OperatingSystem
import SigningModel
import SigningTestKit
import Testing

/// `tanba-worker` in the hands of an operator.
@Suite struct WorkerTests {
    private static let noBroker: Comment = "SKIPPED: workers on a real Kafka; set KAFKA_HOME (and install Java 17), or KAFKA_BOOTSTRAP"

    /// SIGTERM: what is in flight is finished and published, nothing more is taken.
    @Test(.enabled(if: TestBroker.isAvailable, noBroker)) func aTerminatedWorkerFinishesWhatIsInFlight() async throws {
        let port = try refusingPort()
        let shared = try ProgramLab.shared.get()
        let lab = try await WorkerStand { $0.replacing(shared.authorityLine, with: "    url: \"http://127.0.0.1:\(port)/\"") }
        let authority = try await shared.startAuthority(port: port, in: lab.stand.folder)
        authority.send(SIGSTOP)
        try lab.stand.writeDocuments(12)
        try await lab.enqueue()
        let worker = try lab.startWorker()
        try await worker.wait(for: "four jobs in flight") {
            try await lab.get("/metrics").text.contains("tanba_jobs_in_flight{stream=\"\(lab.stream)\"} 4\n")
        }
        worker.send(SIGTERM)
        try await worker.wait(for: "its word that it drains") { worker.errorsSoFar.contains("\"draining\"") }
        let ready = try await lab.get("/ready")
        #expect(ready.status == 503 && ready.text.contains("draining"), "\(ready)")
        authority.send(SIGCONT)
        let ended = try await worker.ended()
        #expect(ended.status == 0, "\(ended)")
        let events = WorkerStand.events(of: ended.errors)
        #expect(events.contains("draining") && events.last == "drained" && !events.contains("drain-ended"), "\(ended)")
        #expect(try await lab.results(count: 4).count == 4)

        let next = try lab.startWorker()
        #expect(try await lab.results(of: "package").count == 12)
        try await lab.drain(next)
        #expect(try await lab.results().count == 12)
        #expect(authority.isRunning)
    }

    @Test(.enabled(if: TestBroker.isAvailable, noBroker)) func itsPagesTellHowItIs() async throws {
        let lab = try await WorkerStand()
        let worker = try lab.startWorker()
        try await worker.wait(for: "readiness") { try await lab.get("/ready").status == 200 }
        #expect(try await lab.get("/live").status == 200)
        #expect(try await lab.get("/nothing").status == 404)
        try lab.stand.writeDocuments(3)
        try await lab.enqueue(profile: "p256-b")
        #expect(try await lab.results(of: "package").count == 3)
        // Readers may see results before the worker has counted them
        var metrics = ""
        try await worker.wait(for: "three results on its page") {
            metrics = try await lab.get("/metrics").text
            return metrics.contains("tanba_results_total{stream=\"\(lab.stream)\",outcome=\"signed\"} 3\n")
        }
        try lab.stand.write(metrics, to: "metrics.txt")
        let checked = try await lab.stand.run("/bin/sh", ["-c", "promtool check metrics < metrics.txt"])
        #expect(checked.status == 0, "\(checked)")
        try await lab.drain(worker)
    }

    /// Jobs at fault become refusals, each with its code; those beside them are signed.
    @Test(.enabled(if: TestBroker.isAvailable, noBroker)) func jobsAtFaultAreRefusedAndTheRestIsSigned() async throws {
        let lab = try await WorkerStand()
        try lab.stand.writeDocuments(2)
        try await lab.enqueue(profile: "p256-b")
        let jobs = Self.jobs
        try lab.stand.write(jobs.map { "\($0.key)\t\($0.value)\n" }.joined(), to: "jobs.txt")
        let produced = try await lab.stand.run(
            "/usr/bin/env",
            ["kcat", "-q", "-b", lab.bootstrap, "-P", "-t", lab.stream + ".jobs", "-K", "\t", "-X", "partitioner=murmur2_random", "-l", "jobs.txt"])
        #expect(produced.status == 0, "\(produced)")
        let worker = try lab.startWorker()
        try await worker.wait(for: "all results") {
            try await lab.results().count >= jobs.count + 2
        }
        let results = try await lab.results()
        #expect(results.count == jobs.count + 2)
        var codes: [String: Int] = [:]
        for result in results {
            guard case .refused(let refusal) = result.outcome else { continue }
            codes[refusal.code.rawValue, default: 0] += 1
            #expect(!refusal.message.isEmpty && !refusal.remedy.isEmpty)
        }
        #expect(codes == Dictionary(uniqueKeysWithValues: jobs.filter { $0.code != "" }.map { ($0.code, 1) }))
        #expect(results.count { if case .signed = $0.outcome { true } else { false } } == 2 + jobs.count { $0.code == "" })
        let printed = try await lab.stand.run("tanba", ["results", "--stream", lab.stream])
        #expect(printed.status == 1, "some were refused")
        try await lab.drain(worker)
    }

    /// All ids are known before the first job: a package is enqueued whole or not at all.
    @Test(.enabled(if: TestBroker.isAvailable, noBroker)) func aPackageWithAnIDOverTheBoundIsNotEnqueued() async throws {
        let lab = try await WorkerStand()
        try lab.stand.writeDocuments(3)
        let long = (0..<5).map { _ in String(repeating: "x", count: 220) }.joined(separator: "/")
        try lab.stand.write("far away", to: "documents/\(long)/far.txt")
        let enqueue = ["enqueue", "documents", "--stream", lab.stream, "--profile", "p256-b", "--package", "package"]
        let refused = try await lab.stand.run("tanba", enqueue)
        #expect(refused.status == 2, "\(refused)")
        #expect(refused.errors.contains("1024 are allowed") && refused.errors.contains("Nothing was enqueued"), "\(refused)")
        let read = ["kcat", "-q", "-b", lab.bootstrap, "-C", "-e", "-t", lab.stream + ".jobs", "-f", "%k\n"]
        let none = try await lab.stand.run("/usr/bin/env", read)
        #expect(none.status == 0 && none.output == "", "\(none)")
        // The same without it, as the control of this test
        try FileManager.default.removeItem(atPath: lab.stand("documents/" + String(long.prefix(220))))
        try await lab.enqueue(profile: "p256-b")
        let all = try await lab.stand.run("/usr/bin/env", read)
        #expect(all.output.split(separator: "\n").count == 3, "\(all)")
    }

    /// The broker dies under a worker and comes back: the worker goes on by itself, and each job has its one result.
    @Test(.enabled(if: TestBroker.canBeStarted, noBroker)) func aBrokerThatDiesAndComesBackCostsNothing() async throws {
        let broker = try TestBroker()
        defer { withExtendedLifetime(broker) {} }
        let lab = try await WorkerStand(bootstrap: broker.bootstrap)
        try lab.stand.writeDocuments(30)
        try await lab.enqueue()
        let worker = try lab.startWorker()
        try await worker.wait(for: "readiness") { try await lab.get("/ready").status == 200 }
        try broker.kill()
        try await worker.wait(for: "a word about the broker") { worker.errorsSoFar.contains("Connection refused") }
        try broker.start()
        #expect(try await lab.results(of: "package").count == 30)
        try await lab.drain(worker)
        try await lab.stand.audit(["--stream", lab.stream, "--bootstrap", lab.bootstrap], signed: 30)
    }

    /// Key and value of a record, and the code of its refusal; the job without a code is in order.
    private static let jobs: [(key: String, value: String, code: String)] = {
        let digest = Data(repeating: 7, count: 32).base64EncodedString()
        func job(
            _ id: String, version: Int = 1, profile: String = "p256-b", algorithm: String = "sha256", digest: String = digest, more: String = ""
        ) -> String {
            #"{"version":\#(version),"job":"\#(id)","digest":{"algorithm":"\#(algorithm)","value":"\#(digest)"},"profile":"\#(profile)"\#(more)}"#
        }
        return [
            ("good", job("good"), ""), ("garbage", "{\"version\":1,", "job-malformed"),
            ("unknown", job("unknown", more: #","colour":"red""#), "job-key-unknown"),
            ("doubled", job("doubled", more: #","profile":"p256-b""#), "job-key-doubled"),
            ("missing", #"{"version":1,"job":"missing","profile":"p256-b"}"#, "job-field-missing"),
            ("version", job("version", version: 2), "version-unsupported"), ("profile", job("profile", profile: "nobody"), "profile-unknown"),
            ("elsewhere", job("elsewhere", profile: "rsa2048-b"), "profile-not-allowed"),
            ("short", job("short", digest: Data(repeating: 7, count: 20).base64EncodedString()), "digest-length"),
            (
                "algorithm", job("algorithm", algorithm: "sha512", digest: Data(repeating: 7, count: 64).base64EncodedString()),
                "digest-algorithm-mismatch"
            ),
            ("expired", job("expired", more: #","expires":"2020-01-01T00:00:00Z""#), "job-expired"), ("key", job("other"), "misplaced"),
        ]
    }()

    /// A broker that is away: the worker waits, says so, and can be told to stop.
    @Test func aBrokerThatIsAwayIsWaitedFor() async throws {
        let port = try refusingPort()
        let stand = try ProgramStand {
            """
            operations: {port: 0, port-file: port}
            kafka: {bootstrap: "127.0.0.1:\(port)"}
            streams: [{name: office, profiles: [p256-b]}]

            """ + $0
        }
        let worker = try stand.start("tanba-worker", [])
        try await worker.wait(for: "a warning that names the broker") {
            worker.errorsSoFar.contains("log-unavailable") && worker.errorsSoFar.contains("127.0.0.1:\(port)")
        }
        worker.send(SIGTERM)
        let ended = try await worker.ended()
        #expect(ended.status == 0, "\(ended)")
    }
}
