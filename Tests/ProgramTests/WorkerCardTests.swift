import Foundation
import SigningTestKit
import Testing

/// A running worker and the card readers of its machine.
@Suite(
    .enabled(if: VirtualReaders.isAvailable, "SKIPPED: workers with smart card readers"),
    .enabled(if: TestBroker.isAvailable, "SKIPPED: workers on a real Kafka; set KAFKA_HOME (and install Java 17), or KAFKA_BOOTSTRAP"))
struct WorkerCardTests {
    private static let reader = VirtualReaders.name(slot: 0)
    private static let kaztoken: [UInt8] = [0x3B, 0x88, 0x01, 0x4B, 0x41, 0x5A, 0x54, 0x4F, 0x4B, 0x45, 0x4E, 0x82]

    @Test func aRunningWorkerTellsOfCards() async throws {
        let readers = try VirtualReaders()
        defer { withExtendedLifetime(readers) {} }
        let lab = try await WorkerStand()
        let worker = try lab.startWorker(environment: readers.environment)
        try await worker.wait(for: "readiness") { try await lab.get("/ready").status == 200 }
        func present() async throws -> String? {
            let lines = try await lab.get("/metrics").text.split(separator: "\n")
            return lines.first { $0.hasPrefix("tanba_reader_card_present{reader=\"\(Self.reader)\"}") }?.split(separator: " ").last.map(String.init)
        }
        func seen(_ event: String, _ count: Int = 1) async throws {
            try await worker.wait(for: "\(count) times \(event)") {
                worker.errorsSoFar.split(separator: "\n").count { $0.contains("\"\(event)\"") } >= count
            }
        }
        try await seen("reader-appeared", 2)
        #expect(try await present() == "0")
        try readers.insert(Self.kaztoken)
        try await seen("card-inserted")
        #expect(try await present() == "1")
        try readers.remove()
        try await seen("card-removed")
        #expect(try await present() == "0")
        try readers.insert(Self.kaztoken)
        try await seen("card-inserted", 2)
        try readers.killService()
        try await seen("readers-unwatched")
        #expect(try await present() == nil)
        // Without readers it signs on
        try lab.stand.writeDocuments(2)
        try await lab.enqueue(profile: "p256-b")
        #expect(try await lab.results(of: "package").count == 2)
        try readers.startService()
        try await seen("reader-appeared", 4)
        #expect(try await present() == "0")
        let ended = try await lab.drain(worker)
        let inserted = ended.errors.split(separator: "\n").filter { $0.contains("\"card-inserted\"") }
        #expect(inserted.allSatisfy { $0.contains("\"reader\":\"\(Self.reader)\"") && $0.contains("\"card\":\"Kaztoken\"") }, "\(ended)")
    }

    /// The token is pulled out and put back together with its card. While nothing is asked to be signed nobody would notice; the card's
    /// going takes the token out and its coming brings it in, long before it would be tried again by itself.
    @Test func aTokenGoesAndComesWithItsCard() async throws {
        let readers = try VirtualReaders()
        defer { withExtendedLifetime(readers) {} }
        let module = try #require(try ProgramLab.shared.get().configuration.firstMatch(of: /module: "?([^"\s]+)/)).1
        let lab = try await WorkerStand { $0.replacing(module, with: "faultshim.so") }
        let sources = lab.stand.lab.repository + "/Tests/FaultShim"
        let built = try await lab.stand.run(
            "/bin/sh", ["-c", "cc -shared -fPIC -O1 -o faultshim.so \(sources)/[a-z]*.c $(pkg-config --cflags p11-kit-1) -ldl -lpthread"])
        #expect(built.status == 0, "\(built)")
        let shim = ["TANBA_SHIM_MODULE": String(module), "TANBA_SHIM_RULES": lab.stand("rules")]
        try readers.insert(Self.kaztoken)
        let worker = try lab.startWorker(environment: readers.environment.merging(shim) { $1 })
        func seen(_ event: String, _ count: Int = 1, within limit: Duration = .seconds(90)) async throws {
            try await worker.wait(for: "\(count) times \(event)", within: limit) {
                worker.errorsSoFar.split(separator: "\n").count { $0.contains("\"event\":\"\(event)\"") } >= count
            }
        }
        try await seen("card-inserted")
        try await worker.wait(for: "readiness") { try await lab.get("/ready").status == 200 }
        let settled = worker.errorsSoFar.split(separator: "\n").count { $0.contains("\"event\":\"token-up\"") }

        try lab.stand.write("removed * CKR_DEVICE_REMOVED\n", to: "rules")
        try readers.remove()
        try await seen("card-removed")
        try await seen("token-out")
        try lab.stand.writeDocuments(4)
        try await lab.enqueue(profile: "p256-b")
        // Until its pauses have grown to several seconds
        try await Task.sleep(for: .seconds(8))
        #expect(try await lab.results().isEmpty)
        #expect(try await lab.get("/ready").status == 503)

        try lab.stand.write("", to: "rules")
        try readers.insert(Self.kaztoken)
        try await seen("card-inserted", 2)
        try await seen("token-up", settled + 1, within: .seconds(5))
        #expect(try await lab.results(of: "package").count == 4)
        let ended = try await lab.drain(worker)
        #expect(ended.errors.split(separator: "\n").count { $0.contains("\"event\":\"started\"") } == 1, "\(ended)")
    }

    /// `readers: {watch: …}`: off is off; and a worker that is to watch says that there is nothing, once, and works all the same.
    @Test func watchingIsSwitched() async throws {
        let readers = try VirtualReaders()
        defer { withExtendedLifetime(readers) {} }
        let off = try await WorkerStand { "readers: {watch: false}\n" + $0 }
        let worker = try off.startWorker(environment: readers.environment)
        try await worker.wait(for: "readiness") { try await off.get("/ready").status == 200 }
        try readers.insert(Self.kaztoken)
        // Twice as long as pcscd takes to see a card
        try await Task.sleep(for: .seconds(1))
        let quiet = try await off.drain(worker)
        #expect(!quiet.errors.contains("reader"), "\(quiet)")

        try readers.killService()
        let on = try await WorkerStand { "readers: {watch: true}\n" + $0 }
        let waiting = try on.startWorker(environment: readers.environment)
        try await waiting.wait(for: "readiness") { try await on.get("/ready").status == 200 }
        try await waiting.wait(for: "its word that nobody answers") { waiting.errorsSoFar.contains("\"readers-unwatched\"") }
        try await Task.sleep(for: .seconds(2))
        let ended = try await on.drain(waiting)
        #expect(ended.errors.split(separator: "\n").count { $0.contains("\"readers-unwatched\"") } == 1, "\(ended)")
    }
}
