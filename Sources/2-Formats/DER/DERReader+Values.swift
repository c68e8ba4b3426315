public import FoundationEssentials

/// The values of the universal types.
extension DERReader {
    /// INTEGER from 0 to `max`.
    public mutating func integer(upTo max: Int = .max) throws(DERError) -> Int {
        let start = offset
        let value = try Self.smallInteger(try integerContent(.integer), at: start)
        guard value >= 0, value <= max else { throw DERError(.integerOutOfRange, at: start) }
        return value
    }

    /// ENUMERATED from 0 to `max`.
    public mutating func enumerated(upTo max: Int = .max) throws(DERError) -> Int {
        let start = offset
        let value = try Self.smallInteger(try integerContent(.enumerated), at: start)
        guard value >= 0, value <= max else { throw DERError(.integerOutOfRange, at: start) }
        return value
    }

    /// The content octets of an INTEGER of any size: two's complement, big endian, minimal, never empty.
    ///
    /// - Parameter tag: for an IMPLICIT one.
    @_lifetime(copy self)
    public mutating func integerContent(_ tag: DERTag = .integer) throws(DERError) -> Span<UInt8> {
        let start = offset
        let content = try content(tag)
        try Self.checkInteger(content, at: start)
        return content
    }

    /// The content octets of an INTEGER of any size, copied.
    public mutating func integerBytes() throws(DERError) -> [UInt8] {
        Array(try integerContent())
    }

    public mutating func boolean() throws(DERError) -> Bool {
        let start = offset
        let content = try content(.boolean)
        try Self.checkBoolean(content, at: start)
        return content[0] == 0xFF
    }

    /// `BOOLEAN DEFAULT FALSE`: false when absent; a FALSE that is written out is refused.
    public mutating func booleanDefaultFalse() throws(DERError) -> Bool {
        guard nextTag == .boolean else { return false }
        let start = offset
        guard try boolean() else { throw DERError(.defaultEncoded, at: start) }
        return true
    }

    public mutating func null() throws(DERError) {
        let start = offset
        guard try content(.null).isEmpty else { throw DERError(.nullInvalid, at: start) }
    }

    public mutating func objectIdentifier() throws(DERError) -> ObjectIdentifier {
        ObjectIdentifier(checked: Array(try objectIdentifierElement()))
    }

    /// OBJECT IDENTIFIER whole, as it is encoded.
    @_lifetime(copy self)
    public mutating func objectIdentifierElement() throws(DERError) -> Span<UInt8> {
        let start = offset
        var ahead = self
        try Self.checkObjectIdentifier(try ahead.content(.objectIdentifier), at: start)
        return try element()
    }

    /// OCTET STRING, copied.
    ///
    /// - Parameter tag: for an IMPLICIT one.
    public mutating func octetString(_ tag: DERTag = .octetString) throws(DERError) -> [UInt8] {
        Array(try content(tag))
    }

    /// BIT STRING: its octets, and how many bits of the last one are unused (those are 0).
    public mutating func bitString() throws(DERError) -> (octets: [UInt8], unusedBits: Int) {
        let start = offset
        let content = try content(.bitString)
        try Self.checkBitString(content, at: start)
        return (Array(content.extracting(1..<content.count)), Int(content[0]))
    }

    /// UTF8String; ill-formed UTF-8 is `value-invalid`.
    public mutating func utf8String() throws(DERError) -> String {
        let start = offset
        guard let text = String(validating: Array(try content(.utf8String)), as: UTF8.self) else {
            throw DERError(.valueInvalid, at: start)
        }
        return text
    }

    /// UTCTime, `YYMMDDHHMMSSZ`, of the years 1950 to 2049.
    public mutating func utcTime() throws(DERError) -> Date {
        let start = offset
        guard let time = DERTime(utcTime: try content(.utcTime)) else { throw DERError(.timeInvalid, at: start) }
        return time.date
    }

    /// GeneralizedTime, `YYYYMMDDHHMMSS[.f]Z`; a fraction does not end in 0.
    public mutating func generalizedTime() throws(DERError) -> Date {
        let start = offset
        guard let time = DERTime(generalizedTime: try content(.generalizedTime)) else { throw DERError(.timeInvalid, at: start) }
        return time.date
    }

    /// The next element whole, copied. Its inside is not looked at.
    public mutating func elementBytes(_ tag: DERTag? = nil) throws(DERError) -> [UInt8] {
        Array(try element(tag))
    }

    // MARK: Rules, shared with the check of whole encodings

    static func checkInteger(_ content: Span<UInt8>, at offset: Int) throws(DERError) {
        guard let first = content.isEmpty ? nil : content[0] else { throw DERError(.integerNotMinimal, at: offset) }
        if content.count > 1, first == 0 && content[1] < 0x80 || first == 0xFF && content[1] >= 0x80 {
            throw DERError(.integerNotMinimal, at: offset)
        }
    }

    static func checkBoolean(_ content: Span<UInt8>, at offset: Int) throws(DERError) {
        guard content.count == 1, content[0] == 0 || content[0] == 0xFF else { throw DERError(.booleanInvalid, at: offset) }
    }

    static func checkBitString(_ content: Span<UInt8>, at offset: Int) throws(DERError) {
        guard !content.isEmpty, content[0] <= 7, content.count > 1 || content[0] == 0,
            content[content.count - 1] & ((1 << content[0]) - 1) == 0 || content.count == 1
        else { throw DERError(.bitStringInvalid, at: offset) }
    }

    static func checkObjectIdentifier(_ content: Span<UInt8>, at offset: Int) throws(DERError) {
        guard !content.isEmpty, content[content.count - 1] < 0x80 else { throw DERError(.objectIdentifierInvalid, at: offset) }
        var isFirstOfArc = true
        for index in content.indices {
            guard !(isFirstOfArc && content[index] == 0x80) else { throw DERError(.objectIdentifierInvalid, at: offset) }
            isFirstOfArc = content[index] < 0x80
        }
    }

    private static func smallInteger(_ content: Span<UInt8>, at offset: Int) throws(DERError) -> Int {
        guard content.count <= 8 else { throw DERError(.integerOutOfRange, at: offset) }
        var value = content[0] >= 0x80 ? -1 : 0
        for index in content.indices { value = value << 8 | Int(content[index]) }
        return value
    }
}

extension Array where Element == UInt8 {
    /// A copy of borrowed octets.
    init(_ bytes: Span<UInt8>) {
        self.init(capacity: bytes.count) { output in
            for index in bytes.indices { output.append(bytes[index]) }
        }
    }
}

extension Span where Element == UInt8 {
    /// Whether both are octet for octet the same. All are looked at, so that the compiler compares many at once.
    @inlinable
    public func equals(_ other: Span<UInt8>) -> Bool {
        guard count == other.count else { return false }
        var difference: UInt8 = 0
        for index in indices { difference |= self[index] ^ other[index] }
        return difference == 0
    }

    /// Whether these are the same octets.
    @inlinable
    public func equals(_ octets: [UInt8]) -> Bool { equals(octets.span) }
}
