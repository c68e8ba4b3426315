import JSON

/// The keys of one kind of object: cases named as the keys, numbered from 0. Each kind keeps its schema as a static constant.
protocol FieldSet: CaseIterable, RawRepresentable, Sendable where RawValue == Int {
    static var schema: FieldSchema { get }
}

struct FieldSchema: Sendable {
    fileprivate let names: JSONNames
    /// The bits of the keys that the object must have.
    fileprivate let required: UInt64
}

extension FieldSet {
    static func keys(required: Self...) -> FieldSchema {
        FieldSchema(names: JSONNames(allCases.map { "\($0)" }), required: required.reduce(0) { $0 | $1.bit })
    }

    /// As it is written.
    var key: String { Self.schema.names[rawValue] }
    fileprivate var bit: UInt64 { 1 << UInt64(rawValue) }
}

/// One object on the way through its keys: which have been seen, and what stands before a key in its path ("" or "digest.").
struct FieldWalk<Field: FieldSet> {
    let prefix: StaticString
    fileprivate var seen: UInt64 = 0

    init(_ prefix: StaticString) { self.prefix = prefix }

    func has(_ field: Field) -> Bool { seen & field.bit != 0 }
}

/// Why a field's value is not acceptable. The raw values are published words: parameters of refusals.
public enum FieldProblem: String, CaseIterable, Sendable {
    case notAString = "not-a-string"
    case notAnInteger = "not-an-integer"
    case notAnObject = "not-an-object"
    case empty
    case tooLong = "too-long"
    case controlCharacter = "control-character"
    case outOfRange = "out-of-range"
    case notBase64 = "not-base64"
    case notUTCTime = "not-utc-time"
    case unknownAlgorithm = "unknown-algorithm"
    case unknownWord = "unknown-word"
    case notHexadecimal = "not-hexadecimal"
    /// Its length does not fit its algorithm.
    case wrongLength = "wrong-length"
}

/// Reads objects whose keys are known. A fault of the grammar is thrown; a fault of the schema is noted and passed over, since what
/// follows may still say who asked.
struct FieldReader {
    var scanner = JSONScanner()
    /// The first fault of each kind.
    private(set) var doubled: String?
    private(set) var unknown: String?
    private(set) var missing: String?
    private(set) var invalid: (path: String, problem: FieldProblem)?

    // MARK: Objects

    /// Steps into an object, or notes that the value is none and passes over it.
    mutating func begin(_ path: String, _ bytes: Span<UInt8>) throws(JSONError) -> Bool {
        guard try scanner.kind(bytes) == .object else {
            note(path, .notAnObject)
            _ = try scanner.skipValue(bytes)
            return false
        }
        try scanner.beginObject(bytes)
        return true
    }

    /// The next known key that was not there before; others are noted and passed over. Nil at the end.
    mutating func next<Field>(_ walk: inout FieldWalk<Field>, _ bytes: Span<UInt8>) throws(JSONError) -> Field? {
        while let key = try scanner.nextKey(bytes) {
            guard let index = Field.schema.names.index(of: key, in: bytes), let field = Field(rawValue: index) else {
                if unknown == nil { unknown = walk.prefix.description + key.text(in: bytes) }
                _ = try scanner.skipValue(bytes)
                continue
            }
            guard !walk.has(field) else {
                if doubled == nil { doubled = walk.prefix.description + field.key }
                _ = try scanner.skipValue(bytes)
                continue
            }
            walk.seen |= field.bit
            return field
        }
        return nil
    }

    /// Notes the first required key that was not there. False if one is missing.
    mutating func complete<Field>(_ walk: FieldWalk<Field>) -> Bool {
        let required = Field.schema.required
        if walk.seen & required == required { return true }
        for field in Field.allCases where required & field.bit != 0 && !walk.has(field) {
            if missing == nil { missing = walk.prefix.description + field.key }
        }
        return false
    }

    mutating func noteUnknown(_ path: String) {
        if unknown == nil { unknown = path }
    }

    mutating func note(_ path: @autoclosure () -> String, _ problem: FieldProblem) {
        if invalid == nil { invalid = (path(), problem) }
    }

    // MARK: Values. Nil, and a note, where the value is not of its kind

    mutating func string(_ path: @autoclosure () -> String, _ bytes: Span<UInt8>) throws(JSONError) -> JSONString? {
        guard try scanner.kind(bytes) == .string else {
            note(path(), .notAString)
            _ = try scanner.skipValue(bytes)
            return nil
        }
        return try scanner.string(bytes)
    }

    /// A string without control characters whose UTF-8 has a length in `count`.
    mutating func text(
        _ path: @autoclosure () -> String, _ count: ClosedRange<Int>, _ bytes: Span<UInt8>
    ) throws(JSONError) -> String? {
        guard let string = try string(path(), bytes) else { return nil }
        if string.hasControlCharacters {
            note(path(), .controlCharacter)
            return nil
        }
        let length = string.byteCount(in: bytes)
        if length < count.lowerBound {
            note(path(), .empty)
            return nil
        }
        if length > count.upperBound {
            note(path(), .tooLong)
            return nil
        }
        return string.text(in: bytes)
    }

    mutating func integer(
        _ path: @autoclosure () -> String, _ range: ClosedRange<Int64>, _ bytes: Span<UInt8>
    ) throws(JSONError) -> Int64? {
        guard try scanner.kind(bytes) == .number else {
            note(path(), .notAnInteger)
            _ = try scanner.skipValue(bytes)
            return nil
        }
        let value: Int64
        do {
            value = try scanner.integer(bytes)
        } catch {
            // A number of another kind has been read to its end all the same
            guard error.code == .otherKind else { throw error }
            note(path(), .notAnInteger)
            return nil
        }
        guard range.contains(value) else {
            note(path(), .outOfRange)
            return nil
        }
        return value
    }

    mutating func base64(_ path: @autoclosure () -> String, _ bytes: Span<UInt8>) throws(JSONError) -> [UInt8]? {
        guard let string = try string(path(), bytes) else { return nil }
        let decoded =
            string.hasEscapes
            ? Base64.decode(string.utf8(in: bytes).span) : Base64.decode(bytes.extracting(string.start..<string.end))
        if decoded == nil { note(path(), .notBase64) }
        return decoded
    }

    /// An object of whatever keys, as text; line breaks between its tokens become spaces.
    mutating func object(_ path: String, bytesMax: Int, _ bytes: Span<UInt8>) throws(JSONError) -> [UInt8]? {
        guard try scanner.kind(bytes) == .object else {
            note(path, .notAnObject)
            _ = try scanner.skipValue(bytes)
            return nil
        }
        let range = try scanner.skipValue(bytes)
        if scanner.hasSkippedControlCharacters {
            note(path, .controlCharacter)
            return nil
        }
        guard range.count <= bytesMax else {
            note(path, .tooLong)
            return nil
        }
        return [UInt8](capacity: range.count) { output in
            // Inside strings no line break stands unescaped
            for index in range { output.append(bytes[index] == 0x0A || bytes[index] == 0x0D ? 0x20 : bytes[index]) }
        }
    }
}
