import Configuration
import Log
import Metrics
import OperatingSystem
import PCSC

/// Watches the card readers while the worker runs: whatever happens there is logged and counted.
struct CardWatch {
    private let watch: ReaderWatch

    /// Nil where readers are not to be watched.
    static func start(_ settings: TanbaConfiguration.Readers, report: Log, metrics: Metrics) throws -> CardWatch? {
        guard settings.watch ?? SmartCardService.isPresent else { return nil }
        let teller = CardTeller(report: report, metrics: metrics)
        return CardWatch(watch: try ReaderWatch { event in teller.tell(event) })
    }

    func stop() async { await watch.stop() }
}

/// The words for what happens at the readers.
private final class CardTeller: Sendable {
    private let report: Log
    private let present: Gauge
    /// What is in each reader that has a card: who removes it is no longer asked for its ATR.
    private let cards = Locked<[String: String]>([:])

    init(report: Log, metrics: Metrics) {
        self.report = report
        present = metrics.gauge("tanba_reader_card_present", help: "1 while a card is in the reader, else 0", labels: ["reader"])
    }

    func tell(_ event: ReaderEvent) {
        switch event {
        case .serviceFound: report.info("readers-watched", "the smart card service answers; cards are watched")
        case .serviceLost(let error): report.warning("readers-unwatched", "\(error) Until it answers no card is seen coming or going.")
        case .readerAppeared(let reader):
            present.set(0, reader)
            report.info("reader-appeared", "", [("reader", LogValue(reader))])
        case .readerVanished(let reader):
            present.remove(reader)
            report.warning("reader-vanished", "", [("reader", LogValue(reader))])
        case .cardInserted(let reader, let answerToReset):
            let card = CardKind.text(forATR: answerToReset)
            cards.withLock { $0[reader] = card }
            present.set(1, reader)
            report.info(
                "card-inserted", "", [("reader", LogValue(reader)), ("card", LogValue(card)), ("atr", LogValue(CardKind.hex(answerToReset)))])
        case .cardRemoved(let reader):
            let card = cards.withLock { $0.removeValue(forKey: reader) } ?? ""
            present.set(0, reader)
            report.warning("card-removed", "", [("reader", LogValue(reader)), ("card", LogValue(card))])
        }
    }
}
