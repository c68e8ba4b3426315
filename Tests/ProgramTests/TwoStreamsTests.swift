import Foundation
import SigningTestKit
import Testing

/// One stream's token never concerns another stream.
@Suite struct TwoStreamsTests {
    private static let noBroker: Comment = "SKIPPED: there is no broker (KAFKA_HOME, KAFKA_BOOTSTRAP)"

    @Test(.enabled(if: TestBroker.isAvailable, noBroker)) func aStreamWhoseTokenIsAwayLeavesTheOtherAlone() async throws {
        let stand = try await WorkerStand { text in
            let module = String(text.firstMatch(of: /module: "[^"]+"/)!.0)
            return text.replacing(
                "tokens:\n", with: "tokens:\n  - {name: absent, \(module), label: absent, pin: \"env:ABSENT_PIN\"}\n", maxReplacements: 1
            ).replacing(
                "profiles:\n", with: "profiles:\n  - {name: dead, token: absent, key: \"02\", certificate: pki/p256.pem, level: B-B}\n",
                maxReplacements: 1)
        }
        let dead = try await stand.addStream("dead", profile: "dead")
        let configuration = String(decoding: try stand.stand.read("tanba.yaml"), as: UTF8.self)
            .replacing("certificate: pki/", with: "certificate: \(stand.stand.lab.sandbox)/pki/")
        try stand.stand.write(configuration, to: "tanba.yaml")
        try stand.stand.writeDocuments(20)
        let worker = try stand.stand.start("tanba-worker", [], environment: ["ABSENT_PIN": "a-pin-nobody-sees"])
        try await worker.wait(for: "the healthy stream") { try await stand.get("/ready").text.contains(dead) }
        try await stand.enqueue(profile: "p256-b")
        let results = try await stand.results(of: "package")
        #expect(results.count == 20)
        let ready = try await stand.get("/ready")
        #expect(ready.status == 503 && ready.text.contains(dead), "\(ready)")
        let ended = try await { () async throws -> Ended in
            worker.send(SIGTERM)
            return try await worker.ended()
        }()
        #expect(ended.errors.contains("absent"), "\(ended)")
        #expect(!ended.errors.contains("a-pin-nobody-sees"))
    }

    /// Half of the partitions come to a worker whose token is away. It gives them up, and the other signs everything.
    @Test(.enabled(if: TestBroker.isAvailable, noBroker)) func aWorkerWithoutItsTokenLeavesItsPartitionsToTheOther() async throws {
        let stand = try await WorkerStand(limits: "in-flight: 100, give-up: 8s")
        let text = String(decoding: try stand.stand.read("tanba.yaml"), as: UTF8.self)
        try stand.stand.write(
            text.replacing("label: tanba-demo", with: "label: absent").replacing("worker: {id: ", with: "worker: {id: other-")
                .replacing("port-file: port", with: "port-file: other-port"), to: "other.yaml")
        let without = try stand.stand.start("tanba-worker", ["--config", "other.yaml"])
        try await without.wait(for: "its first partitions") { without.errorsSoFar.contains("partition-taken") }
        try stand.stand.writeDocuments(40)
        try await stand.enqueue(profile: "p256-b")
        let with = try stand.startWorker()
        let results = try await stand.results(of: "package")
        #expect(results.count == 40)
        try await stand.drain(with)
        without.send(SIGTERM)
        let ended = try await without.ended()
        let events = WorkerStand.events(of: ended.errors)
        #expect(events.contains("kafka-standing-by") && !events.contains("token-healthy"), "\(ended)")
        try await stand.stand.audit(["--stream", stand.stream, "--bootstrap", stand.bootstrap], signed: 40)
    }
}
