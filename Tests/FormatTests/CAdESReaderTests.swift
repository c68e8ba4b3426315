import CAdES
import CMS
import DER
import FoundationEssentials
import LibCrypto
import Testing
import TimeStampProtocol

/// What outside verifiers demand of a signature (RFC 5652, RFC 5035, EN 319 122-1), rule by rule: a file that breaks just one, signed
/// as its signer would, is refused for that one; what only looks unusual is taken.
@Suite struct CAdESReaderTests {
    struct Broken: CustomTestStringConvertible, Sendable {
        let what: String
        /// Empty: nothing is wrong, the file must verify.
        let codes: [CAdESViolation.Code]
        let alter: @Sendable (inout BrokenSignature) throws -> Void
        /// Applied to the whole file in the end.
        let finish: @Sendable ([UInt8]) -> [UInt8]
        var testDescription: String { what }

        init(
            _ what: String, _ codes: CAdESViolation.Code..., alter: @escaping @Sendable (inout BrokenSignature) throws -> Void = { _ in },
            finish: @escaping @Sendable ([UInt8]) -> [UInt8] = { $0 }
        ) {
            self.what = what
            self.codes = codes
            self.finish = finish
            self.alter = alter
        }
    }

    static let document = Array("Шарт".utf8)
    static let signer = TestSigner.p256
    /// B-B, the root beside the signer's certificate.
    static let good = try! signer.signed(document, chain: [TestPKI.shared.root])

    @Test(arguments: encoding + once + times + signingCertificates + algorithms + versions + certificates)
    func judges(_ broken: Broken) throws {
        var signature = BrokenSignature(Self.good)
        try broken.alter(&signature)
        if signature.hasSignedAttributes { try signature.sign(with: Self.signer) }
        #expect(Self.codes(broken.finish(signature.encoded)) == broken.codes)
    }

    @Test func everyBrokenRuleIsListed() throws {
        var signature = BrokenSignature(Self.good)
        signature.signedData[0].content = [4]
        signature[.signingCertificateV2].children[0].children[0].children[0].content[0] ^= 1
        signature[.messageDigest].content.removeLast()
        try signature.sign(with: Self.signer)
        #expect(Self.codes(signature.encoded) == [.signedDataVersion, .messageDigestLength, .signingCertificateDiffers])
    }

    @Test func anotherDocumentIsFound() throws {
        let signature = try CAdESSignature(der: Self.good)
        let error = #expect(throws: CAdESViolations.self) {
            try signature.verify(documentDigest: DigestFunction.sha256.digest([]), timeStampTrust: { _, _, _ in nil })
        }
        #expect(error?.list.map(\.code) == [.documentDigestDiffers])
    }

    @Test func anotherKeyIsFound() throws {
        var signature = BrokenSignature(Self.good)
        try signature.sign(with: TestPKI.shared.signer(try .generateEC(curve: "P-256")))
        #expect(Self.codes(signature.encoded) == [.signatureInvalid])
    }

    /// Whatever octet changes, the file is refused. (Beside the signer's certificate it has none, which nothing would bind.)
    @Test func noOctetCanBeChanged() throws {
        var random = SeededRandom()
        let file = try Self.signer.signed(Self.document)
        for index in file.indices {
            var changed = file
            changed[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            #expect(Self.codes(changed) != [], "octet \(index): \(file[index]) -> \(changed[index]) \(random)")
        }
        for count in 0..<file.count where count % 5 == 0 { #expect(Self.codes(Array(file.prefix(count))) == [.notDER]) }
    }

    /// Read and verified with trust in any timestamp authority.
    static func codes(_ file: [UInt8]) -> [CAdESViolation.Code] {
        do throws(CAdESViolations) {
            let signature = try CAdESSignature(der: file)
            let digest = signature.algorithm.digest.function.digest(document)
            _ = try signature.verify(documentDigest: digest, timeStampTrust: { _, _, _ in nil })
            return []
        } catch {
            return error.list.map(\.code)
        }
    }
}

extension BrokenSignature {
    var hasSignedAttributes: Bool {
        signedData.children.last!.children.count == 1 && signerInfo.children.count > 3 && signerInfo[3].tag == 0xA0
    }
}

// MARK: - The rules

extension CAdESReaderTests {
    /// DER throughout, SETs in order.
    static let encoding: [Broken] = [
        Broken("nothing changed but signed anew"),
        Broken("octets after the end", .notDER, finish: { $0 + [0] }),
        Broken("PEM", .notDER, finish: { _ in Array("-----BEGIN CMS-----".utf8) }),
        Broken("nothing", .notDER, finish: { _ in [] }),
        Broken("indefinite length", .notDER, finish: { [0x30, 0x80] + DERNode($0).children.flatMap(\.encoded) + [0, 0] }),
        Broken(
            "length not minimal", .notDER,
            finish: { file in
                let content = DERNode(file).children.flatMap(\.encoded)
                return [0x30, 0x83, 0, UInt8(content.count >> 8), UInt8(content.count & 0xFF)] + content
            }),
        Broken("certificates in other order", .setNotInOrder) { $0.signedData[3].children.reverse() },
        Broken("digest algorithms in other order", .setNotInOrder) {
            $0.signedData[1].children = [DERNode(DigestAlgorithm.sha512.identifier), DERNode(DigestAlgorithm.sha256.identifier)]
        },
        Broken("signed attributes in other order", .setNotInOrder) { $0.signedAttributes.children.reverse() },
        Broken("attribute values in other order", .setNotInOrder) {
            $0.signedAttributes.children.append(attribute([[0x02, 1, 5], [0x02, 1, 4]]))
            $0.sortSignedAttributes()
        },
        Broken("unsigned attributes in other order", .setNotInOrder) {
            $0.signerInfo.children.append(DERNode(.context(1), children: [attribute([[0x02, 1, 5]]), attribute([[0x02, 1, 4]])]))
        },
        Broken("CRLs in other order", .setNotInOrder) {
            $0.signedData.children.insert(DERNode(.context(1), children: [DERNode([0x30, 2, 5, 0]), DERNode([0x30, 0])]), at: 4)
        },
        Broken("signers in other order", .setNotInOrder) { signature in
            var second = signature.signerInfo
            second[1, 1].content = [1]
            let last = signature.signedData.children.count - 1
            signature.signedData[last].children.append(second)
        },
        Broken(
            "signature value in pieces", .notDER,
            finish: { file in
                var signature = BrokenSignature(file)
                let value = signature.signerInfo[5].encoded
                signature.signerInfo[5].raw = [0x24] + DERLength.octets(value.count) + value
                return signature.encoded
            }),
        Broken("BER in an unknown signed attribute", .notDER) {
            $0.signedAttributes.children.append(attribute([[0x01, 1, 1]]))
            $0.sortSignedAttributes()
        },
        Broken("BER in an unknown unsigned attribute", .notDER) {
            $0.signerInfo.children.append(DERNode(.context(1), children: [attribute([[0x02, 2, 0, 1]])]))
        },
        Broken("an unknown attribute, signed and unsigned") {
            $0.signedAttributes.children.append(attribute([[0x01, 1, 0xFF]]))
            $0.sortSignedAttributes()
            $0.signerInfo.children.append(DERNode(.context(1), children: [attribute([[0x02, 1, 4]])]))
        },
        Broken("unsigned attributes, but none", .notDER) { $0.signerInfo.children.append(DERNode(.context(1))) },
        Broken("a field too many", .notDER) { $0.signedData.children.append(DERNode(.null)) },
        Broken("data instead of signed data", .notSignedData) { $0.file[0] = DERNode(ObjectIdentifier.data.encoded) },
    ]

    /// The four signed attributes, each once with one value.
    static let once: [Broken] = {
        let types: [(ObjectIdentifier, String)] = [
            (.contentType, "content-type"), (.messageDigest, "message-digest"), (.signingTime, "signing-time"),
            (.signingCertificateV2, "signing-certificate-v2"),
        ]
        let each = types.flatMap { type, name in
            [
                Broken("no \(name)", .signedAttributeMissing) {
                    let index = $0.index(of: type)
                    $0.signedAttributes.children.remove(at: index)
                },
                Broken("\(name) twice", .signedAttributeDoubled) {
                    let index = $0.index(of: type)
                    $0.signedAttributes.children.insert($0.signedAttributes[index], at: index)
                },
                Broken("\(name) with two values", .signedAttributeValues) {
                    let index = $0.index(of: type)
                    $0.signedAttributes[index, 1].children.append($0[type])
                    $0.sortSignedAttributes()
                },
                Broken("\(name) without a value", .signedAttributeValues) {
                    let index = $0.index(of: type)
                    $0.signedAttributes[index, 1].children = []
                    $0.sortSignedAttributes()
                },
            ]
        }
        return each + [
            Broken("no signed attributes", .signedAttributesMissing) { $0.signerInfo.children.remove(at: 3) },
            Broken("content-type of something else", .contentTypeDiffers) {
                $0[.contentType] = DERNode(ObjectIdentifier.tstInfo.encoded)
                $0.sortSignedAttributes()
            },
            Broken("message-digest too long", .messageDigestLength) { $0[.messageDigest].content.append(0) },
            Broken("message-digest as BIT STRING", .notDER) { $0[.messageDigest].tag = 0x03 },
            Broken("the document inside", .contentNotDetached) {
                let content = DERNode(.octetString, content: document)
                $0.signedData[2].children.append(DERNode(.context(0), children: [content]))
            },
            Broken("two signers", .signerCount) { signature in
                let last = signature.signedData.children.count - 1
                signature.signedData[last].children.append(signature.signerInfo)
            },
            Broken("no signer", .signerCount) { signature in
                let last = signature.signedData.children.count - 1
                signature.signedData[last].children = []
            },
        ]
    }()

    /// The signing time.
    static let times: [Broken] = [
        Broken("GeneralizedTime before 2050", .signingTimeForm) {
            $0[.signingTime] = DERNode(.generalizedTime, content: Array("20".utf8) + $0[.signingTime].content)
            $0.sortSignedAttributes()
        },
        Broken("before the certificate", .signingTimeOutsideCertificate) { $0[.signingTime].content = Array("200101000000Z".utf8) },
        Broken("after the certificate", .signingTimeOutsideCertificate) {
            $0[.signingTime] = DERNode(.generalizedTime, content: Array("21990101000000Z".utf8))
            $0.sortSignedAttributes()
        },
        Broken("GeneralizedTime after 2049") {
            $0[.signingTime] = DERNode(.generalizedTime, content: Array("20600101000000Z".utf8))
            $0.sortSignedAttributes()
        },
        Broken("UTCTime without seconds", .notDER) {
            $0[.signingTime].content = Array("2601010000Z".utf8)
            $0.sortSignedAttributes()
        },
    ]

    /// signing-certificate-v2.
    static let signingCertificates: [Broken] = [
        Broken("another certificate's hash", .signingCertificateDiffers) { $0.essCertID[0].content = TestPKI.shared.root.sha256 },
        Broken("SHA-256 written out", .signingCertificateDefaultEncoded) {
            $0.essCertID.children.insert(DERNode(DigestAlgorithm.sha256.identifier), at: 0)
            $0.sortSignedAttributes()
        },
        Broken("SHA-512") {
            $0.essCertID.children = [
                DERNode(DigestAlgorithm.sha512.identifier),
                DERNode(.octetString, content: DigestFunction.sha512.digest(signer.certificate.der)),
            ]
            $0.sortSignedAttributes()
        },
        Broken("SHA-512 of another certificate", .signingCertificateDiffers) {
            $0.essCertID.children = [
                DERNode(DigestAlgorithm.sha512.identifier),
                DERNode(.octetString, content: DigestFunction.sha512.digest(TestPKI.shared.root.der)),
            ]
            $0.sortSignedAttributes()
        },
        Broken("SHA-1", .signingCertificateHashUnknown) {
            $0.essCertID.children = [
                DERNode(AlgorithmIdentifier(ObjectIdentifier(1, 3, 14, 3, 2, 26)).encoded),
                DERNode(.octetString, content: DigestFunction.sha1.digest(signer.certificate.der)),
            ]
            $0.sortSignedAttributes()
        },
        Broken("the right issuer and number") {
            $0.essCertID.children.append(TimeStampTests.issuerSerial(of: signer.certificate))
            $0.sortSignedAttributes()
        },
        Broken("another issuer and number", .signingCertificateIssuerDiffers) {
            $0.essCertID.children.append(TimeStampTests.issuerSerial(of: TestPKI.shared.root))
            $0.sortSignedAttributes()
        },
        Broken("a second certificate", .signingCertificateCount) {
            $0[.signingCertificateV2].children[0].children.append($0.essCertID)
            $0.sortSignedAttributes()
        },
        Broken("no certificate", .signingCertificateCount) {
            $0[.signingCertificateV2].children[0].children = []
            $0.sortSignedAttributes()
        },
        Broken("the first form beside it", .signingCertificateV1) {
            let identifier = DERNode(
                .sequence, children: [DERNode(.octetString, content: DigestFunction.sha1.digest(signer.certificate.der))])
            let value = DERNode(.sequence, children: [DERNode(.sequence, children: [identifier])])
            $0.signedAttributes.children.append(attribute(.signingCertificate, [value.encoded]))
            $0.sortSignedAttributes()
        },
        Broken("a field too many", .notDER) {
            $0.essCertID.children.append(DERNode(.null))
            $0.sortSignedAttributes()
        },
    ]

    /// Digest and signature algorithms.
    static let algorithms: [Broken] = [
        Broken("another digest algorithm listed", .digestAlgorithmNotListed) {
            $0.signedData[1].children = [DERNode(DigestAlgorithm.sha512.identifier)]
        },
        Broken("none listed", .digestAlgorithmNotListed) { $0.signedData[1].children = [] },
        Broken("one more listed") { $0.signedData[1].children.append(DERNode(DigestAlgorithm.sha512.identifier)) },
        Broken("parameters of NULL") {
            let withNull = DERNode(AlgorithmIdentifier(DigestAlgorithm.sha256.oid, parameters: AlgorithmIdentifier.null).encoded)
            $0.signedData[1].children = [withNull]
            $0.signerInfo[2] = withNull
        },
        Broken("other parameters", .digestAlgorithmNotListed, .digestAlgorithmUnknown) {
            let parameters = DERNode(AlgorithmIdentifier(DigestAlgorithm.sha256.oid, parameters: [0x30, 0]).encoded)
            $0.signedData[1].children = [parameters]
            $0.signerInfo[2] = parameters
        },
        Broken("SHA-1", .digestAlgorithmUnknown) {
            let sha1 = DERNode(AlgorithmIdentifier(ObjectIdentifier(1, 3, 14, 3, 2, 26)).encoded)
            $0.signedData[1].children = [sha1]
            $0.signerInfo[2] = sha1
        },
        Broken("ECDSA with another digest", .signatureAlgorithmUnfitting) {
            $0.signerInfo[4] = DERNode(SignatureAlgorithm.ecdsa(.sha512).identifier)
        },
        Broken("Ed25519", .signatureAlgorithmUnfitting) {
            $0.signerInfo[4] = DERNode(AlgorithmIdentifier(ObjectIdentifier(1, 3, 101, 112)).encoded)
        },
        Broken("RSA with an EC key", .signatureKeyUnfitting) {
            $0.signerInfo[4] = DERNode(SignatureAlgorithm.rsaPKCS1(.sha256).identifier)
        },
        Broken("ECDSA with parameters", .signatureAlgorithmUnfitting) { $0.signerInfo[4].children.append(DERNode(.null)) },
    ]

    /// Versions of SignedData and SignerInfo.
    static let versions: [Broken] = [
        Broken("SignedData 3", .signedDataVersion) { $0.signedData[0].content = [3] },
        Broken("SignerInfo 3 with issuer and number", .signedDataVersion, .signerInfoVersion) { $0.signerInfo[0].content = [3] },
        Broken("both 3 with the key identifier") {
            $0.signedData[0].content = [3]
            $0.signerInfo[0].content = [3]
            $0.signerInfo[1] = DERNode(.context(0, constructed: false), content: signer.certificate.subjectKeyIdentifier!)
        },
        Broken("both 1 with the key identifier", .signerInfoVersion) {
            $0.signerInfo[1] = DERNode(.context(0, constructed: false), content: signer.certificate.subjectKeyIdentifier!)
        },
        Broken("SignedData 1 with an OCSP response", .signedDataVersion) { $0.signedData.children.insert(response, at: 4) },
        Broken("SignedData 5 with an OCSP response") {
            $0.signedData[0].content = [5]
            $0.signedData.children.insert(response, at: 4)
        },
    ]

    /// Certificates.
    static let certificates: [Broken] = [
        Broken("the signer's alone") { $0.signedData[3].children.removeAll { $0 == DERNode(TestPKI.shared.root.der) } },
        Broken("the signer's missing", .signerCertificateMissing) {
            $0.signedData[3].children.removeAll { $0 == DERNode(signer.certificate.der) }
        },
        Broken("none", .signerCertificateMissing) { $0.signedData.children.remove(at: 3) },
        Broken("one twice", .listedTwice) {
            let first = $0.signedData[3, 0]
            $0.signedData[3].children.insert(first, at: 0)
        },
        Broken("a CRL twice", .listedTwice) {
            $0.signedData.children.insert(DERNode(.context(1), children: [DERNode([0x30, 0]), DERNode([0x30, 0])]), at: 4)
        },
        Broken("a digest algorithm twice", .listedTwice) { $0.signedData[1].children.append($0.signedData[1, 0]) },
        Broken("an attribute certificate", .signedDataVersion, .certificateKind) { $0.signedData[3].children.append(DERNode(.context(2))) },
        Broken("garbage", .certificateUnreadable) { $0.signedData[3].children.insert(DERNode([0x30, 0]), at: 0) },
        Broken("a second one with the same issuer and number", .signerCertificateAmbiguous) {
            let double = TestPKI.shared.signer(try .generateEC(curve: "P-256")).certificate
            $0.signedData[3].children.append(DERNode(double.der))
            $0.signedData[3].children.sort { $0.encoded.lexicographicallyPrecedes($1.encoded) }
        },
    ]

    private static let response = DERNode(
        .context(1),
        children: [DERNode(.context(1), children: [DERNode(ObjectIdentifier(1, 3, 6, 1, 5, 5, 7, 16, 2).encoded), DERNode([0x30, 0])])])

    static func attribute(_ type: ObjectIdentifier = ObjectIdentifier(1, 2, 3, 4), _ values: [[UInt8]]) -> DERNode {
        DERNode(.sequence, children: [DERNode(type.encoded), DERNode(.set, children: values.map { DERNode($0) })])
    }

    private static func attribute(_ values: [[UInt8]]) -> DERNode {
        attribute(ObjectIdentifier(1, 2, 3, 4), values)
    }
}

extension BrokenSignature {
    /// The only ESSCertIDv2.
    fileprivate var essCertID: DERNode {
        get { self[.signingCertificateV2].children[0].children[0] }
        set { self[.signingCertificateV2].children[0].children[0] = newValue }
    }
}
