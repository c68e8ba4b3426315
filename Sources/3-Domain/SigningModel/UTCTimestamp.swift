public import FoundationEssentials

/// Times in jobs and results: RFC 3339 in UTC, as `2026-03-01T12:00:00Z`, with a fraction where there is one.
public enum UTCTimestamp {
    /// The time as text, to the nearest millisecond, which stands where it is not zero. A time outside the years 0 to 9999, which RFC 3339
    /// cannot write, becomes the nearest that it can.
    public static func text(_ time: Date) -> String { String(decoding: utf8(time), as: UTF8.self) }

    static func utf8(_ time: Date) -> [UInt8] {
        let milliseconds = Int64(min(max((time.timeIntervalSince1970 * 1000).rounded(), -62_167_219_200_000), 253_402_300_799_999))
        let (day, inDay) = floorDivided(milliseconds, by: 86_400_000)
        let (year, month, dayOfMonth) = civil(day)
        let fraction = inDay % 1000
        return [UInt8](capacity: 24) { text in
            write(year, digits: 4, then: UInt8(ascii: "-"), to: &text)
            write(month, digits: 2, then: UInt8(ascii: "-"), to: &text)
            write(dayOfMonth, digits: 2, then: UInt8(ascii: "T"), to: &text)
            write(inDay / 3_600_000, digits: 2, then: UInt8(ascii: ":"), to: &text)
            write(inDay / 60_000 % 60, digits: 2, then: UInt8(ascii: ":"), to: &text)
            write(inDay / 1000 % 60, digits: 2, then: fraction == 0 ? UInt8(ascii: "Z") : UInt8(ascii: "."), to: &text)
            if fraction != 0 { write(fraction, digits: 3, then: UInt8(ascii: "Z"), to: &text) }
        }
    }

    /// The time that `text` says, or nil unless it is a date-time of RFC 3339, 5.6 with capital T and the offset `Z` or `+00:00`.
    /// A leap second counts as the second after it.
    public static func read(_ text: [UInt8]) -> Date? { read(text.span) }

    static func read(_ text: Span<UInt8>) -> Date? {
        guard text.count >= 20, text[4] == UInt8(ascii: "-"), text[7] == UInt8(ascii: "-"), text[10] == UInt8(ascii: "T"),
            text[13] == UInt8(ascii: ":"), text[16] == UInt8(ascii: ":"), let year = number(text, 0..<4), let month = number(text, 5..<7),
            let day = number(text, 8..<10), let hour = number(text, 11..<13), let minute = number(text, 14..<16),
            let second = number(text, 17..<19), month >= 1, month <= 12, day >= 1, day <= daysIn(month, of: year), hour < 24, minute < 60,
            second < 60 || (second == 60 && hour == 23 && minute == 59)
        else { return nil }
        var at = 19
        var fraction = 0.0
        if text[at] == UInt8(ascii: ".") {
            var scale = 0.1
            at += 1
            while at < text.count, let digit = number(text, at..<(at + 1)) {
                fraction += scale * Double(digit)
                scale /= 10
                at += 1
            }
            guard at > 20 else { return nil }
        }
        guard isUTC(text, at) else { return nil }
        let seconds = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second
        return Date(timeIntervalSince1970: Double(seconds) + fraction)
    }

    private static func write(_ value: Int64, digits: Int, then separator: UInt8, to text: inout OutputSpan<UInt8>) {
        if digits >= 4 { text.append(UInt8(ascii: "0") + UInt8(value / 1000 % 10)) }
        if digits >= 3 { text.append(UInt8(ascii: "0") + UInt8(value / 100 % 10)) }
        text.append(UInt8(ascii: "0") + UInt8(value / 10 % 10))
        text.append(UInt8(ascii: "0") + UInt8(value % 10))
        text.append(separator)
    }

    private static func number(_ text: Span<UInt8>, _ range: Range<Int>) -> Int64? {
        var value: Int64 = 0
        for index in range {
            let byte = text[index]
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
            value = value * 10 + Int64(byte - UInt8(ascii: "0"))
        }
        return value
    }

    /// Whether `Z` or `+00:00` is all that follows.
    private static func isUTC(_ text: Span<UInt8>, _ at: Int) -> Bool {
        if text.count - at == 1 { return text[at] == UInt8(ascii: "Z") }
        return text.count - at == 6 && text[at] == UInt8(ascii: "+") && text[at + 3] == UInt8(ascii: ":")
            && number(text, (at + 1)..<(at + 3)) == 0 && number(text, (at + 4)..<(at + 6)) == 0
    }

    // MARK: The proleptic Gregorian calendar, counted in days since 1970-01-01. Years begin in March, so that the leap day comes last

    private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let y = month <= 2 ? year - 1 : year
        let (era, yearOfEra) = floorDivided(y, by: 400)
        let dayOfYear = (153 * ((month + 9) % 12) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    private static func civil(_ days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let (era, dayOfEra) = floorDivided(days + 719_468, by: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shifted + 2) / 5 + 1)
    }

    private static func daysIn(_ month: Int64, of year: Int64) -> Int64 {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    private static func floorDivided(_ value: Int64, by divisor: Int64) -> (Int64, Int64) {
        let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }
}
