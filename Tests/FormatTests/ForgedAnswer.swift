import CMS
import DER
import FoundationEssentials
import LibCrypto
import TimeStampProtocol

/// A good answer of an authority whose key the test holds, so that it can lie in one point and sign the lie.
struct ForgedAnswer: Sendable {
    let request: TimeStampRequest
    /// As the authority gave it.
    let original: [UInt8]
    var signer: TestSigner

    /// PKIStatusInfo
    var status: DERNode
    /// No token in the answer when nil.
    var token: BrokenSignature?
    /// The TSTInfo: version, policy, messageImprint, serialNumber, genTime, accuracy, ordering, nonce, tsa.
    var info: DERNode
    /// Whether message digest and signature are made anew.
    var isSigned = true
    /// Applied to the whole answer in the end.
    var finish: (@Sendable ([UInt8]) -> [UInt8])?

    init() throws {
        let authority = try TestTimeStampAuthority()
        signer = authority.signer
        request = TestTimeStampAuthority.request()
        original = try authority.answer(request)
        let answer = DERNode(original)
        status = answer[0]
        let token = BrokenSignature(answer[1].encoded)
        info = DERNode(token.signedData[2, 1, 0].content)
        self.token = token
    }

    /// Puts another certificate over the same key into the token, bound as it should be.
    mutating func replaceCertificate(_ change: (inout CertificateBuilder) -> Void) {
        let pki = TestPKI.shared
        var builder = CertificateBuilder.timeStampAuthority(
            TestPKI.name("TSA"), notBefore: pki.now.addingTimeInterval(-3_600), notAfter: pki.now.addingTimeInterval(86_400),
            serialNumber: [0x75, 0x5A])
        change(&builder)
        let certificate = pki.issue(builder, signer.certificate.publicKey)
        token?.signedData[3].children = [DERNode(certificate.der)]
        token?[.signingCertificateV2] = DERNode(
            DERWriter.encode { SigningCertificateV2([ESSCertIDv2(sha256Of: certificate)]).write(to: &$0) })
        token?.sortSignedAttributes()
    }

    func encoded() throws -> [UInt8] {
        var answer = DERNode(.sequence, children: [status])
        if var token {
            let content = info.encoded
            if token.signedData[2].children.count > 1 { token.signedData[2, 1, 0].content = content }
            if isSigned {
                if !token.signedAttributes.children.filter({ $0[0].encoded == ObjectIdentifier.messageDigest.encoded }).isEmpty,
                    token[.messageDigest].content != Self.wrongDigest
                {
                    token[.messageDigest].content = DigestFunction.sha256.digest(content)
                }
                try token.sign(with: signer)
            }
            answer.children.append(token.file)
        }
        return finish?(answer.encoded) ?? answer.encoded
    }

    /// A message digest that stays as it is.
    static let wrongDigest = [UInt8](repeating: 0, count: 32)
}

extension TimeStampTests {
    static let lies: [Lie] = [
        Lie("nothing changed but signed anew", nil) { _ in },
        Lie("granted with modifications", nil) { $0.status.children[0].content = [1] },
        Lie("rejected, with a token", .status) { $0.status.children[0].content = [2] },
        Lie("a negative status", .notDER) { $0.status.children[0].content = [0xFF] },
        Lie("granted without a token", .tokenMissing) { $0.token = nil },
        Lie("octets after the end", .notDER) { $0.finish = { $0 + [0] } },
        Lie("cut off", .notDER) { $0.finish = { $0.dropLast() } },
        Lie("empty", .notDER) { $0.finish = { _ in [] } },
        Lie("indefinite length", .notDER) { $0.finish = { [0x30, 0x80] + DERNode($0).children.flatMap(\.encoded) + [0, 0] } },
        Lie("HTML", .notDER) { $0.finish = { _ in Array("<html>502 Bad Gateway</html>".utf8) } },

        Lie("another content type outside", .notAToken) { $0.token!.file[0] = DERNode(ObjectIdentifier.data.encoded) },
        Lie("data instead of TSTInfo", .notAToken) { $0.token!.signedData[2, 0] = DERNode(ObjectIdentifier.data.encoded) },
        Lie("detached", .notAToken) { $0.token!.signedData[2].children.removeLast() },
        Lie("SignedData version 1", .signedDataVersion) { $0.token!.signedData[0].content = [1] },
        Lie("two signers", .signerCount) {
            let last = $0.token!.signedData.children.count - 1
            $0.token!.signedData[last].children.append($0.token!.signerInfo)
        },
        Lie("no signer", .signerCount) {
            let last = $0.token!.signedData.children.count - 1
            $0.token!.signedData[last].children = []
            $0.isSigned = false
        },
        Lie("SignerInfo version 3", .signerInfoVersion) { $0.token!.signerInfo[0].content = [3] },
        Lie("signed attributes out of order", .notDER) { $0.token!.signedAttributes.children.reverse() },
        Lie("certificates in another order", nil) {
            let others = [DERNode(TestPKI.shared.root.der), $0.token!.signedData[3, 0]]
            $0.token!.signedData[3].children = others.sorted { $1.encoded.lexicographicallyPrecedes($0.encoded) }
        },

        Lie("TSTInfo version 2", .infoVersion) { $0.info[0].content = [2] },
        Lie("an unknown field", .notDER) { $0.info.children.append(DERNode(.null)) },
        Lie("a critical extension", .extensionCritical) { $0.info.children.append(extensions(critical: true)) },
        Lie("an extension", nil) { $0.info.children.append(extensions(critical: false)) },
        Lie("ordering FALSE written out", .notDER) { $0.info[6].content = [0] },
        Lie("time with a fraction", nil) { $0.info[4].content.insert(contentsOf: Array(".25".utf8), at: 14) },
        Lie("time with a padded fraction", .notDER) { $0.info[4].content.insert(contentsOf: Array(".50".utf8), at: 14) },
        Lie("time without Z", .notDER) { $0.info[4].content.removeLast() },
        Lie("accuracy of 1000 ms", .notDER) { $0.info[5, 1].content = [0x03, 0xE8] },
        Lie("no accuracy, ordering or authority", nil) {
            $0.info.children.removeAll { [0x30, 0x01, 0xA0].contains($0.tag) && $0.children.count != 2 }
        },

        Lie("another digest", .imprintDiffers) { $0.info[2, 1].content[0] ^= 1 },
        Lie("a digest by another name", .imprintDiffers) { $0.info[2, 0, 0] = DERNode(DigestAlgorithm.sha512.oid.encoded) },
        Lie("a digest algorithm with parameters", .imprintDiffers) {
            $0.info[2, 0].children = [$0.info[2, 0, 0], DERNode(.integer, content: [1])]
        },
        Lie("a digest algorithm with NULL", nil) { $0.info[2, 0].children = [$0.info[2, 0, 0], DERNode(.null)] },
        Lie("another nonce", .nonceDiffers) { $0.info[7].content[3] ^= 1 },
        Lie("no nonce", .nonceDiffers) { $0.info.children.remove(at: 7) },
        Lie("another policy", .policyDiffers) { $0.info[1] = DERNode(ObjectIdentifier(1, 2, 3, 9, 2).encoded) },
        Lie("an hour ago", .timeOutsideWindow) { $0.info[4] = time(-3_590) },
        Lie("in an hour", .timeOutsideWindow) { $0.info[4] = time(3_600) },

        Lie("no certificates", .certificateMissing) { $0.token!.signedData.children.remove(at: 3) },
        Lie("another's certificate", .certificateMissing) { $0.token!.signedData[3].children = [DERNode(TestPKI.shared.root.der)] },
        Lie("another serial number", .certificateMissing) { $0.token!.signerInfo[1, 1].content[0] ^= 1 },
        Lie("no signing certificate", .signingCertificateAttribute) {
            let index = $0.token!.index(of: .signingCertificateV2)
            $0.token!.signedAttributes.children.remove(at: index)
        },
        Lie("signing certificate with another hash", .signingCertificateAttribute) {
            $0.token![.signingCertificateV2] = signingCertificate(of: TestPKI.shared.root)
        },
        Lie("signing certificate by an unknown hash", .signingCertificateAttribute) {
            let node = $0.token![.signingCertificateV2]
            let algorithm = DERNode(AlgorithmIdentifier(ObjectIdentifier(1, 2, 3)).encoded)
            $0.token![.signingCertificateV2] = node
            $0.token![.signingCertificateV2].children[0].children[0].children.insert(algorithm, at: 0)
            $0.token!.sortSignedAttributes()
        },
        Lie("signing certificate with another issuer", .signingCertificateAttribute) {
            $0.token![.signingCertificateV2].children[0].children[0].children = [
                DERNode(.octetString, content: $0.signer.certificate.sha256), issuerSerial(of: TestSigner.p256.certificate),
            ]
            $0.token!.sortSignedAttributes()
        },
        Lie("signing certificate with the issuer", nil) {
            $0.token![.signingCertificateV2].children[0].children[0].children = [
                DERNode(.octetString, content: $0.signer.certificate.sha256), issuerSerial(of: $0.signer.certificate),
            ]
            $0.token!.sortSignedAttributes()
        },
        Lie("signing certificate of the first form too, and wrong", .signingCertificateAttribute) {
            $0.token!.signedAttributes.children.append(firstForm(DigestFunction.sha1.digest(TestPKI.shared.root.der)))
            $0.token!.sortSignedAttributes()
        },
        Lie("signing certificate of the first form too", nil) {
            $0.token!.signedAttributes.children.append(firstForm(DigestFunction.sha1.digest($0.signer.certificate.der)))
            $0.token!.sortSignedAttributes()
        },
        Lie("the same certificate anew", nil) { $0.replaceCertificate { _ in } },
        Lie("purpose not critical", .certificatePurpose) { $0.replaceCertificate { $0.setPurpose("timeStamping") } },
        Lie("another purpose beside it", .certificatePurpose) {
            $0.replaceCertificate { $0.setPurpose("critical,timeStamping,emailProtection") }
        },
        Lie("another purpose", .certificatePurpose) { $0.replaceCertificate { $0.setPurpose("critical,emailProtection") } },
        Lie("no purpose", .certificatePurpose) { $0.replaceCertificate { $0.setPurpose(nil) } },
        Lie("a key for encryption", .certificatePurpose) {
            $0.replaceCertificate {
                $0.extensions = $0.extensions.map { $0.name == "keyUsage" ? .init("keyUsage", "critical,keyEncipherment") : $0 }
            }
        },
        Lie("another name for the authority", .authorityNameDiffers) {
            $0.info[8].children[0].children[0] = DERNode(TestPKI.shared.root.subjectDER)
        },
        Lie("an address for the authority", nil) {
            $0.info[8].children = [DERNode(.context(6, constructed: false), content: Array("http://tsa".utf8))]
        },
        Lie("a certificate of tomorrow", .certificateValidity) {
            $0.replaceCertificate { $0.notBefore = TimeStampTests.moment.addingTimeInterval(3_000) }
        },
        Lie("a certificate of yesterday", .certificateValidity) {
            $0.replaceCertificate { $0.notAfter = TimeStampTests.moment.addingTimeInterval(-3_000) }
        },

        Lie("signed over SHA-1", .algorithmUnknown) {
            let sha1 = DERNode(AlgorithmIdentifier(ObjectIdentifier(1, 3, 14, 3, 2, 26)).encoded)
            $0.token!.signerInfo[2] = sha1
            $0.token!.signedData[1].children = [sha1]
        },
        Lie("ECDSA with another digest", .algorithmUnknown) {
            $0.token!.signerInfo[4] = DERNode(SignatureAlgorithm.ecdsa(.sha512).identifier)
        },
        Lie("the digest algorithm not listed", .digestAlgorithmNotListed) {
            $0.token!.signedData[1].children = [DERNode(DigestAlgorithm.sha512.identifier)]
        },
        Lie("content type of data", .contentTypeAttribute) {
            $0.token![.contentType] = DERNode(ObjectIdentifier.data.encoded)
            $0.token!.sortSignedAttributes()
        },
        Lie("no content type", .contentTypeAttribute) {
            let index = $0.token!.index(of: .contentType)
            $0.token!.signedAttributes.children.remove(at: index)
        },
        Lie("the digest of something else", .messageDigestAttribute) { $0.token![.messageDigest].content = ForgedAnswer.wrongDigest },
        Lie("no message digest", .messageDigestAttribute) {
            let index = $0.token!.index(of: .messageDigest)
            $0.token!.signedAttributes.children.remove(at: index)
        },
        Lie("no signed attributes", .messageDigestAttribute) {
            $0.isSigned = false
            $0.token!.signerInfo.children.remove(at: 3)
        },
        Lie("signed by another key", .signatureInvalid) { $0.signer = TestSigner.p256 },
        Lie("content changed after signing", .messageDigestAttribute) {
            $0.info[3].content = [0x77]
            $0.isSigned = false
        },
    ]

    private static func extensions(critical: Bool) -> DERNode {
        let flag = critical ? [DERNode(.boolean, content: [0xFF])] : []
        let one = DERNode(.sequence, children: [DERNode(ObjectIdentifier(1, 2, 3).encoded)] + flag + [DERNode(.octetString)])
        return DERNode(.context(1), children: [one])
    }

    private static func time(_ seconds: Double) -> DERNode {
        let text = TimeStampTests.moment.addingTimeInterval(seconds).formatted(.iso8601).filter { $0.isNumber } + "Z"
        return DERNode(.generalizedTime, content: Array(text.utf8))
    }

    private static func signingCertificate(of certificate: Certificate) -> DERNode {
        DERNode(DERWriter.encode { SigningCertificateV2([ESSCertIDv2(sha256Of: certificate)]).write(to: &$0) })
    }

    private static func firstForm(_ hash: [UInt8]) -> DERNode {
        let identifier = DERNode(.sequence, children: [DERNode(.octetString, content: hash)])
        let value = DERNode(.sequence, children: [DERNode(.sequence, children: [identifier])])
        return DERNode(.sequence, children: [DERNode(ObjectIdentifier.signingCertificate.encoded), DERNode(.set, children: [value])])
    }

    static func issuerSerial(of certificate: Certificate) -> DERNode {
        let name = DERNode(.context(4), children: [DERNode(certificate.issuerDER)])
        return DERNode(.sequence, children: [DERNode(.sequence, children: [name]), DERNode(certificate.serialNumberDER)])
    }
}

extension CertificateBuilder {
    /// The extended key usage, nil for none.
    mutating func setPurpose(_ purpose: String?) {
        extensions.removeAll { $0.name == "extendedKeyUsage" }
        if let purpose { extensions.append(.init("extendedKeyUsage", purpose)) }
    }
}
