public import DER
public import LibCrypto

/// A certificate by its issuer's name and its number (RFC 5652, 10.2.4).
///
///     IssuerAndSerialNumber ::= SEQUENCE {
///         issuer        Name,
///         serialNumber  CertificateSerialNumber }  -- INTEGER
public struct IssuerAndSerialNumber: Sendable, Hashable {
    /// The Name, whole, as it is encoded. Names are compared octet by octet: a signer copies the certificate's.
    public let issuer: [UInt8]
    /// The INTEGER, whole.
    public let serialNumber: [UInt8]

    public init(of certificate: Certificate) {
        issuer = certificate.issuerDER
        serialNumber = certificate.serialNumberDER
    }

    public init(reading der: inout DERReader) throws {
        (issuer, serialNumber) = try der.sequence { der in (try der.elementBytes(.sequence), try der.elementBytes(.integer)) }
    }

    public func write(to der: inout DERWriter) {
        der.sequence { der in
            der.element(issuer)
            der.element(serialNumber)
        }
    }
}
