/// Writes one JSON text, without white space. Commas and colons come by themselves; that every object and array that was begun is
/// ended, and that a value follows each key, is the caller's part.
///
/// The text is written into a buffer that is longer than it: one check of room a token, not one a byte.
public struct JSONWriter: Sendable {
    private var buffer: [UInt8]
    private var count = 0
    private var needsComma = false

    /// `capacity` is the expected length; more room is made when it is needed.
    public init(capacity: Int = 512) {
        buffer = [UInt8](repeating: 0, count: max(capacity, 64))
    }

    /// What has been written.
    public consuming func finish() -> [UInt8] {
        let unused = buffer.count - count
        buffer.removeLast(unused)
        return buffer
    }

    /// What has been written so far, copied.
    public var bytes: [UInt8] { Array(buffer[..<count]) }

    public mutating func beginObject() { open(UInt8(ascii: "{")) }
    public mutating func endObject() { close(UInt8(ascii: "}")) }
    public mutating func beginArray() { open(UInt8(ascii: "[")) }
    public mutating func endArray() { close(UInt8(ascii: "]")) }

    public mutating func key(_ name: String) {
        string(name)
        put(UInt8(ascii: ":"))
        needsComma = false
    }

    /// The same with a name that was prepared, for what is written thousands of times a second.
    public mutating func key(_ key: JSONKey) {
        comma()
        makeRoom(JSONKey.room)
        Self.copy(key, to: &buffer, at: count)
        count += key.count
        needsComma = false
    }

    public mutating func string(_ text: String) {
        comma()
        var text = text
        // Only a string bridged from elsewhere is not UTF-8 already
        text.makeContiguousUTF8()
        let utf8 = text.utf8.span
        makeRoom(utf8.count + 2)
        put(UInt8(ascii: "\""))
        let plain = Self.copyPlain(utf8, to: &buffer, at: count)
        count += plain
        if plain < utf8.count {
            makeRoom((utf8.count - plain) * Self.escapeBytesMax + 1)
            for index in plain..<utf8.count { putEscaped(utf8[index]) }
        }
        put(UInt8(ascii: "\""))
    }

    public mutating func integer(_ value: Int64) {
        comma()
        if value < 0 { put(UInt8(ascii: "-")) }
        var rest = value.magnitude
        var digits = 1
        var bound: UInt64 = 10
        while rest >= bound {
            digits += 1
            let (next, overflow) = bound.multipliedReportingOverflow(by: 10)
            if overflow { break }
            bound = next
        }
        makeRoom(digits)
        let end = count + digits
        for index in 1...digits {
            buffer[end - index] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        }
        count = end
    }

    /// A number with a fraction. Precondition: finite, as JSON has no other (RFC 8259, 6).
    public mutating func number(_ value: Double) {
        precondition(value.isFinite, "JSON has finite numbers only")
        comma()
        copy(Array(value.description.utf8).span)
    }

    public mutating func boolean(_ value: Bool) {
        comma()
        copy(Array((value ? "true" : "false").utf8).span)
    }

    public mutating func null() {
        comma()
        copy(Array("null".utf8).span)
    }

    /// A string that holds `value` in Base64.
    public mutating func base64(_ value: Span<UInt8>) {
        comma()
        let length = Base64.encodedCount(value.count)
        put(UInt8(ascii: "\""))
        makeRoom(length)
        Self.encode(value, to: &buffer, at: count)
        count += length
        put(UInt8(ascii: "\""))
    }

    /// A value that is JSON already, octet for octet. That it is, is the caller's part.
    public mutating func raw(_ json: [UInt8]) {
        comma()
        copy(json.span)
    }

    // MARK: Helpers

    private mutating func comma() {
        if needsComma { put(UInt8(ascii: ",")) }
        needsComma = true
    }

    private mutating func open(_ bracket: UInt8) {
        comma()
        put(bracket)
        needsComma = false
    }

    private mutating func close(_ bracket: UInt8) {
        put(bracket)
        needsComma = true
    }

    private mutating func put(_ byte: UInt8) {
        makeRoom(1)
        let end = count
        buffer[end] = byte
        count = end + 1
    }

    private mutating func copy(_ bytes: Span<UInt8>) {
        makeRoom(bytes.count)
        Self.copy(bytes, to: &buffer, at: count)
        count += bytes.count
    }

    /// Copies what need not be escaped, up to the first byte that must be, and says how much that was.
    private static func copyPlain(_ bytes: Span<UInt8>, to buffer: inout [UInt8], at start: Int) -> Int {
        var output = buffer.mutableSpan
        var at = 0
        while bytes.count - at >= 8 {
            let word = UInt64(bytes, at: at)
            // Room is there for all of `bytes`; what was too much is written over
            word.store(to: &output, at: start + at)
            let plain = word.plainASCIICount
            at += plain
            if plain < 8 { break }
        }
        while at < bytes.count, !needsEscape(bytes[at]) {
            output[start + at] = bytes[at]
            at += 1
        }
        return at
    }

    private static func copy(_ bytes: Span<UInt8>, to buffer: inout [UInt8], at start: Int) {
        var output = buffer.mutableSpan
        var at = 0
        while bytes.count - at >= 8 {
            UInt64(bytes, at: at).store(to: &output, at: start + at)
            at += 8
        }
        while at < bytes.count {
            output[start + at] = bytes[at]
            at += 1
        }
    }

    /// Copies all that a key could be; what is too much is written over.
    private static func copy(_ key: JSONKey, to buffer: inout [UInt8], at start: Int) {
        var output = buffer.mutableSpan
        key.words.0.store(to: &output, at: start)
        key.words.1.store(to: &output, at: start + 8)
        if key.count > 16 { key.words.2.store(to: &output, at: start + 16) }
    }

    private static func encode(_ value: Span<UInt8>, to buffer: inout [UInt8], at start: Int) {
        var output = buffer.mutableSpan
        Base64.encode(value, to: &output, at: start)
    }

    /// Room for so many more bytes, doubled at least so that many small writes stay cheap.
    private mutating func makeRoom(_ more: Int) {
        let length = buffer.count
        if length - count < more { buffer.append(contentsOf: repeatElement(0, count: max(more, length))) }
    }

    private static let escapeBytesMax = 6

    /// RFC 8259, 7: quote, backslash and U+0000...U+001F must be escaped, everything else stands for itself.
    @inline(__always) fileprivate static func needsEscape(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
    }

    private mutating func putEscaped(_ byte: UInt8) {
        guard Self.needsEscape(byte) else { return put(byte) }
        put(UInt8(ascii: "\\"))
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): put(byte)
        case 0x08: put(UInt8(ascii: "b"))
        case 0x0C: put(UInt8(ascii: "f"))
        case 0x0A: put(UInt8(ascii: "n"))
        case 0x0D: put(UInt8(ascii: "r"))
        case 0x09: put(UInt8(ascii: "t"))
        default:
            put(UInt8(ascii: "u"))
            put(UInt8(ascii: "0"))
            put(UInt8(ascii: "0"))
            for nibble in [byte >> 4, byte & 15] { put(nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "a") + nibble - 10) }
        }
    }
}

/// A key as it stands in the text, quotes and colon included. A plain value: nothing is counted when it is passed around.
public struct JSONKey: Sendable {
    fileprivate static let room = 24
    fileprivate let words: (UInt64, UInt64, UInt64)
    fileprivate let count: Int

    /// Precondition: at most 21 bytes, none of which needs an escape.
    public init(_ name: String) {
        var text = Array("\"\(name)\":".utf8)
        precondition(
            text.count <= Self.room && !name.utf8.contains(where: JSONWriter.needsEscape), "a prepared key is short and plain")
        count = text.count
        text += repeatElement(0, count: Self.room - count)
        words = (UInt64(text.span, at: 0), UInt64(text.span, at: 8), UInt64(text.span, at: 16))
    }
}
