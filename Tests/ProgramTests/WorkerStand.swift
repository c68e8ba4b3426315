import Foundation
import OperatingSystem
import SigningModel
import SigningTestKit
import Testing

/// A stream of its own on the broker that the tests of this process share, and workers of it.
final class WorkerStand: Sendable {
    let stand: ProgramStand
    let stream: String
    let bootstrap: String

    /// - Parameters:
    ///   - limits: `limits` of the configuration.
    ///   - edit: changes the configuration for this test.
    init(
        limits: String = "in-flight: 4, batch-results: 2", bootstrap: String? = nil, _ edit: (String) -> String = { $0 }
    ) async throws {
        let bootstrap = try bootstrap ?? TestBroker.shared.get().bootstrap
        let stream = "programs-\(UUID().uuidString.lowercased())"
        stand = try ProgramStand { text in
            """
            worker: {id: \(stream)}
            operations: {port: 0, port-file: port}
            kafka: {bootstrap: "\(bootstrap)", properties: {session.timeout.ms: 6000}}
            limits: {\(limits)}
            streams: [{name: \(stream), profiles: [p256-b, p256-t]}]

            """ + edit(text)
        }
        self.stream = stream
        self.bootstrap = bootstrap
        try await createTopics(of: stream)
    }

    private func createTopics(of stream: String) async throws {
        for topic in ["jobs", "results", "ledger"] {
            let made = try await kafka(["create", "\(stream).\(topic)", "2", "cleanup.policy=delete"])
            guard made.status == 0 else { throw ProgramError("\(made)") }
        }
    }

    /// Makes another stream and puts it into the configuration.
    /// - Returns: its name.
    func addStream(_ suffix: String, profile: String) async throws -> String {
        let name = "\(stream)-\(suffix)"
        try await createTopics(of: name)
        let configuration = String(decoding: try stand.read("tanba.yaml"), as: UTF8.self)
        try stand.write(configuration.replacing("streams: [", with: "streams: [{name: \(name), profiles: [\(profile)]}, "), to: "tanba.yaml")
        return name
    }

    /// A request of the sandbox to the broker.
    func kafka(_ arguments: [String]) async throws -> Ended {
        try await stand.run("/usr/bin/env", ["python3", stand.lab.repository + "/Deploy/sandbox/kafka.py", bootstrap] + arguments)
    }

    /// Puts the folder `documents` into the stream as a package.
    func enqueue(package: String = "package", profile: String = "p256-t", location: SourceLocation = #_sourceLocation) async throws {
        let ended = try await stand.run(
            "tanba", ["enqueue", "documents", "--stream", stream, "--profile", profile, "--package", package])
        #expect(ended.status == 0, "\(ended)", sourceLocation: location)
    }

    func startWorker(environment: [String: String] = [:]) throws -> RunningProgram {
        try? FileManager.default.removeItem(atPath: stand("port"))
        return try stand.start("tanba-worker", [], environment: environment)
    }

    /// Drains a worker, which must end well.
    @discardableResult func drain(_ worker: RunningProgram, location: SourceLocation = #_sourceLocation) async throws -> Ended {
        worker.send(SIGTERM)
        let ended = try await worker.ended()
        #expect(ended.status == 0, "\(ended)", sourceLocation: location)
        #expect(Self.events(of: ended.errors).suffix(1) == ["drained"], "\(ended)", sourceLocation: location)
        return ended
    }

    /// All results of the stream, or those of a package when it is complete.
    func results(of package: String? = nil) async throws -> [JobResult] {
        let ended = try await stand.run(
            "tanba", ["results", "--stream", stream] + (package.map { ["--package", $0, "--wait"] } ?? []))
        guard ended.status == 0 || ended.status == 1 else { throw ProgramError("\(ended)") }
        return try ended.output.split(separator: "\n").map { try JobResult.read(Array($0.utf8)) }
    }

    /// The same, once there are so many: a broker shows what is committed a moment after it was.
    func results(count: Int) async throws -> [JobResult] {
        let end = ContinuousClock.now + .seconds(30)
        while true {
            let results = try await results()
            if results.count >= count || ContinuousClock.now > end { return results }
        }
    }

    /// Names of the events in a worker's log, each line of which must be one.
    static func events(of log: String) -> [String] {
        log.split(separator: "\n").map { line in
            let object = (try? JSONSerialization.jsonObject(with: Data(line.utf8))) as? [String: Any]
            guard object?["time"] is String, object?["level"] is String, let event = object?["event"] as? String else {
                Issue.record("not an event: \(line)")
                return ""
            }
            return event
        }
    }

    /// GET of a worker's page: status and text. Status 0 while nobody listens.
    func get(_ page: String) async throws -> (status: Int, text: String) { try await stand.get(page) }
}
