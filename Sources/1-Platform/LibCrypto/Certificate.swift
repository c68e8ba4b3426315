public import FoundationEssentials

/// An X.509 certificate (RFC 5280), read once; every field is a value from then on. Two are equal when their DER is.
/// Reading proves nothing: neither signature nor validity nor purpose was checked.
public struct Certificate: Sendable {
    let parsed: ParsedCertificate

    /// Reads one certificate in DER. Nothing may follow it, its own lengths must be minimal, its extensions readable.
    public init(der: [UInt8]) throws(CryptoError) {
        parsed = try CertificateCache.certificate(der)
    }

    /// The whole certificate as it was given.
    public var der: [UInt8] { parsed.der }
    /// SHA-256 of `der`.
    public var sha256: [UInt8] { parsed.sha256 }

    /// The subject by RFC 4514 (the last RDN first), UTF-8.
    public var subject: String { parsed.subject }
    /// The issuer by RFC 4514 (the last RDN first), UTF-8.
    public var issuer: String { parsed.issuer }
    /// The Name TLV of the subject as it stands in the certificate.
    public var subjectDER: [UInt8] { parsed.subjectDER }
    /// The Name TLV of the issuer as it stands in the certificate.
    public var issuerDER: [UInt8] { parsed.issuerDER }
    /// The first value of an attribute of the subject, by its dotted OID ("2.5.4.5" is serialNumber), in UTF-8.
    public func subjectAttribute(_ oid: String) -> String? {
        parsed.subjectAttributes.first { $0.oid == oid }?.value
    }

    /// The INTEGER TLV of the serial number.
    public var serialNumberDER: [UInt8] { parsed.serialNumberDER }
    /// The serial number's magnitude, two lower-case digits a byte, with a "-" before a negative one.
    public var serialNumberHex: String { parsed.serialNumberHex }

    /// The first moment of the validity.
    public var notBefore: Date { parsed.notBefore }
    /// The last moment of the validity (it belongs to it: RFC 5280, 4.1.2.5).
    public var notAfter: Date { parsed.notAfter }

    public var publicKey: PublicKey { parsed.publicKey }

    /// Nil without the extension: then every use is allowed.
    public var keyUsage: KeyUsage? { parsed.keyUsage }
    /// Dotted OIDs in their order. Nil without the extension: then every purpose is allowed.
    public var extendedKeyUsage: [String]? { parsed.extendedKeyUsage }
    public var isExtendedKeyUsageCritical: Bool { parsed.isExtendedKeyUsageCritical }
    /// What basicConstraints says.
    public var isCA: Bool { parsed.isCA }
    public var subjectKeyIdentifier: [UInt8]? { parsed.subjectKeyIdentifier }
    /// The keyIdentifier field of authorityKeyIdentifier.
    public var authorityKeyIdentifier: [UInt8]? { parsed.authorityKeyIdentifier }
}

// MARK: - Hashable, CustomStringConvertible

extension Certificate: Hashable, CustomStringConvertible {
    public static func == (left: Certificate, right: Certificate) -> Bool { left.parsed === right.parsed || left.der == right.der }
    public func hash(into hasher: inout Swift.Hasher) { hasher.combine(sha256) }
    public var description: String { "\(subject) (\(serialNumberHex))" }
}
