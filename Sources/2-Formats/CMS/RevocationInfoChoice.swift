public import DER

/// One member of a SignedData's crls (RFC 5652, 10.2.1). Only its tag is looked at.
///
///     RevocationInfoChoice ::= CHOICE {
///         crl    CertificateList,
///         other  [1] IMPLICIT OtherRevocationInfoFormat }  -- an OCSP response, RFC 5940
public struct RevocationInfoChoice: Sendable, Hashable {
    public let isOther: Bool
    /// The whole element, with its tag.
    public let encoded: [UInt8]

    public init(reading der: inout DERReader) throws {
        isOther = der.nextTag == .context(1)
        guard isOther || der.nextTag == .sequence else { throw der.fault(.tagUnexpected) }
        encoded = try der.elementBytes()
    }
}
