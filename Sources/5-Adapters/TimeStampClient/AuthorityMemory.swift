import FoundationEssentials
import JSON
import Log
import OperatingSystem

/// What is known of authorities, kept in a file from one start of the process to the next: who is out and until when, what budgets were
/// learned, and which requests still count.
///
///     {"version":1,"authorities":[{"name":"a","learned":{"requests":20,"window_ms":1200000},"held_until_ms":…,"last_hold_ms":…,
///       "uses":[[time_ms,count],…],"outage":{"cause":"away","reason":"…","since_ms":…,"until_ms":…,"openings":3}}]}
///
/// Times are milliseconds since 1970. A file that is missing, or unreadable in any way, is an empty memory. The file is written atomically, not
/// more than about once a second unless it matters, and not synchronised to the disk: a process that is killed loses nothing that matters,
/// a machine that loses its power may.
public final class AuthorityMemory: Sendable {
    struct Outage: Sendable, Hashable {
        var cause = ""
        var reason = ""
        var since = Date(timeIntervalSince1970: 0)
        var until = Date(timeIntervalSince1970: 0)
        var openings = 1
    }

    struct Record: Sendable {
        var outage: Outage?
        var learned: RequestRate?
        var heldUntil: Date?
        var lastHold = Duration.zero
        /// By time.
        var uses: [(time: Date, count: Int)] = []
    }

    public let path: String
    private let lane = SerialLane(label: "timestamp memory")
    private let state: Locked<State>

    private struct State {
        var records: [String: Record]
        var writtenAt: Duration?
        var isFailing = false
        /// Of the newest content that was made, and of the newest that was written.
        var made = 0
        var written = 0
    }

    /// Reads the file; blocks while it does.
    public init(path: String) {
        self.path = path
        let bytes = (try? Files.read(path, atMost: 16 << 20)) ?? []
        state = Locked(State(records: (try? Self.records(in: bytes.span)) ?? [:]))
    }

    /// Whether something is on its way to the file.
    var isWriting: Bool { state.withLock { $0.written < $0.made } }

    func record(of name: String) -> Record? { state.withLock { $0.records[name] } }

    /// Whether the last writing was a while ago.
    func isDue(at now: Duration) -> Bool { state.withLock { $0.writtenAt.map { now - $0 >= .seconds(1) } ?? true } }

    /// Keeps the record; returns when it is in the file.
    func remember(_ record: Record, of name: String, at now: Duration, _ log: Log) async {
        let (number, records) = state.withLock { state in
            state.records[name] = record
            state.writtenAt = now
            state.made += 1
            return (state.made, state.records)
        }
        await lane.run { self.write(records, number: number, log) }
    }

    /// On the lane.
    private func write(_ records: [String: Record], number: Int, _ log: Log) {
        guard state.withLock({ $0.written < number }) else { return }
        var failure: String?
        do {
            try Files.writeAtomically(Self.json(records), to: path, mode: 0o600, durably: false)
        } catch {
            failure = "\(error)"
        }
        let isNews = state.withLock { state in
            state.written = number
            defer { state.isFailing = failure != nil }
            return state.isFailing != (failure != nil)
        }
        if isNews, let failure {
            log.error("timestamp-memory-not-written", "what is known of time-stamp authorities will not outlive this process: \(failure)")
        }
    }

    // MARK: - JSON

    private static func json(_ records: [String: Record]) -> [UInt8] {
        var writer = JSONWriter(capacity: 4096)
        func number(_ key: String, _ value: Int64) {
            writer.key(key)
            writer.integer(value)
        }
        writer.beginObject()
        number("version", 1)
        writer.key("authorities")
        writer.beginArray()
        for (name, record) in records.sorted(by: { $0.key < $1.key }) {
            writer.beginObject()
            writer.key("name")
            writer.string(name)
            if let learned = record.learned {
                writer.key("learned")
                writer.beginObject()
                number("requests", Int64(learned.requests))
                number("window_ms", milliseconds(learned.window))
                writer.endObject()
            }
            if let held = record.heldUntil { number("held_until_ms", milliseconds(held)) }
            number("last_hold_ms", milliseconds(record.lastHold))
            writer.key("uses")
            writer.beginArray()
            for use in record.uses {
                writer.beginArray()
                writer.integer(milliseconds(use.time))
                writer.integer(Int64(use.count))
                writer.endArray()
            }
            writer.endArray()
            if let outage = record.outage {
                writer.key("outage")
                writer.beginObject()
                writer.key("cause")
                writer.string(outage.cause)
                writer.key("reason")
                writer.string(outage.reason)
                number("since_ms", milliseconds(outage.since))
                number("until_ms", milliseconds(outage.until))
                number("openings", Int64(outage.openings))
                writer.endObject()
            }
            writer.endObject()
        }
        writer.endArray()
        writer.endObject()
        return writer.finish()
    }

    private static func milliseconds(_ date: Date) -> Int64 { Int64((max(-1e14, min(1e14, date.timeIntervalSince1970 * 1000))).rounded(.up)) }
    private static func milliseconds(_ duration: Duration) -> Int64 { Int64(max(0, min(1e14, duration.seconds * 1000))) }
    private static func date(_ milliseconds: Int64) -> Date { Date(timeIntervalSince1970: Double(milliseconds) / 1000) }

    private static func records(in bytes: Span<UInt8>) throws(JSONError) -> [String: Record] {
        var scanner = JSONScanner()
        var records: [String: Record] = [:]
        try scanner.beginDocument(bytes)
        try scanner.beginObject(bytes)
        while let key = try scanner.nextKey(bytes) {
            guard key.text(in: bytes) == "authorities" else {
                _ = try scanner.skipValue(bytes)
                continue
            }
            try scanner.beginArray(bytes)
            while try scanner.nextElement(bytes) {
                let (name, record) = try entry(&scanner, bytes)
                if let name { records[name] = record }
            }
        }
        try scanner.endDocument(bytes)
        return records
    }

    private static func entry(_ scanner: inout JSONScanner, _ bytes: Span<UInt8>) throws(JSONError) -> (String?, Record) {
        var name: String?
        var record = Record()
        try scanner.beginObject(bytes)
        while let key = try scanner.nextKey(bytes) {
            switch key.text(in: bytes) {
            case "name": name = try scanner.string(bytes).text(in: bytes)
            case "learned": record.learned = try rate(&scanner, bytes)
            case "held_until_ms": record.heldUntil = date(try scanner.integer(bytes))
            case "last_hold_ms": record.lastHold = .milliseconds(try scanner.integer(bytes))
            case "uses":
                try scanner.beginArray(bytes)
                while try scanner.nextElement(bytes) {
                    var numbers: [Int64] = []
                    try scanner.beginArray(bytes)
                    while try scanner.nextElement(bytes) { numbers.append(try scanner.integer(bytes)) }
                    // A rate has fewer requests than this; a greater number would overflow.
                    if numbers.count == 2, (1...1_000_000_000).contains(numbers[1]) { record.uses.append((date(numbers[0]), Int(numbers[1]))) }
                }
            case "outage": record.outage = try outage(&scanner, bytes)
            default: _ = try scanner.skipValue(bytes)
            }
        }
        return (name, record)
    }

    private static func rate(_ scanner: inout JSONScanner, _ bytes: Span<UInt8>) throws(JSONError) -> RequestRate? {
        var (requests, window): (Int64, Int64) = (0, 0)
        try scanner.beginObject(bytes)
        while let key = try scanner.nextKey(bytes) {
            switch key.text(in: bytes) {
            case "requests": requests = try scanner.integer(bytes)
            case "window_ms": window = try scanner.integer(bytes)
            default: _ = try scanner.skipValue(bytes)
            }
        }
        guard (1...1_000_000_000).contains(requests), (1...31_622_400_000).contains(window) else { return nil }
        return RequestRate(Int(requests), in: .milliseconds(window))
    }

    private static func outage(_ scanner: inout JSONScanner, _ bytes: Span<UInt8>) throws(JSONError) -> Outage {
        var outage = Outage()
        try scanner.beginObject(bytes)
        while let key = try scanner.nextKey(bytes) {
            switch key.text(in: bytes) {
            case "cause": outage.cause = try scanner.string(bytes).text(in: bytes)
            case "reason": outage.reason = try scanner.string(bytes).text(in: bytes)
            case "since_ms": outage.since = date(try scanner.integer(bytes))
            case "until_ms": outage.until = date(try scanner.integer(bytes))
            case "openings": outage.openings = Int(clamping: try scanner.integer(bytes))
            default: _ = try scanner.skipValue(bytes)
            }
        }
        return outage
    }
}
