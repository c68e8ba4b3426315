public import DER
public import LibCrypto

/// A certificate by its hash (RFC 5035, 4).
///
///     ESSCertIDv2 ::= SEQUENCE {
///         hashAlgorithm  AlgorithmIdentifier DEFAULT { algorithm id-sha256 },
///         certHash       Hash,  -- OCTET STRING
///         issuerSerial   IssuerSerial OPTIONAL }
public struct ESSCertIDv2: Sendable, Hashable {
    /// Nil when it is left out, which means SHA-256 and is the only way DER has to say so; a reader takes one that is written out.
    public let hashAlgorithm: AlgorithmIdentifier?
    /// Of the whole certificate.
    public let certHash: [UInt8]
    public let issuerSerial: IssuerSerial?

    /// With SHA-256 and without the issuer.
    public init(sha256Of certificate: Certificate) {
        hashAlgorithm = nil
        certHash = certificate.sha256
        issuerSerial = nil
    }

    public init(reading der: inout DERReader) throws {
        (hashAlgorithm, certHash, issuerSerial) = try der.sequence { der in
            let hashAlgorithm = der.nextTag == .sequence ? try AlgorithmIdentifier(reading: &der) : nil
            let certHash = try der.octetString()
            return (hashAlgorithm, certHash, der.isAtEnd ? nil : try IssuerSerial(reading: &der))
        }
    }

    public func write(to der: inout DERWriter) {
        der.sequence { der in
            hashAlgorithm?.write(to: &der)
            der.octetString(certHash)
            issuerSerial?.write(to: &der)
        }
    }
}
