internal import DER

/// How far from the truth a timestamp may be, either way (RFC 3161, 2.4.2).
///
///     Accuracy ::= SEQUENCE {
///         seconds  INTEGER OPTIONAL,
///         millis   [0] IMPLICIT INTEGER (1..999) OPTIONAL,
///         micros   [1] IMPLICIT INTEGER (1..999) OPTIONAL }
public struct Accuracy: Sendable, Hashable {
    public let seconds: Int
    public let milliseconds: Int
    public let microseconds: Int

    init(reading der: inout DERReader) throws {
        (seconds, milliseconds, microseconds) = try der.sequence { der in
            (
                der.nextTag == .integer ? try der.integer() : 0, try Self.thousandths(reading: &der, tag: 0),
                try Self.thousandths(reading: &der, tag: 1)
            )
        }
    }

    /// 0 when absent.
    private static func thousandths(reading der: inout DERReader, tag: UInt8) throws -> Int {
        let tag = DERTag.context(tag, constructed: false)
        guard der.nextTag == tag else { return 0 }
        let fault = der.fault(.integerOutOfRange)
        let content = try der.integerContent(tag)
        guard content.count <= 2 else { throw fault }
        let value = content.indices.reduce(0) { $0 << 8 | Int(content[$1]) }
        guard content[0] < 0x80, (1...999).contains(value) else { throw fault }
        return value
    }
}
