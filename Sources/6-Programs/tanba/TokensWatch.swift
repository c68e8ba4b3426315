import CommandLineOptions
import Configuration
import FoundationEssentials
import JSON
import OperatingSystem
import PCSC
import PKCS11
import SigningModel

/// `tanba tokens watch`: what happens at the card readers, as it happens.
struct TokensWatchCommand {
    static let declaration = Command(
        "watch", arguments: "", summary: "tell of readers, cards and tokens that come and go, until interrupted",
        options: [.configuration, .json],
        examples: [
            Example("tanba tokens watch", "see which reader a card is in, and whether its token is seen then"),
            Example("tanba tokens watch --json | jq 'select(.event==\"card-removed\")'", "note when cards are pulled out"),
        ])

    private let tokens: [TanbaConfiguration.Token]
    private let isJSON: Bool

    init(_ invocation: Invocation) throws {
        isJSON = invocation.flag("json")
        // Readers are there without a configuration, too; one that is named has to be right.
        let isNamed = invocation.value("config") != nil || Host.environment("TANBA_CONFIG") != nil
        tokens = isNamed || Files.exists(TanbaConfiguration.defaultPath) ? try invocation.configuration().tokens : []
    }

    func run() async throws -> ExitStatus {
        let (interruptions, interrupt) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let signals = TerminationSignals { _ in interrupt.finish() }
        let (changes, change) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let teller = EventLines(isJSON: isJSON)
        change.yield()
        let watch = try ReaderWatch { event in
            teller.tell(event)
            change.yield()
        }
        let looking = Task { [tokens] in
            var presence = TokenPresence(tokens)
            for await _ in changes {
                // A card that was put in a moment ago may take its time until its module sees the token.
                for pause in [0, 1] {
                    try? await Task.sleep(for: .seconds(pause))
                    if Task.isCancelled { return }
                    for change in await presence.look() { teller.tell(token: change.token, absence: change.absence) }
                }
            }
        }
        for await _ in interruptions {}
        looking.cancel()
        await watch.stop()
        withExtendedLifetime(signals) {}
        return .done
    }
}

/// Which configured tokens are there. Nobody is logged in, and no PIN is read.
private struct TokenPresence {
    private let tokens: [TanbaConfiguration.Token]
    private let lane = SerialLane(label: "tanba.tokens-watch")
    /// By name, whether it was there when it was last looked for.
    private var known: [String: Bool] = [:]

    init(_ tokens: [TanbaConfiguration.Token]) { self.tokens = tokens }

    /// Asks the modules, and returns what is not as it was: nil for a token that is there now, else why it is not.
    mutating func look() async -> [(token: String, absence: String?)] {
        var changes: [(token: String, absence: String?)] = []
        for token in tokens {
            let absence = await lane.run { Self.absence(of: token) }
            if known.updateValue(absence == nil, forKey: token.name) != (absence == nil) { changes.append((token.name, absence)) }
        }
        return changes
    }

    private static func absence(of token: TanbaConfiguration.Token) -> String? {
        do throws(PKCS11Error) {
            _ = try Module.load(path: token.module, environment: token.environment).slot(label: token.label)
            return nil
        } catch {
            return "\(error)"
        }
    }
}

/// Writes what happened, a line each: for a person, or JSON for a program.
private final class EventLines: Sendable {
    private let isJSON: Bool
    /// What is in each reader that has a card: a card that is gone cannot be asked for its ATR.
    private let cards = Locked<[String: String]>([:])

    init(isJSON: Bool) { self.isJSON = isJSON }

    func tell(_ event: ReaderEvent) {
        switch event {
        case .serviceFound: tell("readers-watched", "the smart card service answers")
        case .serviceLost(let error): tell("readers-unwatched", "no readers are seen: \(error)", [("reason", "\(error)")])
        case .readerAppeared(let reader): tell("reader-appeared", "reader \(reader)", [("reader", reader)])
        case .readerVanished(let reader): tell("reader-vanished", "reader \(reader) is gone", [("reader", reader)])
        case .cardInserted(let reader, let answerToReset):
            let (card, hex) = (CardKind.text(forATR: answerToReset), CardKind.hex(answerToReset))
            cards.withLock { $0[reader] = card }
            let isNamed = CardKind.name(ofATR: answerToReset) != nil
            tell("card-inserted", "\(card) in \(reader)" + (isNamed ? ", ATR \(hex)" : ""), [("reader", reader), ("card", card), ("atr", hex)])
        case .cardRemoved(let reader):
            let card = cards.withLock { $0.removeValue(forKey: reader) } ?? ""
            tell("card-removed", "\(card) is gone from \(reader)", [("reader", reader), ("card", card)])
        }
    }

    /// - Parameter absence: why it is not there; nil when it is.
    func tell(token: String, absence: String?) {
        if let absence {
            tell("token-missing", "token \(token) is missing: \(absence)", [("token", token), ("reason", absence)])
        } else {
            tell("token-there", "token \(token) is there", [("token", token)])
        }
    }

    /// - Parameter event: in kebab-case, as the worker's log calls the same thing.
    private func tell(_ event: String, _ text: String, _ fields: [(String, String)] = []) {
        let time = UTCTimestamp.text(Date())
        guard isJSON else { return StandardStreams.writeOut("\(time)  \(shown(text))\n") }
        var writer = JSONWriter()
        writer.beginObject()
        for (name, value) in [("time", time), ("event", event)] + fields { writer.text(name, value) }
        writer.endObject()
        StandardStreams.writeOut(writer.finish() + [UInt8(ascii: "\n")])
    }
}
