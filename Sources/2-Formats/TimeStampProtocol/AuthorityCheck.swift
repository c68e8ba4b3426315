internal import CMS
internal import DER
internal import FoundationEssentials
internal import LibCrypto

/// The authority behind a token, found by its signature: its certificate is in the token, is bound by the signed attributes, may stamp,
/// and its key made the signature. Whether to trust it is left.
struct AuthorityCheck {
    let authority: Certificate
    let certificates: [Certificate]

    init(_ parts: TokenParts, algorithms: KnownAlgorithms) throws(TimeStampFault) {
        let signerInfo = parts.signerInfo
        certificates = parts.signedData.certificates.filter { $0.kind == .certificate }.compactMap { try? Certificate(der: $0.encoded) }
        let named = certificates.filter { signerInfo.sid.names($0) }
        guard !named.isEmpty else {
            throw TimeStampFault(.certificateMissing, "none of \(parts.signedData.certificates.count) certificates is the signer's")
        }
        guard let attributes = signerInfo.signedAttributes else {
            throw TimeStampFault(.messageDigestAttribute, "no signed attributes")
        }
        authority = try Self.boundCertificate(attributes, among: named, algorithms)
        try Self.checkPurpose(authority)
        try Self.checkName(parts.info, authority)
        guard parts.info.time >= authority.notBefore, parts.info.time <= authority.notAfter else {
            throw TimeStampFault(.certificateValidity, "\(parts.info.time) is not within \(authority.notBefore) to \(authority.notAfter)")
        }
        try Self.checkSignature(parts, attributes, authority, algorithms)
    }

    // MARK: Certificate

    /// Of the certificates that the signer's identifier names, the one that signing-certificate and -v2 bind.
    private static func boundCertificate(
        _ attributes: SignedAttributes, among named: [Certificate], _ algorithms: KnownAlgorithms
    ) throws(TimeStampFault) -> Certificate {
        var isBound: [(Certificate) -> Bool] = []
        do {
            // RFC 3161, 2.4.2 has the first form, RFC 5816 adds the second. A token with both must be right in both.
            if let value = try value(.signingCertificate, "signing-certificate", attributes) {
                guard let first = try SigningCertificate(der: value).certs.first else { throw Self.fault("signing-certificate is empty") }
                isBound.append { certificate in
                    first.certHash == DigestFunction.sha1.digest(certificate.der) && first.issuerSerial?.names(certificate) != false
                }
            }
            if let value = try value(.signingCertificateV2, "signing-certificate-v2", attributes) {
                guard let first = try SigningCertificateV2(der: value).certs.first else { throw fault("signing-certificate-v2 is empty") }
                var digest: DigestAlgorithm? = .sha256
                if let stated = first.hashAlgorithm { digest = algorithms.digest(stated) }
                guard let digest else { throw fault("signing-certificate-v2 hashes by an unknown algorithm") }
                isBound.append { certificate in
                    first.certHash == digest.function.digest(certificate.der) && first.issuerSerial?.names(certificate) != false
                }
            }
        } catch let error as TimeStampFault {
            throw error
        } catch {
            throw fault("\(error)")
        }
        guard !isBound.isEmpty else { throw fault("neither signing-certificate nor signing-certificate-v2 is there") }
        guard let bound = named.first(where: { certificate in isBound.allSatisfy { $0(certificate) } }) else {
            throw fault("it binds another certificate than the signer's")
        }
        return bound
    }

    private static func checkPurpose(_ certificate: Certificate) throws(TimeStampFault) {
        guard certificate.extendedKeyUsage == ["1.3.6.1.5.5.7.3.8"], certificate.isExtendedKeyUsageCritical else {
            throw TimeStampFault(.certificatePurpose, "the extended key usage is not timeStamping, critical and alone")
        }
        // RFC 5280, 4.2.1.12: what goes with timeStamping
        if let usage = certificate.keyUsage, usage.isDisjoint(with: [.digitalSignature, .nonRepudiation]) {
            throw TimeStampFault(.certificatePurpose, "the key usage has neither digitalSignature nor nonRepudiation")
        }
    }

    /// Compares a directoryName octet by octet; other kinds of names are hints only.
    private static func checkName(_ info: TSTInfo, _ certificate: Certificate) throws(TimeStampFault) {
        guard let name = info.authorityName, name.first == DERTag.context(4).rawValue else { return }
        guard name == DERWriter.encode({ $0.constructed(.context(4)) { $0.element(certificate.subjectDER) } }) else {
            throw TimeStampFault(.authorityNameDiffers, "tsa is not the subject of the certificate")
        }
    }

    // MARK: Signature

    private static func checkSignature(
        _ parts: TokenParts, _ attributes: SignedAttributes, _ certificate: Certificate, _ algorithms: KnownAlgorithms
    ) throws(TimeStampFault) {
        let signerInfo = parts.signerInfo
        let oid = signerInfo.digestAlgorithm.algorithm
        guard parts.signedData.digestAlgorithms.contains(where: { $0.algorithm == oid && $0.hasNoParameters }) else {
            throw TimeStampFault(.digestAlgorithmNotListed, "\(oid) is the signer's")
        }
        guard let digest = algorithms.digest(signerInfo.digestAlgorithm) else {
            throw TimeStampFault(.algorithmUnknown, "digest \(oid)")
        }
        guard let algorithm = algorithms.signature(signerInfo.signatureAlgorithm, digest: digest) else {
            throw TimeStampFault(.algorithmUnknown, "signature \(signerInfo.signatureAlgorithm.algorithm) over \(digest)")
        }
        guard attributes.single(.contentType) == ObjectIdentifier.tstInfo.encoded else {
            throw TimeStampFault(.contentTypeAttribute, "not that of TSTInfo, once")
        }
        let messageDigest = DERWriter.encode { $0.octetString(digest.function.digest(parts.content)) }
        guard attributes.single(.messageDigest) == messageDigest else {
            throw TimeStampFault(.messageDigestAttribute, "not the digest of the TSTInfo, once")
        }
        guard algorithm.isValid(signature: signerInfo.signature, overMessage: attributes.encoded, by: certificate.publicKey) else {
            throw TimeStampFault(.signatureInvalid, "not by the key of \(certificate.subject)")
        }
    }

    /// The value of an attribute, nil when it is not there.
    private static func value(
        _ type: ObjectIdentifier, _ name: String, _ attributes: SignedAttributes
    ) throws(TimeStampFault) -> [UInt8]? {
        if attributes.all(type).isEmpty { return nil }
        guard let value = attributes.single(type) else { throw fault("\(name) is there several times") }
        return value
    }

    private static func fault(_ detail: String) -> TimeStampFault {
        TimeStampFault(.signingCertificateAttribute, detail)
    }
}
