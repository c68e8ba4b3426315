import Foundation
import SigningTestKit
import Testing

/// Cards that come and go, as `tanba tokens watch` and a running worker tell of them. The service is a real pcscd, the readers are virtual.
@Suite(.enabled(if: VirtualReaders.isAvailable, "SKIPPED: programs with smart card readers")) struct CardTests {
    private static let reader = VirtualReaders.name(slot: 0)
    private static let kaztoken: [UInt8] = [0x3B, 0x88, 0x01, 0x4B, 0x41, 0x5A, 0x54, 0x4F, 0x4B, 0x45, 0x4E, 0x82]
    private static let stranger: [UInt8] = [0x3B, 0x02, 0x14, 0x50]

    @Test func theWatchTellsOfCardsAndTokens() async throws {
        let readers = try VirtualReaders()
        defer { withExtendedLifetime(readers) {} }
        let stand = try ProgramStand()
        let watch = try stand.start("tanba", ["tokens", "watch", "--json"], environment: readers.environment)
        func seen(_ event: String, _ count: Int = 1) async throws {
            try await watch.wait(for: "\(count) times \(event)") {
                watch.outputSoFar.split(separator: "\n").count { $0.contains("\"\(event)\"") } >= count
            }
        }
        try await seen("reader-appeared", 2)
        try readers.insert(Self.kaztoken)
        try await seen("card-inserted")
        try readers.remove()
        try await seen("card-removed")
        try readers.insert(Self.stranger)
        try await seen("card-inserted", 2)
        try readers.killService()
        try await seen("readers-unwatched")
        try readers.startService()
        try await seen("reader-appeared", 4)
        try await seen("token-there")
        watch.send(SIGINT)
        let ended = try await watch.ended()
        #expect(ended.status == 0 && ended.errors.isEmpty, "\(ended)")
        let events = try ended.output.split(separator: "\n").map { try JSONDecoder().decode(Event.self, from: Data($0.utf8)) }
        #expect(events.allSatisfy { $0.time.hasSuffix("Z") })
        let hex = "3B 88 01 4B 41 5A 54 4F 4B 45 4E 82"
        #expect(
            events.filter { $0.reader == Self.reader }.map { "\($0.event) \($0.card ?? "") \($0.atr ?? "")" } == [
                "reader-appeared  ", "card-inserted Kaztoken \(hex)", "card-removed Kaztoken ", "card-inserted card 3B 02 14 50 3B 02 14 50",
                "card-removed card 3B 02 14 50 ", "reader-vanished  ", "reader-appeared  ",
            ], "\(ended)")
        #expect(events.filter { $0.token != nil }.map(\.event) == ["token-there"], "\(ended)")
        #expect(events.count { $0.event == "readers-unwatched" } == 1 && events.count { $0.event == "readers-watched" } == 2, "\(ended)")
    }

    @Test func theWatchNeedsNoConfigurationAndSpeaksToPeople() async throws {
        let readers = try VirtualReaders()
        defer { withExtendedLifetime(readers) {} }
        let stand = try ProgramStand { _ in "tokens: [{name: away, module: /nonexistent/module.so, label: away, pin: env:NONE}]" }
        try readers.insert(Self.kaztoken, slot: 1)
        let watch = try stand.start("tanba", ["tokens", "watch"], environment: readers.environment)
        try await watch.wait(for: "the card") { watch.outputSoFar.contains("Kaztoken in \(VirtualReaders.name(slot: 1)), ATR 3B 88 01 4B") }
        try await watch.wait(for: "the token") { watch.outputSoFar.contains("token away is missing: ") }
        watch.send(SIGTERM)
        let ended = try await watch.ended()
        #expect(ended.status == 0, "\(ended)")
        #expect(ended.output.contains("reader \(Self.reader)\n"), "\(ended)")

        let alone = try stand.start(
            "/usr/bin/env", ["-u", "TANBA_CONFIG", stand.lab.programs + "/tanba", "tokens", "watch"], environment: readers.environment)
        try await alone.wait(for: "the card") { alone.outputSoFar.contains("Kaztoken in") }
        alone.send(SIGINT)
        #expect(try await alone.ended().status == 0)
        // One that is named has to be there
        let wrong = try await stand.run("tanba", ["tokens", "watch", "--config", "/nonexistent"], environment: readers.environment)
        #expect(wrong.status == 2 && wrong.errors.contains("/nonexistent"), "\(wrong)")
    }

    private struct Event: Decodable {
        let time: String
        let event: String
        let reader: String?
        let card: String?
        let atr: String?
        let token: String?
    }
}
