import CAdES
import CMS
import DER
import FoundationEssentials
import LibCrypto
import SignatureTemplate
import Testing

/// What is written, field by field: of the forms that the standards leave open just one, which is stricter than what is read.
@Suite struct WrittenFormTests {
    struct Written: CustomTestStringConvertible, Sendable {
        let signer: TestSigner
        let digest: DigestAlgorithm
        /// The whole AlgorithmIdentifiers.
        let digestIdentifier: String
        let signatureIdentifier: String
        var testDescription: String { "\(signer.algorithm(digest))" }
    }

    static let forms = [
        // rsaEncryption with NULL (RFC 3370, 3.2) whatever the digest; ecdsa-with-SHA2 without parameters (RFC 5754, 3.3)
        Written(
            signer: .rsa2048, digest: .sha256, digestIdentifier: "300B 0609 608648016503040201",
            signatureIdentifier: "300D 0609 2A864886F70D010101 0500"),
        Written(
            signer: .rsa2048, digest: .sha512, digestIdentifier: "300B 0609 608648016503040203",
            signatureIdentifier: "300D 0609 2A864886F70D010101 0500"),
        Written(
            signer: .p256, digest: .sha256, digestIdentifier: "300B 0609 608648016503040201",
            signatureIdentifier: "300A 0608 2A8648CE3D040302"),
        Written(
            signer: .p384, digest: .sha384, digestIdentifier: "300B 0609 608648016503040202",
            signatureIdentifier: "300A 0608 2A8648CE3D040303"),
    ]
    static let document = Array("Шарт".utf8)

    @Test(arguments: forms) func signedDataAndSignerInfo(_ form: Written) throws {
        let root = TestPKI.shared.root
        let file = try form.signer.signed(Self.document, digest: form.digest, chain: [root, form.signer.certificate, root])
        let written = BrokenSignature(file)
        let signedData = written.signedData
        #expect(written.file[0].encoded == ObjectIdentifier.signedData.encoded)
        #expect(signedData.children.map(\.tag) == [0x02, 0x31, 0x30, 0xA0, 0x31], "no crls")
        #expect(signedData[0].content == [1])
        #expect(signedData[1].children.map(\.encoded) == [bytes(form.digestIdentifier)])
        #expect(signedData[2].children.map(\.encoded) == [ObjectIdentifier.data.encoded], "eContent absent")
        let certificates = signedData[3].children.map(\.encoded)
        #expect(Set(certificates) == [form.signer.certificate.der, root.der])
        #expect(certificates.count == 2, "each once")
        #expect(Self.isSorted(certificates))
        #expect(signedData[4].children.count == 1)

        let signer = written.signerInfo
        #expect(signer.children.map(\.tag) == [0x02, 0x30, 0x30, 0xA0, 0x30, 0x04], "no unsigned attributes at B-B")
        #expect(signer[0].content == [1])
        #expect(signer[1].children.map(\.encoded) == [form.signer.certificate.issuerDER, form.signer.certificate.serialNumberDER])
        #expect(signer[2].encoded == bytes(form.digestIdentifier))
        #expect(signer[4].encoded == bytes(form.signatureIdentifier))
        if case .ec = form.signer.certificate.publicKey.kind {
            #expect(DERNode(signer[5].content).children.map(\.tag) == [0x02, 0x02], "Ecdsa-Sig-Value")
        }
    }

    @Test(arguments: forms) func signedAttributes(_ form: Written) throws {
        let written = BrokenSignature(try form.signer.signed(Self.document, digest: form.digest))
        let attributes = written.signedAttributes.children
        #expect(Self.isSorted(attributes.map(\.encoded)))
        let types: [ObjectIdentifier] = [.contentType, .messageDigest, .signingTime, .signingCertificateV2]
        #expect(attributes.count == 4)
        #expect(Set(attributes.map { $0[0].encoded }) == Set(types.map(\.encoded)))
        #expect(attributes.allSatisfy { $0[1].children.count == 1 }, "one value each")
        #expect(written[.contentType].encoded == ObjectIdentifier.data.encoded)
        #expect(written[.messageDigest].content == form.digest.function.digest(Self.document))
        #expect(written[.signingTime].tag == 0x17 && written[.signingTime].content.count == 13)
        // The leaf alone by SHA-256, whatever the document's digest: no hashAlgorithm, no issuerSerial, no policies (RFC 5035, 3 and 4)
        let hash = DERNode(.octetString, content: form.signer.certificate.sha256)
        let one = DERNode(.sequence, children: [DERNode(.sequence, children: [hash])])
        #expect(written[.signingCertificateV2] == DERNode(.sequence, children: [one]))
    }

    @Test(arguments: [(2_524_607_999, "491231235959Z", 0x17), (2_524_608_000, "20500101000000Z", 0x18)])
    func signingTimeChangesItsFormIn2050(_ time: Double, _ text: String, _ tag: UInt8) throws {
        let file = try TestSigner.p256.signed(Self.document, at: Date(timeIntervalSince1970: time))
        let written = BrokenSignature(file)[.signingTime]
        #expect(written.content == Array(text.utf8))
        #expect(written.tag == tag)
    }

    private static func isSorted(_ elements: [[UInt8]]) -> Bool {
        zip(elements, elements.dropFirst()).allSatisfy { $0.lexicographicallyPrecedes($1) }
    }
}

/// By which identifiers an RSA signature may be named beside SHA-256 (RFC 3370, 3.2; RFC 5754, 3.2).
@Suite struct RSAIdentifierTests {
    @Test(
        arguments: [
            ("rsaEncryption with NULL", "300D 0609 2A864886F70D010101 0500", nil),
            ("rsaEncryption without parameters", "300B 0609 2A864886F70D010101", nil),
            ("sha256WithRSAEncryption", "300D 0609 2A864886F70D01010B 0500", nil),
            ("sha256WithRSAEncryption without parameters", "300B 0609 2A864886F70D01010B", nil),
            ("sha512WithRSAEncryption", "300D 0609 2A864886F70D01010D 0500", .signatureAlgorithmUnfitting),
            ("sha1WithRSAEncryption", "300D 0609 2A864886F70D010105 0500", .signatureAlgorithmUnfitting),
            ("RSASSA-PSS", "300B 0609 2A864886F70D01010A", .signatureAlgorithmUnfitting),
            ("ECDSA", "300A 0608 2A8648CE3D040302", .signatureKeyUnfitting),
        ] as [(String, String, CAdESViolation.Code?)])
    func reads(_ name: String, _ identifier: String, _ code: CAdESViolation.Code?) throws {
        var signature = BrokenSignature(try TestSigner.rsa2048.signed(CAdESReaderTests.document))
        signature.signerInfo[4] = DERNode(bytes(identifier))
        #expect(CAdESReaderTests.codes(signature.encoded) == [code].compactMap { $0 })
    }
}

/// policies of signing-certificate-v2 (RFC 5035, 3) mean nothing here, but are DER.
@Suite struct SigningCertificatePolicyTests {
    @Test(arguments: [("3005 3003 0601 2A", nil), ("3006 3004 0602 2A80", .notDER), ("0500", .notDER)] as [(String, CAdESViolation.Code?)])
    func policiesAreNotJudged(_ policies: String, _ code: CAdESViolation.Code?) throws {
        var signature = BrokenSignature(CAdESReaderTests.good)
        var element = DERNode(.null)
        element.raw = bytes(policies)
        signature[.signingCertificateV2].children.append(element)
        signature.sortSignedAttributes()
        try signature.sign(with: CAdESReaderTests.signer)
        #expect(CAdESReaderTests.codes(signature.encoded) == [code].compactMap { $0 })
    }
}
