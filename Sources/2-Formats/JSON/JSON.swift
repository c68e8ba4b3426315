/// JSON as RFC 8259 writes it, read strictly: what two readers could understand differently is an error here.
///
/// Refused beyond the grammar: text that is not UTF-8 (RFC 3629), a byte order mark (RFC 8259, 8.1 forbids writing one), a key that
/// stands twice in one object, an escaped surrogate without its partner, and nesting deeper than ``depthMax``.
/// Nothing builds a tree: a ``JSONScanner`` walks the bytes, a ``JSONWriter`` appends them.
public enum JSON {
    /// Objects and arrays inside each other, the outermost counted.
    public static let depthMax = 16

    /// Reads `bytes` as one JSON text and keeps nothing. Returns exactly when every reader that keeps to the rules above accepts them.
    ///
    /// This is the whole of what a fuzzer has to call: no input may trap, and time is bounded by `n log n` of the length.
    public static func scan(_ bytes: Span<UInt8>) throws(JSONError) {
        var scanner = JSONScanner()
        try scanner.beginDocument(bytes)
        _ = try scanner.skipValue(bytes)
        try scanner.endDocument(bytes)
    }
}

/// Why bytes are not acceptable JSON, and the first byte (from 0) at which that was certain.
public struct JSONError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kinds of fault. The raw value is a stable word that may be shown to users and stand in parameters.
    public enum Code: String, CaseIterable, Sendable {
        case unexpectedEnd = "unexpected-end"
        case unexpectedByte = "unexpected-byte"
        case trailingBytes = "trailing-bytes"
        case byteOrderMark = "byte-order-mark"
        case notUTF8 = "not-utf-8"
        case controlCharacter = "control-character"
        case badEscape = "bad-escape"
        case loneSurrogate = "lone-surrogate"
        case badNumber = "bad-number"
        case doubledKey = "doubled-key"
        case tooDeep = "too-deep"
        /// Well-formed, but not of the kind that the caller asked for (a string where an integer is wanted, or 1.5, or 10^30).
        case otherKind = "other-kind"
    }

    public let code: Code
    public let offset: Int

    public init(_ code: Code, at offset: Int) {
        self.code = code
        self.offset = offset
    }

    public var description: String { "JSON: \(code.rawValue) at byte \(offset)" }
}

/// What a value is, told by its first byte.
public enum JSONKind: Sendable {
    case object, array, string, number, boolean, null
}
