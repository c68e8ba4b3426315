internal import CMS
internal import DER
internal import FoundationEssentials
internal import LibCrypto

/// One pass over a SignedData that notes every rule it breaks.
struct Examination {
    let algorithms: KnownAlgorithms
    private(set) var violations: [CAdESViolation] = []

    /// What the rules brought to light.
    struct Findings {
        let signer: Certificate
        let certificates: [Certificate]
        let algorithm: SignatureAlgorithm
        let messageDigest: [UInt8]
        let signingTime: Date
        let signedAttributes: SignedAttributes
        let signatureValue: [UInt8]
        let timeStampTokens: [[UInt8]]
    }

    init(algorithms: KnownAlgorithms) {
        self.algorithms = algorithms
    }

    /// Nil when a rule is broken without which there is no whole signature; `violations` then says which.
    mutating func run(_ signedData: SignedData) -> Findings? {
        examineStructure(signedData)
        let certificates = examineCertificates(signedData)
        guard signedData.signerInfos.count == 1 else {
            note(.signerCount, "\(signedData.signerInfos.count) instead of 1")
            return nil
        }
        let signerInfo = signedData.signerInfos[0]
        if signerInfo.version != signerInfo.sid.signerInfoVersion {
            note(.signerInfoVersion, "\(signerInfo.version) instead of \(signerInfo.sid.signerInfoVersion)")
        }
        let signer = findSigner(signerInfo.sid, among: certificates)
        let algorithm = examineAlgorithms(signerInfo, listed: signedData.digestAlgorithms, signer: signer)
        let tokens = examineUnsignedAttributes(signerInfo)
        guard let attributes = signerInfo.signedAttributes else {
            note(.signedAttributesMissing, "the signature is over the document alone")
            return nil
        }
        examineContentType(attributes, signedData.encapContentInfo.contentType)
        let digest = examineMessageDigest(attributes, algorithm)
        let time = examineSigningTime(attributes, signer)
        examineSigningCertificate(attributes, signer)
        let read: [ObjectIdentifier] = [.contentType, .messageDigest, .signingTime, .signingCertificateV2]
        for attribute in attributes.attributes where !read.contains(attribute.type) { checkValues(attribute) }
        guard let signer, let algorithm, let digest, let time else { return nil }
        return Findings(
            signer: signer, certificates: certificates, algorithm: algorithm, messageDigest: digest, signingTime: time,
            signedAttributes: attributes, signatureValue: signerInfo.signature, timeStampTokens: tokens)
    }

    // MARK: SignedData

    private mutating func examineStructure(_ signedData: SignedData) {
        if signedData.version != signedData.requiredVersion {
            note(.signedDataVersion, "\(signedData.version) instead of \(signedData.requiredVersion)")
        }
        if signedData.encapContentInfo.content != nil { note(.contentNotDetached, "the document is inside") }
        noteTwice(signedData.digestAlgorithms.map(\.algorithm), "a digest algorithm")
        noteTwice(signedData.certificates, "a certificate")
        noteTwice(signedData.crls, "a CRL or OCSP response")
    }

    private mutating func examineCertificates(_ signedData: SignedData) -> [Certificate] {
        var certificates: [Certificate] = []
        for (index, choice) in signedData.certificates.enumerated() {
            guard choice.kind == .certificate else {
                note(.certificateKind, "number \(index + 1) of the certificates is none")
                continue
            }
            do throws(CryptoError) {
                certificates.append(try Certificate(der: choice.encoded))
            } catch {
                note(.certificateUnreadable, "number \(index + 1) of the certificates: \(error)")
            }
        }
        return certificates
    }

    private mutating func findSigner(_ sid: SignerIdentifier, among certificates: [Certificate]) -> Certificate? {
        let named = certificates.filter { sid.names($0) }
        if named.isEmpty { note(.signerCertificateMissing, "none of the \(certificates.count) certificates is the one named") }
        if Set(named).count > 1 {
            note(.signerCertificateAmbiguous, "\(named.count) certificates have the name")
            return nil
        }
        return named.first
    }

    // MARK: Algorithms

    private mutating func examineAlgorithms(
        _ signerInfo: SignerInfo, listed: [AlgorithmIdentifier], signer: Certificate?
    ) -> SignatureAlgorithm? {
        let oid = signerInfo.digestAlgorithm.algorithm
        if !listed.contains(where: { $0.algorithm == oid && $0.hasNoParameters }) {
            note(.digestAlgorithmNotListed, "\(oid) is the signer's")
        }
        guard let digest = algorithms.digest(signerInfo.digestAlgorithm) else {
            note(.digestAlgorithmUnknown, oid.dotted)
            return nil
        }
        guard let algorithm = algorithms.signature(signerInfo.signatureAlgorithm, digest: digest) else {
            note(.signatureAlgorithmUnfitting, "\(signerInfo.signatureAlgorithm.algorithm) over \(digest)")
            return nil
        }
        if let signer, !algorithm.fits(signer.publicKey) {
            note(.signatureKeyUnfitting, "\(algorithm) with the key of \(signer.subject)")
        }
        return algorithm
    }

    // MARK: Attributes

    private mutating func examineContentType(_ attributes: SignedAttributes, _ contentType: ObjectIdentifier) {
        guard let stated = read(.contentType, "content-type", attributes, { try $0.objectIdentifier() }) else { return }
        if stated != contentType { note(.contentTypeDiffers, "\(stated) in the attribute, \(contentType) outside") }
    }

    private mutating func examineMessageDigest(_ attributes: SignedAttributes, _ algorithm: SignatureAlgorithm?) -> [UInt8]? {
        guard let digest = read(.messageDigest, "message-digest", attributes, { try $0.octetString() }) else { return nil }
        if let length = algorithm?.digest.function.byteCount, digest.count != length {
            note(.messageDigestLength, "\(digest.count) octets instead of \(length)")
        }
        return digest
    }

    private mutating func examineSigningTime(_ attributes: SignedAttributes, _ signer: Certificate?) -> Date? {
        let read = read(.signingTime, "signing-time", attributes) { der in
            der.nextTag == .generalizedTime
                ? (DERTag.generalizedTime, try der.generalizedTime()) : (DERTag.utcTime, try der.utcTime())
        }
        guard let (form, time) = read else { return nil }
        if DERTime(time).tag != form { note(.signingTimeForm, "GeneralizedTime for a year until 2049") }
        if let signer, time < signer.notBefore || time > signer.notAfter {
            note(.signingTimeOutsideCertificate, "\(time) is not within \(signer.notBefore) to \(signer.notAfter)")
        }
        return time
    }

    private mutating func examineSigningCertificate(_ attributes: SignedAttributes, _ signer: Certificate?) {
        if !attributes.all(.signingCertificate).isEmpty { note(.signingCertificateV1, "signing-certificate is bound to SHA-1") }
        guard let value = single(.signingCertificateV2, "signing-certificate-v2", attributes) else { return }
        let stated: SigningCertificateV2
        do {
            stated = try SigningCertificateV2(der: value)
        } catch {
            violations.append(CAdESViolation(reading: error))
            return
        }
        guard stated.certs.count == 1 else {
            note(.signingCertificateCount, "\(stated.certs.count) instead of 1")
            return
        }
        let identifier = stated.certs[0]
        guard let signer else { return }
        if let hashAlgorithm = identifier.hashAlgorithm {
            guard let known = algorithms.digest(hashAlgorithm) else {
                note(.signingCertificateHashUnknown, hashAlgorithm.algorithm.dotted)
                return
            }
            if known == .sha256 { note(.signingCertificateDefaultEncoded, "SHA-256 is written out") }
            if known.function.digest(signer.der) != identifier.certHash {
                note(.signingCertificateDiffers, "another certificate's \(known)")
            }
        } else if identifier.certHash != signer.sha256 {
            note(.signingCertificateDiffers, "another certificate's sha256")
        }
        if let issuer = identifier.issuerSerial, !issuer.names(signer) {
            note(.signingCertificateIssuerDiffers, "issuerSerial names another certificate")
        }
    }

    /// The tokens among the unsigned attributes. Of the others only the encoding is examined.
    private mutating func examineUnsignedAttributes(_ signerInfo: SignerInfo) -> [[UInt8]] {
        for attribute in signerInfo.unsignedAttributes where attribute.type != .signatureTimeStamp { checkValues(attribute) }
        let stamps = signerInfo.unsignedAttributes.filter { $0.type == .signatureTimeStamp }
        if stamps.contains(where: \.values.isEmpty) { note(.notDER, "a timestamp attribute without a value") }
        let tokens = stamps.flatMap(\.values)
        noteTwice(tokens, "a timestamp token")
        return tokens
    }

    // MARK: Values

    private mutating func read<T>(
        _ type: ObjectIdentifier, _ name: String, _ attributes: SignedAttributes, _ body: (inout DERReader) throws -> T
    ) -> T? {
        guard let value = single(type, name, attributes) else { return nil }
        do {
            return try DERReader.read(value, body)
        } catch {
            note(.notDER, "\(name): \(error)")
            return nil
        }
    }

    /// The value of an attribute that must be there exactly once with exactly one value.
    private mutating func single(_ type: ObjectIdentifier, _ name: String, _ attributes: SignedAttributes) -> [UInt8]? {
        let found = attributes.all(type)
        guard let first = found.first else {
            note(.signedAttributeMissing, name)
            return nil
        }
        if found.count > 1 {
            note(.signedAttributeDoubled, name)
            return nil
        }
        guard first.values.count == 1 else {
            note(.signedAttributeValues, "\(name) has \(first.values.count)")
            return nil
        }
        return first.values[0]
    }

    /// DER throughout, also in values whose type is not known.
    private mutating func checkValues(_ attribute: Attribute) {
        for value in attribute.values {
            do {
                try DERReader.read(value) { try $0.check() }
            } catch {
                note(.notDER, "in attribute \(attribute.type): \(error)")
            }
        }
    }

    private mutating func noteTwice<T: Hashable>(_ list: [T], _ what: String) {
        if Set(list).count < list.count { note(.listedTwice, what) }
    }

    private mutating func note(_ code: CAdESViolation.Code, _ detail: String) {
        violations.append(CAdESViolation(code, detail))
    }
}
