public import DER

/// Which certificate signed, bound by its hash (RFC 5035, 3).
///
///     SigningCertificateV2 ::= SEQUENCE {
///         certs     SEQUENCE OF ESSCertIDv2,
///         policies  SEQUENCE OF PolicyInformation OPTIONAL }
public struct SigningCertificateV2: Sendable, Hashable {
    /// The first is the signer's; more would limit the chain.
    public let certs: [ESSCertIDv2]
    /// The whole element, nil when absent.
    public let policies: [UInt8]?

    public init(_ certs: [ESSCertIDv2]) {
        self.certs = certs
        policies = nil
    }

    /// Reads the attribute's value as a whole.
    public init(der: [UInt8]) throws {
        (certs, policies) = try DERReader.read(der) { der in
            try der.sequence { der in
                (try der.sequenceOf { try ESSCertIDv2(reading: &$0) }, der.isAtEnd ? nil : try Self.policies(reading: &der))
            }
        }
    }

    public func write(to der: inout DERWriter) {
        der.sequence { der in
            der.sequence { der in
                for cert in certs { cert.write(to: &der) }
            }
            if let policies { der.element(policies) }
        }
    }

    /// SEQUENCE OF PolicyInformation, which is well-formed but has no meaning here.
    static func policies(reading der: inout DERReader) throws -> [UInt8] {
        guard der.nextTag == .sequence else { throw der.fault(.tagUnexpected) }
        return try der.checkedElement()
    }
}
