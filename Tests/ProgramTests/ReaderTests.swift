import Foundation
import Testing

/// Readers that are plugged in and out under a running `tanba tokens watch`, and cards that behave badly.
@Suite struct ReaderTests {
    private static let card: [UInt8] = [0x3B, 0x02, 0x14, 0x50]
    private static let other: [UInt8] = [0x3B, 0x02, 0x36, 0x02]

    @Test func readersAndCardsAreSeenComingAndGoing() async throws {
        let stand = try ProgramStand { _ in "worker: {id: nobody}\n" }
        let readers = try await ScriptedReaders(stand)
        let watch = try stand.start("tanba", ["tokens", "watch", "--json"], environment: readers.environment)
        var told = 0
        /// The next events, each as its name, reader and card; their order is that in which they are told.
        func expect(_ expected: [String], location: SourceLocation = #_sourceLocation) async throws {
            try await watch.wait(for: "\(expected)") { watch.outputSoFar.split(separator: "\n").count >= told + expected.count }
            let lines = watch.outputSoFar.split(separator: "\n").dropFirst(told)
            let seen = try lines.map { try JSONDecoder().decode(Event.self, from: Data($0.utf8)) }
            told += seen.count
            #expect(seen.map(\.text) == expected, sourceLocation: location)
        }
        try await expect(["readers-watched"])
        try readers.set([.init(name: "One")])
        try await expect(["reader-appeared One"])
        try readers.set([.init(name: "One"), .init(name: "Two", count: 1, state: 4, atr: Self.card)])
        try await expect(["reader-appeared Two", "card-inserted Two card 3B 02 14 50"])
        // Changed for another one between two looks
        try readers.set([.init(name: "One"), .init(name: "Two", count: 3, state: 4, atr: Self.other)])
        try await expect(["card-removed Two card 3B 02 14 50", "card-inserted Two card 3B 02 36 02"])
        // The reader fails, and is well again
        try readers.set([.init(name: "One"), .init(name: "Two", count: 3, state: 1)])
        try await expect(["card-removed Two card 3B 02 36 02"])
        try readers.set([.init(name: "One"), .init(name: "Two", count: 3, state: 4, atr: Self.other)])
        try await expect(["card-inserted Two card 3B 02 36 02"])
        // The wrong way round
        try readers.set([.init(name: "One", count: 1, state: 12), .init(name: "Two", count: 3, state: 4, atr: Self.other)])
        try await expect(["card-inserted One card that does not answer"])
        // One reader leaves with its card, another comes in the same moment, and its name is no UTF-8
        try readers.set([.init(name: "One", count: 1, state: 12), .init(name: "Café", count: 1, state: 4, atr: Self.card)])
        try await expect([
            "card-removed Two card 3B 02 36 02", "reader-vanished Two", "reader-appeared Caf\u{FFFD}", "card-inserted Caf\u{FFFD} card 3B 02 14 50",
        ])
        // As many as pcscd can have
        let many = (1...14).map { ScriptedReaders.Reader(name: "Reader \($0)") }
        let both = [ScriptedReaders.Reader(name: "One", count: 2), ScriptedReaders.Reader(name: "Café", count: 2)]
        try readers.set(both + many)
        try await expect(
            ["card-removed One card that does not answer", "card-removed Caf\u{FFFD} card 3B 02 14 50"]
                + many.map { "reader-appeared \($0.name)" })
        try readers.set(both + many.dropLast() + [.init(name: "Reader 14", count: 1, state: 4, atr: Self.card)])
        try await expect(["card-inserted Reader 14 card 3B 02 14 50"])
        try readers.set([])
        let names = ["One", "Caf\u{FFFD}"] + many.map(\.name)
        try await expect(["card-removed Reader 14 card 3B 02 14 50"] + names.map { "reader-vanished \($0)" })
        watch.send(SIGINT)
        let ended = try await watch.ended()
        #expect(ended.status == 0 && ended.output.split(separator: "\n").count == told, "\(ended)")
    }

    private struct Event: Decodable {
        let event: String
        let reader: String?
        let card: String?

        var text: String { [event, reader, card].compactMap { $0 }.joined(separator: " ") }
    }
}
