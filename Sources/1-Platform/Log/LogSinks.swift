import FoundationEssentials
import OperatingSystem

extension Log {
    /// One line of JSON an event on standard error, for a service: `time` (RFC 3339, UTC, microseconds), `level`, `program`, `event`,
    /// `message` and `fields` (the last two where there are any).
    public static func jsonLines(program: String, minimum: Level = .info) -> Log {
        Log(minimum: minimum) { StandardStreams.writeError(jsonLine($0, program: program)) }
    }

    /// One line an event on standard error, for a person at a terminal: `program: warning: message (name: value, …)`.
    public static func text(program: String, minimum: Level = .info) -> Log {
        Log(minimum: minimum) { StandardStreams.writeError(textLine($0, program: program)) }
    }

    static func jsonLine(_ event: LogEvent, program: String) -> [UInt8] {
        var line: [UInt8] = []
        line.reserveCapacity(256)
        line.append(contentsOf: #"{"time":""#.utf8)
        appendTime(event.time, to: &line)
        line.append(contentsOf: #"","level":""#.utf8)
        line.append(contentsOf: event.level.name.utf8)
        line.append(contentsOf: #"","program":"#.utf8)
        appendString(program, to: &line)
        line.append(contentsOf: #","event":"#.utf8)
        appendString(event.event, to: &line)
        if !event.message.isEmpty {
            line.append(contentsOf: #","message":"#.utf8)
            appendString(event.message, to: &line)
        }
        let fields = withoutDoubles(event.fields)
        if !fields.isEmpty {
            line.append(contentsOf: #","fields":{"#.utf8)
            for (index, field) in fields.enumerated() {
                if index > 0 { line.append(UInt8(ascii: ",")) }
                appendString(field.0, to: &line)
                line.append(UInt8(ascii: ":"))
                appendValue(field.1, to: &line)
            }
            line.append(UInt8(ascii: "}"))
        }
        line.append(contentsOf: "}\n".utf8)
        return line
    }

    static func textLine(_ event: LogEvent, program: String) -> [UInt8] {
        var text = program + ": "
        if event.level != .info { text += event.level.name + ": " }
        text += event.message.isEmpty ? event.event : event.message
        let fields = withoutDoubles(event.fields)
        if !fields.isEmpty { text += " (" + fields.map { "\($0.0): \($0.1)" }.joined(separator: ", ") + ")" }
        // A document's name must not move the cursor or colour the terminal.
        let scalars = text.unicodeScalars.map { $0.properties.generalCategory == .control ? "\u{FFFD}" : $0 }
        return Array((String(String.UnicodeScalarView(scalars)) + "\n").utf8)
    }
}

/// A field that is given twice stands once, with its last value.
private func withoutDoubles(_ fields: [(String, LogValue)]) -> [(String, LogValue)] {
    var kept: [(String, LogValue)] = []
    for field in fields {
        if let index = kept.firstIndex(where: { $0.0 == field.0 }) {
            kept[index] = field
        } else {
            kept.append(field)
        }
    }
    return kept
}

private func appendValue(_ value: LogValue, to line: inout [UInt8]) {
    switch value {
    case .text(let text): appendString(text, to: &line)
    case .number(let number) where !number.isFinite: appendString(String(number), to: &line)  // JSON has no such number
    default: line.append(contentsOf: value.description.utf8)
    }
}

/// As RFC 8259, section 7, writes a string.
private func appendString(_ text: String, to line: inout [UInt8]) {
    line.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"):
            line.append(UInt8(ascii: "\\"))
            line.append(byte)
        case UInt8(ascii: "\n"): line.append(contentsOf: #"\n"#.utf8)
        case UInt8(ascii: "\t"): line.append(contentsOf: #"\t"#.utf8)
        case 0..<0x20, 0x7F:
            line.append(contentsOf: #"\u00"#.utf8)
            for digit in [byte >> 4, byte & 15] { line.append(digit < 10 ? 0x30 + digit : 0x61 + digit - 10) }
        default: line.append(byte)
        }
    }
    line.append(UInt8(ascii: "\""))
}

/// `2026-11-21T16:18:01.123456Z`
private func appendTime(_ time: Date, to line: inout [UInt8]) {
    let microseconds = Int64((time.timeIntervalSince1970 * 1_000_000).rounded(.down))
    var (seconds, fraction) = microseconds.quotientAndRemainder(dividingBy: 1_000_000)
    if fraction < 0 {
        seconds -= 1
        fraction += 1_000_000
    }
    var (days, clock) = seconds.quotientAndRemainder(dividingBy: 86_400)
    if clock < 0 {
        days -= 1
        clock += 86_400
    }
    // Days to year, month, day on a calendar that begins on 1 March 0000, so that the leap day is a year's last.
    let shifted = days + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * dayOfYear + 2) / 153
    let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)

    func append(_ number: Int64, digits: Int, then separator: Character) {
        let text = String(number)
        line.append(contentsOf: repeatElement(UInt8(ascii: "0"), count: max(0, digits - text.utf8.count)))
        line.append(contentsOf: text.utf8)
        line.append(separator.asciiValue!)
    }
    append(year, digits: 4, then: "-")
    append(month, digits: 2, then: "-")
    append(dayOfYear - (153 * monthFromMarch + 2) / 5 + 1, digits: 2, then: "T")
    append(clock / 3_600, digits: 2, then: ":")
    append(clock / 60 % 60, digits: 2, then: ":")
    append(clock % 60, digits: 2, then: ".")
    append(fraction, digits: 6, then: "Z")
}
