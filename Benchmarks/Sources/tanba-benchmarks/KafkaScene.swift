import Foundation
import Kafka
import KafkaJobLog
import Log
import SigningModel

/// Why a measure was not taken, on a machine that lacks what it needs.
struct Skipped: Error { let reason: String }

/// What measures on Kafka stand on: the broker that Benchmarks/run started, and workers as users start them.
struct KafkaScene {
    let scene: Scene
    fileprivate let bootstrap: String
    fileprivate let worker: String
    private let topicTool: String

    init(_ scene: Scene) throws {
        let environment = ProcessInfo.processInfo.environment
        guard let bootstrap = environment["TANBA_BENCHMARK_KAFKA"], let worker = environment["TANBA_BENCHMARK_WORKER"],
            let topicTool = environment["TANBA_BENCHMARK_TOPICS"]
        else { throw Skipped(reason: "no broker: set KAFKA_HOME to an unpacked Kafka, or KAFKA_BOOTSTRAP") }
        self.scene = scene
        self.bootstrap = bootstrap
        self.worker = worker
        self.topicTool = topicTool
    }

    /// A new stream, empty.
    func stream(_ name: String) async throws -> KafkaStream {
        let unique = "benchmark-\(name)-\(UInt32.random(in: 0 ... .max))"
        for topic in ["jobs", "results", "ledger"] {
            _ = try run("python3", topicTool, bootstrap, "create", "\(unique).\(topic)", "\(KafkaStream.partitions)", "cleanup.policy=delete")
        }
        return try await KafkaStream(unique, bootstrap)
    }

    /// A worker for one stream with one profile, named like its key. Its clients are librdkafka's with Tanba's settings, but for the session
    /// timeout and what TANBA_BENCHMARK_PROPERTIES says (`name: value, …`), with which others are tried.
    func startWorker(_ id: String, _ stream: KafkaStream, _ key: Key, _ token: WorkerToken) throws -> KafkaWorker {
        let name = "\(stream.name)-\(id)"
        let properties = ProcessInfo.processInfo.environment["TANBA_BENCHMARK_PROPERTIES"].map { ", \($0)" } ?? ""
        let configuration = """
            worker: {id: \(id), state-directory: "\(scene.folder)/\(name).state"}
            kafka:
              bootstrap: "\(bootstrap)"
              properties: {session.timeout.ms: 6000\(properties)}
            tokens:
              - name: token
                module: "\(token.module)"
                label: \(token.label)
                pin: env:TANBA_BENCHMARK_PIN
                sessions: \(token.sessions)
                environment: {SOFTHSM2_CONF: "\(token.softhsmConfiguration)"}
            profiles:
              - {name: \(key.name), token: token, key: "0\(key.id)", certificate: "\(scene.folder)/\(key.name).pem", chain: "\(scene.folder)/ca.pem", level: B-B}
            streams:
              - {name: \(stream.name), profiles: [\(key.name)]}

            """
        let file = "\(scene.folder)/\(name).yaml"
        try Data(configuration.utf8).write(to: URL(fileURLWithPath: file))
        try FileManager.default.createDirectory(atPath: "\(scene.folder)/\(name).state", withIntermediateDirectories: true)
        return try KafkaWorker(program: worker, configuration: file, log: "\(scene.folder)/\(name).log", environment: token.environment)
    }
}

/// Where a worker's keys are.
struct WorkerToken {
    var module: String
    var label: String
    var sessions: Int
    var softhsmConfiguration: String
    /// Of the worker's process.
    var environment: [String: String] = [:]
}

/// Jobs, and how many of them are done.
final class KafkaStream {
    static let partitions = 4
    let name: String
    private(set) var enqueued = 0
    private let writer: KafkaJobWriter
    /// No member of the group: it only asks where the group stands.
    private let group: Consumer

    fileprivate init(_ name: String, _ bootstrap: String) async throws {
        self.name = name
        writer = try KafkaJobWriter(bootstrap: bootstrap, stream: name, report: .silent)
        try await writer.connect()
        group = try Consumer(
            properties: [
                "bootstrap.servers": bootstrap, "group.id": "tanba-\(name)", "enable.auto.commit": "false",
                // What is committed now; the other level waits for transactions under way, of which there is always one.
                "isolation.level": "read_uncommitted",
            ], log: { _ in })
    }

    /// Jobs with ids of their own, as `measurePipeline` has them.
    func enqueue(_ count: Int, _ key: Key) async throws {
        let end = enqueued + count
        while enqueued < end {
            let jobs = (enqueued..<min(end, enqueued + 5000)).map { number in
                let job = benchmarkJob(number, of: count, key)
                return KafkaJobWriter.EnqueuedJob(key: Array(job.id.utf8), value: job.encoded(), tag: number)
            }
            guard try await writer.write(jobs).isEmpty else { throw Usage(description: "jobs could not be enqueued") }
            enqueued += jobs.count
        }
        guard try await writer.flush().isEmpty else { throw Usage(description: "jobs could not be enqueued") }
    }

    /// Job records whose results are published: their offsets have no holes.
    func done() throws -> Int {
        let positions = (0..<Self.partitions).map { KafkaPosition(name + ".jobs", KafkaPartition(Int32($0)), .none) }
        return try group.committed(positions, within: .seconds(30)).reduce(0) { $0 + Int(max(0, $1.offset.rawValue)) }
    }

    /// - Returns: how many are done then.
    @discardableResult func wait(until count: Int, by worker: KafkaWorker) async throws -> Int {
        let deadline = ContinuousClock.now + .seconds(180)
        while true {
            let now = try done()
            if now >= count { return now }
            guard worker.isRunning, ContinuousClock.now < deadline else { throw worker.failure("\(now) of \(count) jobs are done") }
            try await Task.sleep(for: .milliseconds(5))
        }
    }
}

/// The job that every whole pipeline is measured with.
func benchmarkJob(_ number: Int, of count: Int, _ key: Key) -> Job {
    Job(
        id: "benchmark/\(number)", package: Package(id: "benchmark", index: Int64(number), count: Int64(max(count, number + 1))),
        digest: DocumentDigest(algorithm: .sha256, value: (0..<32).map { UInt8(truncatingIfNeeded: number &* 31 &+ $0 &* 7) }),
        profile: key.name)
}

/// Runs a program to its end.
/// - Returns: what it wrote, nil if it failed or is not there.
func tryRun(_ arguments: String...) -> String? {
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["--default-signal"] + arguments  // threads of Swift's pools block signals, and children inherit that
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    guard (try? process.run()) != nil else { return nil }
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return process.terminationStatus == 0 ? text : nil
}

private func run(_ program: String, _ arguments: String...) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [program] + arguments
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw Usage(description: "\(program) \(arguments) failed") }
}
