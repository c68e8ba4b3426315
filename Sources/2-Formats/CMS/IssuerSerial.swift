public import DER
public import LibCrypto

/// The issuer and number in an ESSCertID (RFC 5035, 4).
///
///     IssuerSerial ::= SEQUENCE {
///         issuer        GeneralNames,
///         serialNumber  CertificateSerialNumber }  -- INTEGER
public struct IssuerSerial: Sendable, Hashable {
    /// Each GeneralName whole.
    public let issuer: [[UInt8]]
    /// The INTEGER, whole.
    public let serialNumber: [UInt8]

    public init(reading der: inout DERReader) throws {
        (issuer, serialNumber) = try der.sequence { der in
            (try der.sequenceOf { try $0.checkedElement() }, try der.elementBytes(.integer))
        }
    }

    public func write(to der: inout DERWriter) {
        der.sequence { der in
            der.sequence { der in
                for name in issuer { der.element(name) }
            }
            der.element(serialNumber)
        }
    }

    /// Whether this is the certificate's issuer and number. For a public-key certificate the issuer is its one directoryName
    /// (RFC 5035, 4): `[4] EXPLICIT Name`.
    public func names(_ certificate: Certificate) -> Bool {
        let directoryName = DERWriter.encode { $0.constructed(.context(4)) { $0.element(certificate.issuerDER) } }
        return issuer == [directoryName] && serialNumber == certificate.serialNumberDER
    }
}
