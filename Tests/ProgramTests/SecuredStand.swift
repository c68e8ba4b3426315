import Foundation
import OperatingSystem
import SigningModel
import SigningTestKit
import Testing

/// A stream of its own at the secured broker that the tests of this process share: its users have the rights of their roles and no others.
final class SecuredStand: Sendable {
    static let roles = ["submitter", "worker", "reader", "auditor"]

    let stand: ProgramStand
    let broker: TestBroker
    let stream: String
    private let bootstrap: String

    /// - Parameters:
    ///   - door: how all users come in.
    ///   - broker: nil for the one that is shared.
    ///   - worker: whose stream it is.
    init(_ door: TestBroker.Door, broker: TestBroker? = nil, worker: String = "worker") async throws {
        self.broker = try broker ?? TestBroker.secured.get()
        let broker = self.broker
        stream = "secured-\(UUID().uuidString.lowercased())"
        stand = try ProgramStand()
        bootstrap = try broker.properties(door, as: "admin")["bootstrap.servers"]!
        let common = String(decoding: try stand.read("tanba.yaml"), as: UTF8.self)
        for user in TestBroker.users {
            let properties = try broker.properties(door, as: user).filter { $0.key != "bootstrap.servers" }.sorted { $0.key < $1.key }
            try stand.write(properties.map { "\($0.key)=\($0.value)\n" }.joined(), to: user + ".properties")
            let lines = try properties.map { name, value in
                "    \(name): " + (name == "sasl.password" ? "file:\(try broker.securityFolder)/\(user).password" : value)
            }
            try stand.write(
                """
                worker: {id: \(user)}
                operations: {port: 0, port-file: port}
                kafka:
                  bootstrap: "\(bootstrap)"
                  properties:
                    session.timeout.ms: 6000
                \(lines.joined(separator: "\n"))
                streams: [{name: \(stream), profiles: [p256-b]}]

                """ + common, to: user + ".yaml")
        }
        let roles = Self.roles.flatMap { ["--" + $0, $0 == "worker" ? worker : $0] }
        let made = try await topics("create", ["--partitions", "2"] + roles)
        guard made.status == 0 else { throw ProgramError("\(made)") }
    }

    /// `Deploy/topics`, as the user admin or another.
    func topics(_ command: String, _ arguments: [String], as user: String = "admin") async throws -> Ended {
        try await stand.run(
            stand.lab.repository + "/Deploy/topics",
            [command, "--stream", stream, "--bootstrap", bootstrap, "--client-properties", stand(user + ".properties")] + arguments)
    }

    func enqueue(as user: String, package: String = "package") async throws -> Ended {
        try await stand.run(
            "tanba", ["enqueue", "documents", "--stream", stream, "--profile", "p256-b", "--package", package, "--config", user + ".yaml"])
    }

    func results(as user: String, _ arguments: [String] = []) async throws -> Ended {
        try await stand.run("tanba", ["results", "--stream", stream, "--config", user + ".yaml"] + arguments, within: .seconds(120))
    }

    func audit(as user: String) async throws -> Ended {
        try await stand.run(
            "tanba-auditor",
            ["audit", "--stream", stream, "--bootstrap", bootstrap, "--client-properties", user + ".properties"]
                + ["--trust", stand.lab.sandbox + "/pki/ca.pem", "--tsa-trust", stand.lab.sandbox + "/pki/tsa-ca.pem"])
    }

    func startWorker(as user: String) throws -> RunningProgram { try stand.start("tanba-worker", ["--config", user + ".yaml"]) }
}
