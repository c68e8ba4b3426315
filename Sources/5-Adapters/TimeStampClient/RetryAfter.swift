import FoundationEssentials

/// The `Retry-After` field of an HTTP answer (RFC 9110, 10.2.3): seconds, or a date in one of three forms (5.6.7), two of them obsolete.
enum RetryAfter {
    /// No authority means longer; a date in the far future would overflow.
    private static let most = 366.0 * 86_400

    /// How long to wait from `now` on; nil for what is neither. A date that is over gives zero.
    static func pause(_ value: String, at now: Date) -> Duration? {
        let text = value.drop { $0 == " " }
        if !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
            return .seconds(Int64(min(most, Double(text) ?? most)))
        }
        return date(text).map { .milliseconds(Int64(min(most, max(0, $0.timeIntervalSince(now))) * 1000)) }
    }

    /// "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994".
    private static func date(_ text: Substring) -> Date? {
        let words = text.split { $0 == " " || $0 == "," || $0 == "-" }.map(String.init)
        // With the day's name in front; the zone at the end is always GMT, or not said.
        let order: (day: Int, month: Int, year: Int, time: Int)
        switch words.count {
        case 6 where words[5] == "GMT": order = (1, 2, 3, 4)
        case 5: order = (2, 1, 4, 3)
        default: return nil
        }
        let clock = words[order.time].split(separator: ":").compactMap { Int($0) }
        guard let day = Int(words[order.day]), let month = months.firstIndex(of: words[order.month].lowercased()),
            let year = Int(words[order.year]), clock.count == 3, (1...31).contains(day), (0...9999).contains(year),
            (0..<24).contains(clock[0]), (0..<60).contains(clock[1]), (0...60).contains(clock[2])
        else { return nil }
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = .gmt
        // Two digits stand for the century that is less than fifty years away; this one, for the lifetime of this code.
        let whole = words[order.year].utf8.count == 2 ? 2000 + year : year
        return calendar.date(
            from: DateComponents(year: whole, month: month + 1, day: day, hour: clock[0], minute: clock[1], second: clock[2]))
    }

    private static let months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
}
