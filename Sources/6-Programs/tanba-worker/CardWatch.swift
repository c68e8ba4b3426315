import Configuration
import Log
import Metrics
import OperatingSystem
import PCSC

/// Watches the card readers while the worker runs: whatever happens there is logged and counted, and the tokens are told to look for
/// themselves.
struct CardWatch {
    private let watch: ReaderWatch
    private let news: News

    /// - Parameter changed: is called at once when something happens, and a second later again, by when the last PKCS#11 module has noticed
    ///   it, too; once for all that happens meanwhile.
    /// - Returns: nil where readers are not to be watched.
    static func start(
        _ settings: TanbaConfiguration.Readers, report: Log, metrics: Metrics, changed: @escaping @Sendable () async -> Void
    ) throws -> CardWatch? {
        guard settings.watch ?? SmartCardService.isPresent else { return nil }
        let teller = CardTeller(report: report, metrics: metrics)
        let news = News(changed)
        let watch = try ReaderWatch { event in
            teller.tell(event)
            news.arrived()
        }
        return CardWatch(watch: watch, news: news)
    }

    /// Whoever is being told is not waited for.
    func stop() async {
        news.end()
        await watch.stop()
    }
}

/// Passes news on, each at once and once more.
private final class News: Sendable {
    private let first: AsyncStream<Void>.Continuation
    private let second: AsyncStream<Void>.Continuation
    private let tasks: [Task<Void, Never>]

    init(_ pass: @escaping @Sendable () async -> Void) {
        let (firsts, first) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let (seconds, second) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        (self.first, self.second) = (first, second)
        let underWay = Locked(0)
        // A token that hangs must not keep the news from the others: a call is not waited for. There are four at most.
        @Sendable func call() {
            let isFree = underWay.withLock { underWay in
                defer { underWay = min(underWay + 1, 4) }
                return underWay < 4
            }
            guard isFree else { return }
            Task {
                await pass()
                underWay.withLock { $0 -= 1 }
            }
        }
        tasks = [
            Task {
                for await _ in firsts {
                    call()
                    try? await Task.sleep(for: .milliseconds(100))
                }
            },
            Task {
                for await _ in seconds {
                    try? await Task.sleep(for: .seconds(1))
                    if !Task.isCancelled { call() }
                }
            },
        ]
    }

    func arrived() {
        first.yield()
        second.yield()
    }

    func end() {
        for task in tasks { task.cancel() }
    }
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
