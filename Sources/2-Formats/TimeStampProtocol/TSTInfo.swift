internal import CMS
internal import DER
internal import FoundationEssentials

/// What a timestamp authority signs (RFC 3161, 2.4.2).
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
struct TSTInfo: Sendable, Hashable {
    let version: Int
    let policy: ObjectIdentifier
    let imprint: StatedImprint
    /// The content octets.
    let serialNumber: [UInt8]
    let time: Date
    let accuracy: Accuracy?
    /// The INTEGER, whole.
    let nonce: [UInt8]?
    /// The GeneralName, whole.
    let authorityName: [UInt8]?
    let criticalExtensions: [ObjectIdentifier]

    /// Reads the content of a token as a whole.
    init(der: [UInt8]) throws {
        self = try DERReader.read(der) { try TSTInfo(reading: &$0) }
    }

    private init(reading der: inout DERReader) throws {
        self = try der.sequence { der in
            let version = try der.integer()
            let policy = try der.objectIdentifier()
            let imprint = try StatedImprint(reading: &der)
            let serialNumber = try der.integerBytes()
            let time = try der.generalizedTime()
            let accuracy = der.nextTag == .sequence ? try Accuracy(reading: &der) : nil
            _ = try der.booleanDefaultFalse()  // ordering
            let nonce = der.nextTag == .integer ? try der.checkedElement() : nil
            let authorityName = try der.optional(.context(0)) { try $0.checkedElement() }
            var critical: [ObjectIdentifier] = []
            if der.nextTag == .context(1) {
                critical = try der.sequenceOf(.context(1)) { try Self.criticalExtension(reading: &$0) }.compactMap { $0 }
            }
            return TSTInfo(
                version: version, policy: policy, imprint: imprint, serialNumber: serialNumber, time: time, accuracy: accuracy,
                nonce: nonce, authorityName: authorityName, criticalExtensions: critical)
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

    private init(
        version: Int, policy: ObjectIdentifier, imprint: StatedImprint, serialNumber: [UInt8], time: Date, accuracy: Accuracy?,
        nonce: [UInt8]?, authorityName: [UInt8]?, criticalExtensions: [ObjectIdentifier]
    ) {
        self.version = version
        self.policy = policy
        self.imprint = imprint
        self.serialNumber = serialNumber
        self.time = time
        self.accuracy = accuracy
        self.nonce = nonce
        self.authorityName = authorityName
        self.criticalExtensions = criticalExtensions
    }
}
