internal import DER

/// Whether an authority stamped, and if not, why (RFC 3161, 2.4.2).
///
///     PKIStatusInfo ::= SEQUENCE {
///         status        PKIStatus,  -- INTEGER
///         statusString  PKIFreeText OPTIONAL,  -- SEQUENCE SIZE (1..MAX) OF UTF8String
///         failInfo      PKIFailureInfo OPTIONAL }  -- BIT STRING
public struct PKIStatusInfo: Sendable, Hashable {
    /// 0 granted, 1 grantedWithMods; everything else is no.
    public let status: Int
    /// What the authority says for people; control characters are replaced, long text is cut.
    public let texts: [String]
    /// The names of RFC 3161, such as `badAlg`; a bit without a name is `bit N`.
    public let failures: [String]

    public var isGranted: Bool { status == 0 || status == 1 }

    init(reading der: inout DERReader) throws {
        self = try der.sequence { der in
            let status = try der.integer()
            let texts = der.nextTag == .sequence ? try der.sequenceOf { try $0.utf8String() } : []
            return PKIStatusInfo(status: status, texts: texts, failureBits: der.isAtEnd ? [] : try der.bitString().octets)
        }
    }

    private init(status: Int, texts: [String], failureBits: [UInt8]) {
        self.status = status
        self.texts = texts.prefix(4).map { text in
            String(text.unicodeScalars.prefix(200).map { $0.properties.generalCategory == .control ? "\u{FFFD}" : Character($0) })
        }
        failures = failureBits.prefix(8).enumerated().flatMap { index, octet in
            (0..<8).filter { octet & (0x80 >> $0) != 0 }.map { Self.failureNames[index * 8 + $0] ?? "bit \(index * 8 + $0)" }
        }
    }

    private static let failureNames = [
        0: "badAlg", 2: "badRequest", 5: "badDataFormat", 14: "timeNotAvailable", 15: "unacceptedPolicy", 16: "unacceptedExtension",
        17: "addInfoNotAvailable", 25: "systemFailure",
    ]
}

extension PKIStatusInfo: CustomStringConvertible {
    public var description: String {
        let names = ["granted", "grantedWithMods", "rejection", "waiting", "revocationWarning", "revocationNotification"]
        return ([status < names.count ? names[status] : "status \(status)"] + failures + texts).joined(separator: ", ")
    }
}
