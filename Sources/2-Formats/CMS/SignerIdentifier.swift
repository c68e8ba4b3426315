public import DER
public import LibCrypto

/// Which certificate belongs to a signature (RFC 5652, 5.3).
///
///     SignerIdentifier ::= CHOICE {
///         issuerAndSerialNumber  IssuerAndSerialNumber,
///         subjectKeyIdentifier   [0] SubjectKeyIdentifier }  -- IMPLICIT OCTET STRING
public enum SignerIdentifier: Sendable, Hashable {
    case issuerAndSerialNumber(IssuerAndSerialNumber)
    case subjectKeyIdentifier([UInt8])

    public init(reading der: inout DERReader) throws {
        let keyIdentifier = DERTag.context(0, constructed: false)
        if der.nextTag == keyIdentifier {
            self = .subjectKeyIdentifier(try der.octetString(keyIdentifier))
        } else {
            self = .issuerAndSerialNumber(try IssuerAndSerialNumber(reading: &der))
        }
    }

    public func write(to der: inout DERWriter) {
        switch self {
        case .issuerAndSerialNumber(let issuer): issuer.write(to: &der)
        case .subjectKeyIdentifier(let identifier): der.octetString(identifier, tag: .context(0, constructed: false))
        }
    }

    /// The version of a SignerInfo with this identifier (RFC 5652, 5.3).
    public var signerInfoVersion: Int {
        switch self {
        case .issuerAndSerialNumber: 1
        case .subjectKeyIdentifier: 3
        }
    }

    public func names(_ certificate: Certificate) -> Bool {
        switch self {
        case .issuerAndSerialNumber(let issuer): issuer == IssuerAndSerialNumber(of: certificate)
        case .subjectKeyIdentifier(let identifier): certificate.subjectKeyIdentifier == identifier
        }
    }
}
