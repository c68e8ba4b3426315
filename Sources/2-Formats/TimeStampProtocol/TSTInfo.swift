internal import CMS
internal import DER
internal import FoundationEssentials

/// What a timestamp authority signs (RFC 3161, 2.4.2). Ranges are of whole elements unless said otherwise, in the token's octets.
///
///     TSTInfo ::= SEQUENCE {
///         version         INTEGER { v1(1) },
///         policy          TSAPolicyId,
///         messageImprint  MessageImprint,
///         serialNumber    INTEGER,
///         genTime         GeneralizedTime,
///         accuracy        Accuracy OPTIONAL,
///         ordering        BOOLEAN DEFAULT FALSE,
///         nonce           INTEGER OPTIONAL,
///         tsa             [0] GeneralName OPTIONAL,  -- EXPLICIT, being a CHOICE
///         extensions      [1] IMPLICIT Extensions OPTIONAL }
struct TSTInfo {
    private(set) var version = 0
    private(set) var policy = 0..<0
    private(set) var imprintAlgorithm = AlgorithmPlace()
    /// The content octets.
    private(set) var imprintDigest = 0..<0
    /// The content octets.
    private(set) var serialNumber = 0..<0
    private(set) var time = Date(timeIntervalSince1970: 0)
    private(set) var accuracy: Accuracy?
    private(set) var nonce: Range<Int>?
    /// The GeneralName.
    private(set) var authorityName: Range<Int>?
    private(set) var criticalExtension: ObjectIdentifier?

    /// Reads the content of a token as a whole.
    ///
    /// - Parameter start: where the content stands in the token's octets.
    init(_ content: Span<UInt8>, at start: Int) throws {
        try DERReader.read(content) { der in try der.sequence { try self.read(&$0, start) } }
    }

    private mutating func read(_ der: inout DERReader, _ start: Int) throws {
        version = try der.integer()
        policy = try der.range(start) { _ = try $0.objectIdentifierElement() }
        try der.sequence { der in
            imprintAlgorithm = try AlgorithmPlace(reading: &der, start)
            let count = try der.content(.octetString).count
            imprintDigest = (start + der.offset - count)..<(start + der.offset)
        }
        let count = try der.integerContent().count
        serialNumber = (start + der.offset - count)..<(start + der.offset)
        time = try der.generalizedTime()
        if der.nextTag == .sequence { accuracy = try Accuracy(reading: &der) }
        _ = try der.booleanDefaultFalse()  // ordering
        if der.nextTag == .integer { nonce = try der.range(start) { _ = try $0.integerContent() } }
        authorityName = try der.optional(.context(0)) { der in try der.range(start) { try $0.check() } }
        if der.nextTag == .context(1) {
            try der.constructed(.context(1)) { der in
                while !der.isAtEnd {
                    let critical = try Self.criticalExtension(reading: &der)
                    criticalExtension = criticalExtension ?? critical
                }
            }
        }
    }

    /// The identifier of an extension that is critical. (RFC 5280, 4.1)
    ///
    ///     Extension ::= SEQUENCE { extnID OBJECT IDENTIFIER, critical BOOLEAN DEFAULT FALSE, extnValue OCTET STRING }
    private static func criticalExtension(reading der: inout DERReader) throws -> ObjectIdentifier? {
        try der.sequence { der in
            let identifier = try der.objectIdentifier()
            let isCritical = try der.booleanDefaultFalse()
            _ = try der.octetString()
            return isCritical ? identifier : nil
        }
    }
}
