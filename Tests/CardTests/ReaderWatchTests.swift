import Foundation
import OperatingSystem
import SigningTestKit
import Testing

@testable import PCSC

/// The watch over a real pcscd with virtual readers. One pcscd for all, since libpcsclite asks for its place once a process.
@Suite(.serialized, .enabled(if: VirtualReaders.isAvailable, "SKIPPED: a real pcscd with virtual readers")) struct ReaderWatchTests {
    private static let readers = Result {
        let readers = try VirtualReaders()
        for (name, value) in readers.environment { setenv(name, value, 1) }
        return readers
    }
    private static let one = VirtualReaders.name(slot: 0)
    private static let two = VirtualReaders.name(slot: 1)
    private static let kaztoken: [UInt8] = [0x3B, 0x88, 0x01, 0x4B, 0x41, 0x5A, 0x54, 0x4F, 0x4B, 0x45, 0x4E, 0x82]
    private static let other: [UInt8] = [0x3B, 0x02, 0x14, 0x50]
    private static let start: [ReaderEvent] = [.serviceFound, .readerAppeared(one), .readerAppeared(two)]

    private static var settings: ReaderWatch.Settings {
        var settings = ReaderWatch.Settings()
        (settings.pauseMin, settings.pauseMax) = (.milliseconds(20), .milliseconds(100))
        return settings
    }

    @Test func aCardIsSeenComingGoingAndComing() async throws {
        let readers = try Self.readers.get()
        let events = Events()
        let watch = try ReaderWatch(Self.settings) { events.add($0) }
        try await events.expect(Self.start)
        try readers.insert(Self.kaztoken)
        try await events.expect([.cardInserted(reader: Self.one, answerToReset: Self.kaztoken)])
        try readers.remove()
        try await events.expect([.cardRemoved(reader: Self.one)])
        try readers.insert(Self.other, slot: 1)
        try await events.expect([.cardInserted(reader: Self.two, answerToReset: Self.other)])
        #expect(
            try SmartCardService.readers() == [
                Reader(name: Self.one, isCardPresent: false, answerToReset: []),
                Reader(name: Self.two, isCardPresent: true, answerToReset: Self.other),
            ])
        try readers.insert(Self.kaztoken)
        try await events.expect([.cardInserted(reader: Self.one, answerToReset: Self.kaztoken)])
        // One who comes later is told what is there
        let later = Events()
        let second = try ReaderWatch(Self.settings) { later.add($0) }
        try await later.expect(
            Self.start + [.cardInserted(reader: Self.one, answerToReset: Self.kaztoken), .cardInserted(reader: Self.two, answerToReset: Self.other)])
        await second.stop()
        try readers.remove()
        try readers.remove(slot: 1)
        try await events.expectInAnyOrder([.cardRemoved(reader: Self.one), .cardRemoved(reader: Self.two)])
        await watch.stop()
        #expect(later.rest == [] && events.rest == [])
    }

    @Test func aServiceThatIsKilledAndStartedAgainIsWaitedFor() async throws {
        let readers = try Self.readers.get()
        let events = Events()
        let watch = try ReaderWatch(Self.settings) { events.add($0) }
        try await events.expect(Self.start)
        try readers.insert(Self.kaztoken)
        try await events.expect([.cardInserted(reader: Self.one, answerToReset: Self.kaztoken)])
        try readers.killService()
        // Gone is gone: who listens needs no list of its own. The card may have been seen leaving first.
        try await events.expect([.cardRemoved(reader: Self.one), .readerVanished(Self.one), .readerVanished(Self.two)])
        try await events.expectServiceLost()
        // Many attempts later it has not been told again
        try await Task.sleep(for: .milliseconds(500))
        #expect(events.rest == [])
        // Back, with other readers
        try readers.startService(pair: "Other PCD")
        let names = (0...1).map { VirtualReaders.name(slot: $0, of: "Other PCD") }
        try await events.expect([.serviceFound] + names.map { .readerAppeared($0) })
        try readers.insert(Self.kaztoken, slot: 1)
        try await events.expect([.cardInserted(reader: names[1], answerToReset: Self.kaztoken)])
        try readers.killService()
        try await events.expect([.readerVanished(names[0]), .cardRemoved(reader: names[1]), .readerVanished(names[1])])
        try await events.expectServiceLost()
        try readers.startService()
        try await events.expect(Self.start)
        await watch.stop()
    }

    @Test func aServiceThatIsNotThereFromTheStartIsWaitedFor() async throws {
        let readers = try Self.readers.get()
        try readers.killService()
        #expect(throws: PCSCError.self) { try SmartCardService.readers() }
        let events = Events()
        let watch = try ReaderWatch(Self.settings) { events.add($0) }
        try await events.expectServiceLost()
        try await Task.sleep(for: .milliseconds(300))
        #expect(events.rest == [])
        try readers.startService(pair: nil)
        try await events.expect([.serviceFound])
        #expect(try SmartCardService.readers() == [])
        try readers.killService()
        try await events.expectServiceLost()
        try readers.startService()
        try await events.expect(Self.start)
        await watch.stop()
    }

    /// It sleeps without limit in either case and still ends at once; and the pause does not outlast it.
    @Test func itEndsWhenItIsTold() async throws {
        let readers = try Self.readers.get()
        var settings = ReaderWatch.Settings()
        (settings.pauseMin, settings.listInterval) = (.seconds(60), .seconds(60))
        let clock = ContinuousClock()
        for turn in 0..<20 {
            let events = Events()
            let watch = try ReaderWatch(settings) { events.add($0) }
            // At any moment, also before it waits
            if turn.isMultiple(of: 2) { try await events.expect(Self.start) }
            let took = await clock.measure { await watch.stop() }
            #expect(took < .seconds(30))
            await watch.stop()
        }
        try readers.killService()
        let events = Events()
        let watch = try ReaderWatch(settings) { events.add($0) }
        try await events.expectServiceLost()
        #expect(await clock.measure { await watch.stop() } < .seconds(30))
        try readers.startService()
    }

    /// A service that hangs holds its clients in the library; whoever ends the watch is not held for longer than two seconds.
    @Test func aServiceThatHangsDoesNotHoldItsEnd() async throws {
        let readers = try Self.readers.get()
        let events = Events()
        let watch = try ReaderWatch(Self.settings) { events.add($0) }
        try await events.expect(Self.start)
        try readers.pauseService()
        let took = await ContinuousClock().measure { await watch.stop() }
        try readers.resumeService()
        #expect(took < .seconds(30))
        #expect(events.rest == [])
    }

    @Test func itsErrorsSayWhatToDo() throws {
        let error = PCSCError(0x8010_001D, by: "SCardEstablishContext")
        #expect("\(error)".hasPrefix("SCardEstablishContext: Service not available. (0x8010001D) Start pcscd"), "\(error)")
        #expect(error.code == 0x8010_001D && error.function == "SCardEstablishContext")
    }
}

/// Events as they come, taken by the test in order.
private final class Events: Sendable {
    private let all = Locked<[ReaderEvent]>([])

    func add(_ event: ReaderEvent) { all.withLock { $0.append(event) } }

    /// What nobody asked for yet.
    var rest: [ReaderEvent] { all.withLock { $0 } }

    /// Waits for as many events and takes them.
    private func next(_ count: Int) async throws -> [ReaderEvent] {
        let end = ContinuousClock.now + .seconds(60)
        while ContinuousClock.now < end {
            let taken: [ReaderEvent]? = all.withLock { all in
                guard all.count >= count else { return nil }
                defer { all.removeFirst(count) }
                return Array(all.prefix(count))
            }
            if let taken { return taken }
            try await Task.sleep(for: .milliseconds(5))
        }
        throw Missing(description: "waited for \(count) events, saw \(rest)")
    }

    func expect(_ expected: [ReaderEvent], location: SourceLocation = #_sourceLocation) async throws {
        #expect(try await next(expected.count) == expected, sourceLocation: location)
    }

    func expectInAnyOrder(_ expected: Set<ReaderEvent>, location: SourceLocation = #_sourceLocation) async throws {
        #expect(Set(try await next(expected.count)) == expected, sourceLocation: location)
    }

    func expectServiceLost(location: SourceLocation = #_sourceLocation) async throws {
        guard case .serviceLost(let error) = try await next(1)[0] else {
            Issue.record("the service is not lost", sourceLocation: location)
            return
        }
        #expect("\(error)".contains("Start pcscd"), "\(error)", sourceLocation: location)
    }
}

private struct Missing: Error, CustomStringConvertible {
    let description: String
}
