import Testing

@testable import PCSC

/// What is told when pcscd says this or that; no reader is needed.
@Suite struct KnownReadersTests {
    private static let one = ReaderName(bytes: Array("one".utf8))
    private static let two = ReaderName(bytes: Array("two".utf8))
    private static let card: [UInt8] = [0x3B, 0x00]

    private static func present(_ count: UInt16, _ answerToReset: [UInt8] = card) -> ReaderStatus {
        ReaderStatus(isCardPresent: true, eventCount: count, answerToReset: answerToReset)
    }

    @Test func readersComeInOrderAndAreAskedForTheirStatus() {
        var known = KnownReaders()
        #expect(known.list([Self.one, Self.two]) == [.readerAppeared("one"), .readerAppeared("two")])
        #expect(known.all.map(\.name) == [Self.one, Self.two] && known.all.allSatisfy { $0.status == nil })
        #expect(known.list([Self.two, Self.one]) == [])
        #expect(known.note(ReaderStatus(), of: Self.one) == [])
        #expect(known.all.map { $0.status != nil } == [true, false])
    }

    @Test func aCardComesAndGoes() {
        var known = KnownReaders()
        _ = known.list([Self.one])
        #expect(known.note(Self.present(1), of: Self.one) == [.cardInserted(reader: "one", answerToReset: Self.card)])
        #expect(known.note(Self.present(1), of: Self.one) == [])
        #expect(known.note(ReaderStatus(eventCount: 2), of: Self.one) == [.cardRemoved(reader: "one")])
        #expect(known.note(ReaderStatus(eventCount: 2), of: Self.one) == [])
    }

    /// Out and in between two looks: pcscd's count tells of it, though a card is there both times.
    @Test func aCardThatWasOutMeanwhileIsTold() {
        var known = KnownReaders()
        _ = known.list([Self.one])
        _ = known.note(Self.present(65_535), of: Self.one)
        let other: [UInt8] = [0x3B, 0x01, 0x02]
        #expect(
            known.note(Self.present(1, other), of: Self.one)
                == [.cardRemoved(reader: "one"), .cardInserted(reader: "one", answerToReset: other)])
    }

    @Test func aReaderThatGivesNoAnswerHasNoCard() {
        var known = KnownReaders()
        _ = known.list([Self.one])
        _ = known.note(Self.present(3), of: Self.one)
        #expect(known.note(ReaderStatus(isUnavailable: true), of: Self.one) == [.cardRemoved(reader: "one")])
        #expect(known.note(Self.present(4), of: Self.one) == [.cardInserted(reader: "one", answerToReset: Self.card)])
    }

    @Test func aReaderTakesItsCardAlong() {
        var known = KnownReaders()
        _ = known.list([Self.one, Self.two])
        _ = known.note(Self.present(1), of: Self.one)
        #expect(known.list([Self.two]) == [.cardRemoved(reader: "one"), .readerVanished("one")])
        // What was on its way when the reader went
        #expect(known.note(Self.present(1), of: Self.one) == [])
        #expect(known.list([Self.two, Self.one]) == [.readerAppeared("one")])
        _ = known.note(Self.present(2), of: Self.two)
        #expect(known.forgetAll() == [.cardRemoved(reader: "two"), .readerVanished("two"), .readerVanished("one")])
        #expect(known.forgetAll() == [] && known.all.isEmpty)
    }
}
