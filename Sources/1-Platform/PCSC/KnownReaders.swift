/// A reader's name as pcscd gives it: bytes, which are UTF-8 unless the reader's maker thought otherwise.
struct ReaderName: Hashable, Sendable {
    let bytes: [UInt8]

    var text: String { String(decoding: bytes, as: UTF8.self) }
}

/// What pcscd says of one reader at one moment.
struct ReaderStatus: Hashable, Sendable {
    var isCardPresent = false
    /// The card gives no answer.
    var isCardMute = false
    /// The reader itself gives no answer.
    var isUnavailable = false
    /// How often a card came or went since pcscd started; wraps.
    var eventCount: UInt16 = 0
    /// Empty while there is no card, and for one that gives no answer.
    var answerToReset: [UInt8] = []
}

/// The readers and cards that were told of, and what is to be told when something changed. A value; does nothing by itself.
///
/// What it tells is complete: a card is removed before its reader vanishes or another card is inserted, also when pcscd's own
/// news were late or lost.
struct KnownReaders {
    private var readers: [(name: ReaderName, status: ReaderStatus?)] = []

    /// What is known, in the order in which the readers came; a status of nil is still to be asked for.
    var all: [(name: ReaderName, status: ReaderStatus?)] { readers }

    /// The readers that are there now.
    mutating func list(_ names: [ReaderName]) -> [ReaderEvent] {
        let there = Set(names)
        var events: [ReaderEvent] = []
        for reader in readers where !there.contains(reader.name) { events += farewell(reader) }
        readers.removeAll { !there.contains($0.name) }
        for name in names where !readers.contains(where: { $0.name == name }) {
            readers.append((name, nil))
            events.append(.readerAppeared(name.text))
        }
        return events
    }

    /// One reader's status now; a reader that is not known is passed over.
    mutating func note(_ status: ReaderStatus, of name: ReaderName) -> [ReaderEvent] {
        guard let index = readers.firstIndex(where: { $0.name == name }) else { return [] }
        let old = readers[index].status ?? ReaderStatus()
        readers[index].status = status
        var events: [ReaderEvent] = []
        // A card that was there before and is there now may have been out meanwhile, or be another one
        let isSame = old.isCardPresent && status.isCardPresent && old.eventCount == status.eventCount
        if old.isCardPresent && !isSame { events.append(.cardRemoved(reader: name.text)) }
        if status.isCardPresent && !isSame { events.append(.cardInserted(reader: name.text, answerToReset: status.answerToReset)) }
        return events
    }

    /// The service is gone, and with it all readers.
    mutating func forgetAll() -> [ReaderEvent] {
        defer { readers = [] }
        return readers.flatMap(farewell)
    }

    private func farewell(_ reader: (name: ReaderName, status: ReaderStatus?)) -> [ReaderEvent] {
        let name = reader.name.text
        return (reader.status?.isCardPresent == true ? [.cardRemoved(reader: name)] : []) + [.readerVanished(name)]
    }
}
