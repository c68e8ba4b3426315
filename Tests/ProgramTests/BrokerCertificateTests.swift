import Foundation
import OperatingSystem
import SigningModel
import SigningTestKit
import Testing

/// Goal: a broker's certificate that ends under a running worker is waited for. Method: the broker is restarted with another one.
@Suite struct BrokerCertificateTests {
    private static let noBroker: Comment = "SKIPPED: workers and certificates of a Kafka of ours; set KAFKA_HOME (and install Java 17)"

    @Test(.enabled(if: TestBroker.canBeStarted, noBroker), .timeLimit(.minutes(5)))
    func aWorkerOutlivesTheBrokersCertificate() async throws {
        let broker = try TestBroker(isSecured: true)
        let secured = try await SecuredStand(.certificate, broker: broker)
        let stand = secured.stand
        // A door without certificates, for jobs that come and results that are fetched meanwhile.
        let opened = String(decoding: try stand.read("admin.yaml"), as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
            .filter { !$0.contains("ssl") }
            .map { $0.hasPrefix("  bootstrap:") ? "  bootstrap: \"\(broker.bootstrap)\"" : String($0) }
        try stand.write(opened.joined(separator: "\n"), to: "back.yaml")

        try stand.writeDocuments(6)
        func enqueue(_ package: String) async throws {
            let ended = try await secured.enqueue(as: "back", package: package)
            #expect(ended.status == 0, "\(ended)")
        }
        func results(_ arguments: [String]) async throws -> [JobResult] {
            let ended = try await secured.results(as: "back", arguments)
            #expect(ended.status == 0, "\(ended)")
            return try ended.output.split(separator: "\n").map { try JobResult.read(Array($0.utf8)) }
        }
        let worker = try secured.startWorker(as: "worker")
        func isReady() async throws -> Bool { try await stand.get("/ready").status == 200 }
        func waitUntilItSays(_ reason: String) async throws {
            try await worker.wait(for: reason) {
                let ready = try await stand.get("/ready")
                return ready.status == 503 && ready.text.contains("the log of stream \(secured.stream): ") && ready.text.contains(reason)
            }
        }
        func unavailable() async throws -> Double {
            let line = try await stand.get("/metrics").text.split(separator: "\n").first { $0.hasPrefix("tanba_log_unavailable_seconds{") }
            return line?.split(separator: " ").last.flatMap { Double($0) } ?? -1
        }
        try await worker.wait(for: "readiness", isReady)

        // It has expired: the worker is somewhere in its jobs, and more come.
        try await enqueue("before")
        try broker.kill()
        try broker.show(.expired)
        try broker.start()
        try await enqueue("meanwhile")
        try await waitUntilItSays("its certificate has expired")
        let first = try await unavailable()
        try await worker.wait(for: "more seconds without the log") { try await unavailable() > max(first, 1) }
        let line = worker.errorsSoFar.split(separator: "\n").last { $0.contains("\"log-unavailable\"") && $0.contains("has expired") }
        #expect(line?.contains("mend the broker's certificate") == true, "\(worker.errorsSoFar)")

        // Renewed there, nothing needs to be done here.
        try broker.kill()
        try broker.show(.valid)
        try broker.start()
        for package in ["before", "meanwhile"] { #expect(try await results(["--package", package, "--wait"]).count == 6) }
        try await worker.wait(for: "readiness", isReady)
        #expect(try await unavailable() == 0)
        let all = try await results([])
        #expect(all.count == 12 && Set(all.map(\.source)).count == 12)
        #expect(all.allSatisfy { if case .signed = $0.outcome { true } else { false } })
        worker.send(SIGTERM)
        let drained = try await worker.ended()
        #expect(drained.status == 0, "\(drained)")
    }
}
