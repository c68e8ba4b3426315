public import DER

/// The object identifiers of content and attribute types, each under the name its standard gives it.
extension ObjectIdentifier {
    /// id-data (RFC 5652, 4)
    public static let data = ObjectIdentifier(1, 2, 840, 113549, 1, 7, 1)
    /// id-signedData (RFC 5652, 5.1)
    public static let signedData = ObjectIdentifier(1, 2, 840, 113549, 1, 7, 2)
    /// id-ct-TSTInfo (RFC 3161, 2.4.2)
    public static let tstInfo = ObjectIdentifier(1, 2, 840, 113549, 1, 9, 16, 1, 4)

    /// id-contentType (RFC 5652, 11.1)
    public static let contentType = ObjectIdentifier(1, 2, 840, 113549, 1, 9, 3)
    /// id-messageDigest (RFC 5652, 11.2)
    public static let messageDigest = ObjectIdentifier(1, 2, 840, 113549, 1, 9, 4)
    /// id-signingTime (RFC 5652, 11.3)
    public static let signingTime = ObjectIdentifier(1, 2, 840, 113549, 1, 9, 5)
    /// id-aa-signingCertificate (RFC 2634, 5.4)
    public static let signingCertificate = ObjectIdentifier(1, 2, 840, 113549, 1, 9, 16, 2, 12)
    /// id-aa-signingCertificateV2 (RFC 5035, 3)
    public static let signingCertificateV2 = ObjectIdentifier(1, 2, 840, 113549, 1, 9, 16, 2, 47)
    /// id-aa-signatureTimeStampToken (RFC 3161, appendix A; EN 319 122-1, 5.3)
    public static let signatureTimeStamp = ObjectIdentifier(1, 2, 840, 113549, 1, 9, 16, 2, 14)
}
