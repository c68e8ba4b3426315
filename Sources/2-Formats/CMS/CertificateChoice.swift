public import DER

/// One member of a SignedData's certificates (RFC 5652, 10.2.2). Only its tag is looked at.
///
///     CertificateChoices ::= CHOICE {
///         certificate          Certificate,
///         extendedCertificate  [0] IMPLICIT ExtendedCertificate,  -- obsolete
///         v1AttrCert           [1] IMPLICIT AttributeCertificateV1,  -- obsolete
///         v2AttrCert           [2] IMPLICIT AttributeCertificateV2,
///         other                [3] IMPLICIT OtherCertificateFormat }
public struct CertificateChoice: Sendable, Hashable {
    public enum Kind: Sendable, Hashable {
        case certificate
        case extendedCertificate
        case attributeCertificateV1
        case attributeCertificateV2
        case other
    }

    public let kind: Kind
    /// The whole element, with its tag.
    public let encoded: [UInt8]

    /// A certificate, as DER.
    public init(certificate der: [UInt8]) {
        kind = .certificate
        encoded = der
    }

    public init(reading der: inout DERReader) throws {
        guard let tag = der.nextTag, let kind = Self.kinds[tag] else { throw der.fault(.tagUnexpected) }
        self.kind = kind
        encoded = try der.elementBytes()
    }

    private static let kinds: [DERTag: Kind] = [
        .sequence: .certificate, .context(0): .extendedCertificate, .context(1): .attributeCertificateV1,
        .context(2): .attributeCertificateV2, .context(3): .other,
    ]
}
