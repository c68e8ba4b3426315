internal import CMS
internal import DER
internal import FoundationEssentials
internal import LibCrypto

/// The authority behind a token, found by its signature: its certificate is in the token, is bound by the signed attributes, may stamp,
/// and its key made the signature. Whether to trust it is left.
struct AuthorityCheck {
    let authority: KnownAuthority
    /// Whether it was known before.
    let wasKnown: Bool

    init(_ parts: TokenParts, knowing known: KnownAuthorities) throws(TimeStampFault) {
        if let found = known.first(for: parts) {
            (authority, wasKnown) = (found, true)
            try Self.checkNameAndTime(parts, found.authority, found.directoryName)
        } else {
            let certificates = parts.certificates()
            let certificate = try Self.certificate(parts, among: certificates, known.algorithms)
            let directoryName = DERWriter.encode { $0.constructed(.context(4)) { $0.element(certificate.subjectDER) } }
            try Self.checkNameAndTime(parts, certificate, directoryName)
            let (digest, signature) = try Self.findAlgorithms(parts, known.algorithms)
            authority = KnownAuthority(
                behind: parts, authority: certificate, certificates: certificates, directoryName: directoryName, digest: digest,
                signature: signature)
            wasKnown = false
        }
        try Self.checkSignature(parts, authority)
    }

    // MARK: Certificate

    private static func certificate(
        _ parts: TokenParts, among certificates: [Certificate], _ algorithms: KnownAlgorithms
    ) throws(TimeStampFault) -> Certificate {
        let sid = parts.read(parts.signer.sid) { try SignerIdentifier(reading: &$0) }
        let named = certificates.filter { sid.names($0) }
        guard !named.isEmpty else {
            throw TimeStampFault(.certificateMissing, "none of \(parts.certificateCount()) certificates is the signer's")
        }
        guard parts.signer.attributes != nil else { throw TimeStampFault(.messageDigestAttribute, "no signed attributes") }
        let certificate = try boundCertificate(parts, among: named, algorithms)
        try checkPurpose(certificate)
        return certificate
    }

    /// Of the certificates that the signer's identifier names, the one that signing-certificate and -v2 bind.
    private static func boundCertificate(
        _ parts: TokenParts, among named: [Certificate], _ algorithms: KnownAlgorithms
    ) throws(TimeStampFault) -> Certificate {
        var isBound: [(Certificate) -> Bool] = []
        do {
            // RFC 3161, 2.4.2 has the first form, RFC 5816 adds the second. A token with both must be right in both.
            if let value = try value(parts.signer.signingCertificate, "signing-certificate", parts) {
                guard let first = try SigningCertificate(der: value).certs.first else { throw Self.fault("signing-certificate is empty") }
                isBound.append { certificate in
                    first.certHash == DigestFunction.sha1.digest(certificate.der) && first.issuerSerial?.names(certificate) != false
                }
            }
            if let value = try value(parts.signer.signingCertificateV2, "signing-certificate-v2", parts) {
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
    private static func checkNameAndTime(
        _ parts: TokenParts, _ certificate: Certificate, _ directoryName: [UInt8]
    ) throws(TimeStampFault) {
        if let name = parts.info.authorityName, parts.der[name.lowerBound] == DERTag.context(4).rawValue, !parts.has(directoryName, at: name) {
            throw TimeStampFault(.authorityNameDiffers, "tsa is not the subject of the certificate")
        }
        let time = parts.info.time
        guard time >= certificate.notBefore, time <= certificate.notAfter else {
            throw TimeStampFault(.certificateValidity, "\(time) is not within \(certificate.notBefore) to \(certificate.notAfter)")
        }
    }

    // MARK: Signature

    private static func findAlgorithms(
        _ parts: TokenParts, _ algorithms: KnownAlgorithms
    ) throws(TimeStampFault) -> (digest: DigestAlgorithm, signature: SignatureAlgorithm) {
        let stated = parts.identifier(parts.signer.digestAlgorithm)
        let oid = stated.algorithm
        let listed = parts.read(parts.layout.digestAlgorithms) { try $0.setOf(ordered: false) { try AlgorithmIdentifier(reading: &$0) } }
        guard listed.contains(where: { $0.algorithm == oid && $0.hasNoParameters }) else {
            throw TimeStampFault(.digestAlgorithmNotListed, "\(oid) is the signer's")
        }
        guard let digest = algorithms.digest(stated) else { throw TimeStampFault(.algorithmUnknown, "digest \(oid)") }
        let identifier = parts.identifier(parts.signer.signatureAlgorithm)
        guard let signature = algorithms.signature(identifier, digest: digest) else {
            throw TimeStampFault(.algorithmUnknown, "signature \(identifier.algorithm) over \(digest)")
        }
        return (digest, signature)
    }

    private static func checkSignature(_ parts: TokenParts, _ authority: KnownAuthority) throws(TimeStampFault) {
        let signer = parts.signer
        guard let contentType = signer.contentType.single, parts.has(ObjectIdentifier.tstInfo.encoded, at: contentType) else {
            throw TimeStampFault(.contentTypeAttribute, "not that of TSTInfo, once")
        }
        let digest = authority.digest.function.digest(parts.der.span.extracting(parts.content))
        guard let messageDigest = signer.messageDigest.single, parts.isOctetString(digest, at: messageDigest) else {
            throw TimeStampFault(.messageDigestAttribute, "not the digest of the TSTInfo, once")
        }
        guard let place = signer.attributes else { throw TimeStampFault(.messageDigestAttribute, "no signed attributes") }
        // Embedded under the tag [0] and hashed under that of SET (RFC 5652, 5.4)
        var attributes = parts.copy(place)
        attributes[0] = DERTag.set.rawValue
        let key = authority.authority.publicKey
        guard authority.signature.isValid(signature: parts.copy(signer.signature), overMessage: attributes, by: key) else {
            throw TimeStampFault(.signatureInvalid, "not by the key of \(authority.authority.subject)")
        }
    }

    /// The value of an attribute, nil when it is not there.
    private static func value(_ place: AttributePlace, _ name: String, _ parts: TokenParts) throws(TimeStampFault) -> [UInt8]? {
        if place.count == 0 { return nil }
        guard let value = place.single else { throw fault("\(name) is there several times") }
        return parts.copy(value)
    }

    private static func fault(_ detail: String) -> TimeStampFault {
        TimeStampFault(.signingCertificateAttribute, detail)
    }
}

extension TokenParts {
    /// All readable certificates.
    fileprivate func certificates() -> [Certificate] {
        choices().filter { $0.kind == .certificate }.compactMap { try? Certificate(der: $0.encoded) }
    }

    fileprivate func certificateCount() -> Int { choices().count }

    private func choices() -> [CertificateChoice] {
        read(layout.certificates) { der in
            var choices: [CertificateChoice] = []
            while !der.isAtEnd { choices.append(try CertificateChoice(reading: &der)) }
            return choices
        }
    }

    fileprivate func isOctetString(_ content: [UInt8], at place: Range<Int>) -> Bool {
        var der = DERReader(self.der.span.extracting(place))
        guard let found = try? der.content(.octetString) else { return false }
        return der.isAtEnd && found.equals(content.span)
    }
}
