import Foundation
import OperatingSystem
import Testing

@testable import Log

@Suite struct LogTests {
    private func collecting(_ minimum: Log.Level) -> (Log, Locked<[LogEvent]>) {
        let events = Locked<[LogEvent]>([])
        return (Log(minimum: minimum) { event in events.withLock { $0.append(event) } }, events)
    }

    @Test func eventsBelowTheMinimumAreNotEvenMade() {
        let (log, events) = collecting(.warning)
        func costly() -> String {
            Issue.record("the message of a silent event was made")
            return ""
        }
        log.debug("a", costly())
        log.info("b", costly(), [("x", "\(costly())")])
        log.warning("c", "three", [("x", 1)])
        log.error("d")
        let seen = events.withLock { $0 }
        #expect(seen.map(\.event) == ["c", "d"])
        #expect(seen.map(\.level) == [.warning, .error])
        #expect(seen[0].message == "three")
        #expect(seen[0].fields.map(\.0) == ["x"])
        #expect(abs(seen[0].time.timeIntervalSinceNow) < 60)
        Log.silent.error("e", "nothing happens")
    }

    @Test func contextStandsBeforeTheFields() {
        let (log, events) = collecting(.debug)
        log.with([("stream", "demo")]).with([("partition", 3)]).info("x", "", [("offset", 5)])
        let fields = events.withLock { $0[0].fields }
        #expect(fields.map(\.0) == ["stream", "partition", "offset"])
        #expect(fields.map(\.1) == ["demo", 3, 5])
    }

    @Test func aLineIsJSONThatOthersRead() throws {
        let time = Date(timeIntervalSince1970: 1_795_278_681.25)
        let nasty = "quote \" backslash \\ line\nfeed tab\t bell\u{7} del\u{7F} Таңба 🖋 \u{2028}"
        let fields: [(String, LogValue)] = [
            ("text", LogValue(nasty)), ("integer", LogValue(UInt64.max)), ("number", 0.25), ("infinite", LogValue(Double.infinity)),
            ("boolean", true), ("key\n", "v"), ("twice", 1), ("twice", 2),
        ]
        let event = LogEvent(time: time, level: .warning, event: "token-gone", message: nasty, fields: fields)
        let line = Log.jsonLine(event, program: "tanba-worker")
        #expect(line.filter { $0 == UInt8(ascii: "\n") }.count == 1)
        #expect(line.last == UInt8(ascii: "\n"))
        #expect(line.dropLast().allSatisfy { $0 >= 0x20 && $0 != 0x7F })
        let object = try #require(try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any])
        #expect(object["time"] as? String == "2026-11-21T16:31:21.250000Z")
        #expect(object["level"] as? String == "warning")
        #expect(object["program"] as? String == "tanba-worker")
        #expect(object["event"] as? String == "token-gone")
        #expect(object["message"] as? String == nasty)
        let read = try #require(object["fields"] as? [String: Any])
        #expect(read["text"] as? String == nasty)
        #expect(read["integer"] as? Int64 == .max)
        #expect(read["number"] as? Double == 0.25)
        #expect(read["infinite"] as? String == "inf")
        #expect(read["boolean"] as? Bool == true)
        #expect(read["key\n"] as? String == "v")
        #expect(read["twice"] as? Int == 2)
        #expect(String(decoding: line, as: UTF8.self).components(separatedBy: "\"twice\"").count == 2)
    }

    @Test func anEventWithoutMessageAndFieldsIsShort() {
        let event = LogEvent(time: Date(timeIntervalSince1970: 0), level: .info, event: "started", message: "", fields: [])
        let line = String(decoding: Log.jsonLine(event, program: "p"), as: UTF8.self)
        #expect(line == #"{"time":"1970-01-01T00:00:00.000000Z","level":"info","program":"p","event":"started"}"# + "\n")
    }

    /// Against Foundation's calendar, on times over three centuries and on the days where calendars go wrong.
    @Test func timesAreThoseOfTheCalendar() {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("seed of timesAreThoseOfTheCalendar: \(seed)")
        var generator = SeededGenerator(state: seed)
        var seconds: [Int] = [-1, 951_782_399, 951_782_400, 951_868_800, 1_078_012_800, 4_107_542_400, 1_798_761_599]
        for _ in 0..<2_000 { seconds.append(Int.random(in: -2_000_000_000...8_000_000_000, using: &generator)) }
        let formatter = ISO8601DateFormatter()
        for second in seconds {
            let time = Date(timeIntervalSince1970: Double(second))
            let event = LogEvent(time: time, level: .info, event: "x", message: "", fields: [])
            let line = String(decoding: Log.jsonLine(event, program: "p"), as: UTF8.self)
            let expected = formatter.string(from: time).dropLast() + ".000000Z"
            #expect(line.hasPrefix("{\"time\":\"\(expected)\""), "second \(second)")
        }
    }

    @Test func aPersonReadsAnotherLine() {
        let fields: [(String, LogValue)] = [("slot", 1), ("name", "a\u{1B}[2J")]
        let warning = LogEvent(time: Date(), level: .warning, event: "token-gone", message: "The token is gone", fields: fields)
        let line = String(decoding: Log.textLine(warning, program: "tanba"), as: UTF8.self)
        #expect(line == "tanba: warning: The token is gone (slot: 1, name: a\u{FFFD}[2J)\n")
        let info = LogEvent(time: Date(), level: .info, event: "started", message: "", fields: [])
        #expect(Log.textLine(info, program: "tanba") == Array("tanba: started\n".utf8))
    }

    @Test func theSinksWriteToStandardError() async throws {
        let result = await #expect(processExitsWith: .exitCode(0), observing: [\.standardErrorContent]) {
            Log.jsonLines(program: "p").info("json-event")
            Log.jsonLines(program: "p").debug("unseen")
            Log.text(program: "p", minimum: .debug).debug("text-event")
            exit(0)
        }
        let text = String(decoding: try #require(result?.standardErrorContent), as: UTF8.self)
        #expect(text.contains(#""event":"json-event"}"#))
        #expect(text.contains("p: debug: text-event\n"))
        #expect(!text.contains("unseen"))
    }
}

/// Repeats its numbers for a seed (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}
