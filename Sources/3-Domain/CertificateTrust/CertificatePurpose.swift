public import LibCrypto

/// What a certificate is to be trusted for.
public enum CertificatePurpose: String, Sendable, Hashable, CaseIterable {
    /// Signing documents: keyUsage with digitalSignature or nonRepudiation (ETSI EN 319 412-2, 4.3.2), no authority, and no
    /// extendedKeyUsage that names services alone (TLS, timestamps, OCSP).
    case documentSigning = "document-signing"
    /// Signing timestamps: extendedKeyUsage critical and timeStamping alone (RFC 3161, 2.3), keyUsage for signatures alone, no authority.
    case timeStamping = "time-stamping"

    /// What the certificate itself says against this purpose; nil if nothing.
    public func refusal(of certificate: Certificate) -> TrustRefusal? {
        if certificate.isCA {
            return TrustRefusal(code: .purposeUnfit, sentence: "the certificate is an authority's: \(certificate.subject)")
        }
        switch self {
        case .documentSigning: return documentSigningRefusal(of: certificate)
        case .timeStamping: return timeStampingRefusal(of: certificate)
        }
    }

    private func documentSigningRefusal(of certificate: Certificate) -> TrustRefusal? {
        guard let usage = certificate.keyUsage else {
            return TrustRefusal(code: .purposeUnfit, sentence: "the certificate has no key usage: \(certificate.subject)")
        }
        if usage.isDisjoint(with: Self.signing) {
            let sentence = "the key usage has neither digitalSignature nor nonRepudiation: \(certificate.subject)"
            return TrustRefusal(code: .purposeUnfit, sentence: sentence)
        }
        if let purposes = certificate.extendedKeyUsage, Self.serviceOIDs.isSuperset(of: purposes) {
            return TrustRefusal(code: .purposeUnfit, sentence: "the extended key usage names services alone: \(certificate.subject)")
        }
        return nil
    }

    private func timeStampingRefusal(of certificate: Certificate) -> TrustRefusal? {
        if certificate.extendedKeyUsage != [Self.timeStampingOID] {
            return TrustRefusal(code: .purposeUnfit, sentence: "the extended key usage is not timeStamping alone: \(certificate.subject)")
        }
        if !certificate.isExtendedKeyUsageCritical {
            return TrustRefusal(code: .purposeUnfit, sentence: "the extended key usage is not critical: \(certificate.subject)")
        }
        if let usage = certificate.keyUsage, usage.isDisjoint(with: Self.signing) || !usage.isSubset(of: Self.signing) {
            let sentence = "the key usage is not digitalSignature or nonRepudiation alone: \(certificate.subject)"
            return TrustRefusal(code: .purposeUnfit, sentence: sentence)
        }
        return nil
    }

    var chainPurpose: ChainVerification.Purpose { self == .timeStamping ? .timeStamping : .any }

    private static let signing: KeyUsage = [.digitalSignature, .nonRepudiation]
    /// id-kp-timeStamping (RFC 5280, 4.2.1.12).
    private static let timeStampingOID = "1.3.6.1.5.5.7.3.8"
    /// serverAuth, clientAuth, timeStamping, OCSPSigning (RFC 5280, 4.2.1.12).
    private static let serviceOIDs: Set = ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2", timeStampingOID, "1.3.6.1.5.5.7.3.9"]
}
