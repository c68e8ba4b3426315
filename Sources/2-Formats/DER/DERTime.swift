public import FoundationEssentials

/// A moment as DER writes it, in UTC: UTCTime for the years 1950 to 2049, else GeneralizedTime (RFC 5652, 11.3).
public struct DERTime: Sendable, Hashable {
    /// Seconds since 1970, rounded down.
    public let seconds: Int64
    /// Fraction of the second, 0 to 999,999,999. Finer digits of a GeneralizedTime are dropped; writing drops all.
    public let nanoseconds: Int32

    /// - Precondition: a year from 0 to 9999.
    public init(_ date: Date) {
        let interval = date.timeIntervalSince1970
        precondition(interval >= -62_167_219_200 && interval < 253_402_300_800, "a year that DER cannot write")
        let whole = interval.rounded(.down)
        seconds = Int64(whole)
        nanoseconds = Int32(((interval - whole) * 1e9).rounded(.down))
    }

    public var date: Date { Date(timeIntervalSince1970: Double(seconds) + Double(nanoseconds) / 1e9) }

    /// UTCTime or GeneralizedTime, by the year.
    public var tag: DERTag { Self.utcTimeRange.contains(seconds) ? .utcTime : .generalizedTime }

    /// Content octets: 13 for UTCTime, 15 for GeneralizedTime.
    public var contentCount: Int { tag == .utcTime ? 13 : 15 }

    /// Puts the content octets, `contentCount` of them, over those of `bytes` from `index` on.
    public func write(over bytes: inout MutableSpan<UInt8>, at index: Int) {
        let clock = Clock(secondsSince1970: seconds)
        var at = index
        if tag == .generalizedTime { bytes.put(clock.year / 100, at: &at) }
        bytes.put(clock.year % 100, at: &at)
        bytes.put(clock.month, at: &at)
        bytes.put(clock.day, at: &at)
        bytes.put(clock.hour, at: &at)
        bytes.put(clock.minute, at: &at)
        bytes.put(clock.second, at: &at)
        bytes[at] = 0x5A
    }

    /// `YYMMDDHHMMSSZ`; nil for any other form or for a date that does not exist.
    public init?(utcTime text: Span<UInt8>) {
        guard text.count == 13, text[12] == 0x5A, let year = text.pair(at: 0) else { return nil }
        self.init(year: year < 50 ? 2000 + year : 1900 + year, rest: text, from: 2, nanoseconds: 0)
    }

    /// `YYYYMMDDHHMMSS[.f]Z` with a fraction that does not end in 0; nil for any other form or for a date that does not exist.
    public init?(generalizedTime text: Span<UInt8>) {
        guard text.count >= 15, text[text.count - 1] == 0x5A, let century = text.pair(at: 0), let year = text.pair(at: 2) else {
            return nil
        }
        var nanoseconds: Int32 = 0
        if text.count > 15 {
            guard text.count > 16, text[14] == 0x2E, text[text.count - 2] != 0x30 else { return nil }
            var unit: Int32 = 100_000_000
            for index in 15..<(text.count - 1) {
                guard let digit = text.digit(at: index) else { return nil }
                nanoseconds += Int32(digit) * unit
                unit /= 10
            }
        }
        self.init(year: century * 100 + year, rest: text, from: 4, nanoseconds: nanoseconds)
    }

    /// `MMDDHHMMSS` from `index` on.
    private init?(year: Int, rest text: Span<UInt8>, from index: Int, nanoseconds: Int32) {
        guard let month = text.pair(at: index), let day = text.pair(at: index + 2), let hour = text.pair(at: index + 4),
            let minute = text.pair(at: index + 6), let second = text.pair(at: index + 8),
            (1...12).contains(month), day >= 1, day <= Clock.days(inMonth: month, of: year), hour < 24, minute < 60, second < 60
        else { return nil }
        seconds = Clock.secondsSince1970(year: year, month: month, day: day) + Int64(hour * 3600 + minute * 60 + second)
        self.nanoseconds = nanoseconds
    }

    /// 1950-01-01 to 2049-12-31
    private static let utcTimeRange: Range<Int64> = -631_152_000..<2_524_608_000
}

/// The Gregorian calendar, as of era arithmetic over years that begin in March.
private struct Clock {
    let year, month, day, hour, minute, second: Int

    init(secondsSince1970 seconds: Int64) {
        let days = Int(seconds >= 0 ? seconds / 86_400 : (seconds - 86_399) / 86_400)
        let rest = Int(seconds) - days * 86_400
        // Days since 0000-03-01, so that the leap day is the last of its year; all years served are in eras 0 and later but Jan-Feb of year 0
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * marchMonth + 2) / 5 + 1
        month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        hour = rest / 3600
        minute = rest / 60 % 60
        second = rest % 60
    }

    static func secondsSince1970(year: Int, month: Int, day: Int) -> Int64 {
        let marchYear = month <= 2 ? year - 1 : year
        let era = (marchYear >= 0 ? marchYear : marchYear - 399) / 400
        let yearOfEra = marchYear - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return Int64(era * 146_097 + dayOfEra - 719_468) * 86_400
    }

    static func days(inMonth month: Int, of year: Int) -> Int {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }
}

extension Span<UInt8> {
    fileprivate func digit(at index: Int) -> Int? {
        let value = Int(self[index]) - 0x30
        return (0...9).contains(value) ? value : nil
    }

    fileprivate func pair(at index: Int) -> Int? {
        guard let tens = digit(at: index), let ones = digit(at: index + 1) else { return nil }
        return tens * 10 + ones
    }
}

extension MutableSpan<UInt8> {
    fileprivate mutating func put(_ number: Int, at index: inout Int) {
        self[index] = UInt8(0x30 + number / 10)
        self[index + 1] = UInt8(0x30 + number % 10)
        index += 2
    }
}
