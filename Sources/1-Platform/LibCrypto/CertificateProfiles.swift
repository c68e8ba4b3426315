public import FoundationEssentials

/// The three certificates of a small PKI, with what outside verifiers demand of each (RFC 5280, 4.2; RFC 3161, 2.3; EU DSS).
/// Change a field of what these return to make one that is wrong.
extension CertificateBuilder {
    /// A root or an authority below one; issues end-entity certificates and, with a longer path, authorities.
    public static func authority(
        _ subject: DistinguishedName, notBefore: Date, notAfter: Date, serialNumber: [UInt8], authoritiesBelow: Int = 1
    ) -> CertificateBuilder {
        CertificateBuilder(
            subject: subject, notBefore: notBefore, notAfter: notAfter, serialNumber: serialNumber,
            extensions: [
                Extension("subjectKeyIdentifier", "hash"),
                Extension("authorityKeyIdentifier", "keyid"),
                Extension("basicConstraints", "critical,CA:TRUE,pathlen:\(authoritiesBelow)"),
                Extension("keyUsage", "critical,keyCertSign,cRLSign"),
            ])
    }

    /// Signs documents: nonRepudiation, and where its issuer's certificate and CRL are.
    public static func documentSigner(
        _ subject: DistinguishedName, notBefore: Date, notAfter: Date, serialNumber: [UInt8]
    ) -> CertificateBuilder {
        CertificateBuilder(
            subject: subject, notBefore: notBefore, notAfter: notAfter, serialNumber: serialNumber,
            extensions: [
                Extension("subjectKeyIdentifier", "hash"),
                Extension("authorityKeyIdentifier", "keyid"),
                Extension("basicConstraints", "critical,CA:FALSE"),
                Extension("keyUsage", "critical,digitalSignature,nonRepudiation"),
                Extension("authorityInfoAccess", "caIssuers;URI:http://ca.invalid/ca.cer"),
                Extension("crlDistributionPoints", "URI:http://ca.invalid/ca.crl"),
            ])
    }

    /// Signs timestamps and nothing else: a critical extendedKeyUsage of timeStamping alone.
    public static func timeStampAuthority(
        _ subject: DistinguishedName, notBefore: Date, notAfter: Date, serialNumber: [UInt8]
    ) -> CertificateBuilder {
        var builder = documentSigner(subject, notBefore: notBefore, notAfter: notAfter, serialNumber: serialNumber)
        builder.extensions.append(Extension("extendedKeyUsage", "critical,timeStamping"))
        return builder
    }
}
