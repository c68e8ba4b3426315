internal import DER

/// Where an AlgorithmIdentifier stands (RFC 5280, 4.1.1.2).
struct AlgorithmPlace {
    private(set) var whole = 0..<0
    private(set) var identifier = 0..<0
    /// Empty when absent.
    private(set) var parameters = 0..<0

    init() {}

    /// - Parameter start: where the reader's octets stand in the token's.
    init(reading der: inout DERReader, _ start: Int = 0) throws {
        whole = try der.range(start) { der in
            try der.sequence { der in
                identifier = try der.range(start) { _ = try $0.objectIdentifierElement() }
                if !der.isAtEnd { parameters = try der.range(start) { try $0.check() } }
            }
        }
    }
}

/// Where the value of a signed attribute stands.
struct AttributePlace {
    /// Attributes of this type.
    private(set) var count = 0
    /// The values of all of them.
    private(set) var valueCount = 0
    /// The last value.
    private(set) var value = 0..<0

    /// The value of an attribute that stands there exactly once with exactly one value.
    var single: Range<Int>? { count == 1 && valueCount == 1 ? value : nil }

    /// One more of this type.
    mutating func add(_ values: Int, last: Range<Int>) {
        count += 1
        valueCount += values
        value = last
    }
}

extension DERReader {
    /// From where the reader stands to where `body` leaves it.
    ///
    /// - Parameter start: where the reader's octets stand in the token's.
    mutating func range(_ start: Int = 0, _ body: (inout DERReader) throws -> Void) throws -> Range<Int> {
        let first = offset
        try body(&self)
        return (start + first)..<(start + offset)
    }
}
