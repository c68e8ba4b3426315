internal import DER

/// The first form of `SigningCertificateV2`, bound to SHA-1 (RFC 2634, 5.4). Timestamp authorities still use it; it is never written.
///
///     SigningCertificate ::= SEQUENCE {
///         certs     SEQUENCE OF ESSCertID,
///         policies  SEQUENCE OF PolicyInformation OPTIONAL }
///
///     ESSCertID ::= SEQUENCE {
///         certHash      Hash,  -- SHA-1 of the whole certificate
///         issuerSerial  IssuerSerial OPTIONAL }
public struct SigningCertificate: Sendable, Hashable {
    public struct ESSCertID: Sendable, Hashable {
        public let certHash: [UInt8]
        public let issuerSerial: IssuerSerial?
    }

    /// The first is the signer's.
    public let certs: [ESSCertID]

    /// Reads the attribute's value as a whole.
    public init(der: [UInt8]) throws {
        certs = try DERReader.read(der) { der in
            try der.sequence { der in
                let certs = try der.sequenceOf { der in
                    try der.sequence { der in
                        ESSCertID(certHash: try der.octetString(), issuerSerial: der.isAtEnd ? nil : try IssuerSerial(reading: &der))
                    }
                }
                if !der.isAtEnd { _ = try SigningCertificateV2.policies(reading: &der) }
                return certs
            }
        }
    }
}
