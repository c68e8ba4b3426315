/// A cursor over one JSON text: the caller asks for what it expects, token by token, and gets ranges of the same bytes.
///
/// The bytes are not held: every call is given the same `Span` again. An object is walked with ``beginObject(_:)`` and
/// ``nextKey(_:)`` until that gives nil, an array with ``beginArray(_:)`` and ``nextElement(_:)``; after each key or element exactly one
/// value is read or skipped. After a throw the scanner is of no more use.
///
/// Doubled keys: ``skipValue(_:)`` finds them at every level it passes over; a caller that walks an object itself knows its keys
/// and must refuse the second of a kind itself.
public struct JSONScanner: Sendable {
    /// The next byte to be read.
    public private(set) var position = 0
    /// The first key that ``skipValue(_:)`` met a second time in its object. It does not throw there, so that a caller can read on and
    /// learn what else stands in the text; ``endDocument(_:)`` does.
    public private(set) var doubledKey: JSONString?
    /// Whether a string that ``skipValue(_:)`` passed over, key or value, holds a control character (see ``JSONString``).
    public private(set) var hasSkippedControlCharacters = false

    private var depth = 0
    private var isFirst = false

    public init() {}

    // MARK: The text as a whole

    /// Refuses a byte order mark. To be called once, first.
    public mutating func beginDocument(_ bytes: Span<UInt8>) throws(JSONError) {
        if bytes.count >= 3, bytes[0] == 0xEF, bytes[1] == 0xBB, bytes[2] == 0xBF { throw JSONError(.byteOrderMark, at: 0) }
    }

    /// To be called once, last: nothing but white space may follow, and no doubled key may have been skipped.
    public mutating func endDocument(_ bytes: Span<UInt8>) throws(JSONError) {
        skipWhiteSpace(bytes)
        if position < bytes.count { throw JSONError(.trailingBytes, at: position) }
        if let doubledKey { throw JSONError(.doubledKey, at: doubledKey.start - 1) }
    }

    /// The kind of the next value, which is not read yet.
    public mutating func kind(_ bytes: Span<UInt8>) throws(JSONError) -> JSONKind {
        skipWhiteSpace(bytes)
        guard position < bytes.count else { throw JSONError(.unexpectedEnd, at: position) }
        switch bytes[position] {
        case UInt8(ascii: "\""): return .string
        case UInt8(ascii: "{"): return .object
        case UInt8(ascii: "["): return .array
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number
        case UInt8(ascii: "t"), UInt8(ascii: "f"): return .boolean
        case UInt8(ascii: "n"): return .null
        default: throw JSONError(.unexpectedByte, at: position)
        }
    }

    // MARK: Objects and arrays

    public mutating func beginObject(_ bytes: Span<UInt8>) throws(JSONError) { try open(UInt8(ascii: "{"), bytes) }

    /// The next key of the object, its colon read too, or nil when the object has ended.
    public mutating func nextKey(_ bytes: Span<UInt8>) throws(JSONError) -> JSONString? {
        guard try hasNext(before: UInt8(ascii: "}"), bytes) else { return nil }
        skipWhiteSpace(bytes)
        guard position < bytes.count else { throw JSONError(.unexpectedEnd, at: position) }
        guard bytes[position] == UInt8(ascii: "\"") else { throw JSONError(.unexpectedByte, at: position) }
        let key = try scanString(bytes)
        skipWhiteSpace(bytes)
        guard position < bytes.count else { throw JSONError(.unexpectedEnd, at: position) }
        guard bytes[position] == UInt8(ascii: ":") else { throw JSONError(.unexpectedByte, at: position) }
        position += 1
        return key
    }

    public mutating func beginArray(_ bytes: Span<UInt8>) throws(JSONError) { try open(UInt8(ascii: "["), bytes) }

    /// Whether another element follows; false when the array has ended.
    public mutating func nextElement(_ bytes: Span<UInt8>) throws(JSONError) -> Bool {
        try hasNext(before: UInt8(ascii: "]"), bytes)
    }

    // MARK: Values

    public mutating func string(_ bytes: Span<UInt8>) throws(JSONError) -> JSONString {
        guard try kind(bytes) == .string else { throw JSONError(.otherKind, at: position) }
        return try scanString(bytes)
    }

    /// A number without fraction and exponent that fits 64 bits; any other number, though well-formed, is `otherKind`.
    public mutating func integer(_ bytes: Span<UInt8>) throws(JSONError) -> Int64 {
        guard try kind(bytes) == .number else { throw JSONError(.otherKind, at: position) }
        let start = position
        let range = try scanNumber(bytes)
        let isNegative = bytes[start] == UInt8(ascii: "-")
        var value: Int64 = 0
        for at in (isNegative ? start + 1 : start)..<range.upperBound {
            let byte = bytes[at]
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { throw JSONError(.otherKind, at: start) }
            let digit = Int64(byte - UInt8(ascii: "0"))
            let (tens, overflow) = value.multipliedReportingOverflow(by: 10)
            // Counted downwards, as the least integer has no positive partner
            let (sum, overflowToo) = tens.subtractingReportingOverflow(digit)
            guard !overflow, !overflowToo else { throw JSONError(.otherKind, at: start) }
            value = sum
        }
        if isNegative { return value }
        guard value != .min else { throw JSONError(.otherKind, at: start) }
        return -value
    }

    /// Any number; gives the range of its text.
    public mutating func number(_ bytes: Span<UInt8>) throws(JSONError) -> Range<Int> {
        guard try kind(bytes) == .number else { throw JSONError(.otherKind, at: position) }
        return try scanNumber(bytes)
    }

    public mutating func boolean(_ bytes: Span<UInt8>) throws(JSONError) -> Bool {
        guard try kind(bytes) == .boolean else { throw JSONError(.otherKind, at: position) }
        let isTrue = bytes[position] == UInt8(ascii: "t")
        try literal(isTrue ? 0x7472_7565 : 0x6661_6C73_65, count: isTrue ? 4 : 5, bytes)
        return isTrue
    }

    public mutating func null(_ bytes: Span<UInt8>) throws(JSONError) {
        guard try kind(bytes) == .null else { throw JSONError(.otherKind, at: position) }
        try literal(0x6E75_6C6C, count: 4, bytes)
    }

    /// Passes over one value of any kind, checking all of it, and gives the range of its text without the white space around it.
    public mutating func skipValue(_ bytes: Span<UInt8>) throws(JSONError) -> Range<Int> {
        let kind = try kind(bytes)
        let start = position
        switch kind {
        case .string:
            if try scanString(bytes).hasControlCharacters { hasSkippedControlCharacters = true }
        case .number: _ = try scanNumber(bytes)
        case .boolean: _ = try boolean(bytes)
        case .null: try null(bytes)
        case .array:
            try beginArray(bytes)
            while try nextElement(bytes) { _ = try skipValue(bytes) }
        case .object: try skipObject(bytes)
        }
        return start..<position
    }

    // MARK: Helpers

    private mutating func skipObject(_ bytes: Span<UInt8>) throws(JSONError) {
        // Few keys are compared each with each as they come, and need no array
        var few = InlineArray<8, JSONString>(repeating: .empty)
        var count = 0
        var many: [JSONString] = []
        try beginObject(bytes)
        while let key = try nextKey(bytes) {
            if key.hasControlCharacters { hasSkippedControlCharacters = true }
            if count < few.count {
                for earlier in 0..<count where doubledKey == nil && few[earlier].isEqual(to: key, in: bytes) { doubledKey = key }
                few[count] = key
            } else {
                if many.isEmpty { many = few.indices.map { few[$0] } }
                many.append(key)
            }
            count += 1
            _ = try skipValue(bytes)
        }
        if !many.isEmpty, doubledKey == nil { doubledKey = JSONString.firstDouble(many, in: bytes) }
    }

    private mutating func open(_ bracket: UInt8, _ bytes: Span<UInt8>) throws(JSONError) {
        skipWhiteSpace(bytes)
        guard position < bytes.count else { throw JSONError(.unexpectedEnd, at: position) }
        guard bytes[position] == bracket else { throw JSONError(.otherKind, at: position) }
        guard depth < JSON.depthMax else { throw JSONError(.tooDeep, at: position) }
        depth += 1
        position += 1
        isFirst = true
    }

    /// Reads the comma before a further member or the closing bracket after the last.
    private mutating func hasNext(before bracket: UInt8, _ bytes: Span<UInt8>) throws(JSONError) -> Bool {
        skipWhiteSpace(bytes)
        guard position < bytes.count else { throw JSONError(.unexpectedEnd, at: position) }
        let wasFirst = isFirst
        isFirst = false
        if bytes[position] == bracket {
            position += 1
            depth -= 1
            return false
        }
        if wasFirst { return true }
        guard bytes[position] == UInt8(ascii: ",") else { throw JSONError(.unexpectedByte, at: position) }
        position += 1
        return true
    }

    private mutating func skipWhiteSpace(_ bytes: Span<UInt8>) {
        // RFC 8259, 2: these four and no other
        while position < bytes.count {
            let byte = bytes[position]
            guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return }
            position += 1
        }
    }

    private mutating func literal(_ word: UInt64, count: Int, _ bytes: Span<UInt8>) throws(JSONError) {
        for index in 0..<count {
            guard position < bytes.count else { throw JSONError(.unexpectedEnd, at: position) }
            guard bytes[position] == UInt8(truncatingIfNeeded: word >> (8 * UInt64(count - 1 - index))) else {
                throw JSONError(.unexpectedByte, at: position)
            }
            position += 1
        }
    }

    private mutating func scanNumber(_ bytes: Span<UInt8>) throws(JSONError) -> Range<Int> {
        let start = position
        if bytes[position] == UInt8(ascii: "-") { position += 1 }
        // RFC 8259, 6: no digit follows a leading zero
        if position < bytes.count, bytes[position] == UInt8(ascii: "0") { position += 1 } else { try digits(bytes) }
        if position < bytes.count, bytes[position] == UInt8(ascii: ".") {
            position += 1
            try digits(bytes)
        }
        if position < bytes.count, bytes[position] | 0x20 == UInt8(ascii: "e") {
            position += 1
            if position < bytes.count, bytes[position] == UInt8(ascii: "+") || bytes[position] == UInt8(ascii: "-") { position += 1 }
            try digits(bytes)
        }
        if position < bytes.count, bytes[position] >= UInt8(ascii: "0"), bytes[position] <= UInt8(ascii: "9") {
            throw JSONError(.badNumber, at: position)
        }
        return start..<position
    }

    /// One digit or more.
    private mutating func digits(_ bytes: Span<UInt8>) throws(JSONError) {
        let start = position
        while position < bytes.count, bytes[position] >= UInt8(ascii: "0"), bytes[position] <= UInt8(ascii: "9") { position += 1 }
        guard position > start else { throw JSONError(position < bytes.count ? .badNumber : .unexpectedEnd, at: position) }
    }

    private mutating func scanString(_ bytes: Span<UInt8>) throws(JSONError) -> JSONString {
        try JSONString.scan(bytes, from: &position)
    }
}
