import CAdES
import CMS
import DER
import FoundationEssentials
import LibCrypto
import SignatureTemplate
import Testing
import TimeStampProtocol

/// Signatures with timestamps: B-T as the pipeline makes it, and what is wrong with others (RFC 3161, EN 319 122-1, 5.3).
@Suite struct SignatureTimeStampTests {
    static let document = Array("Шарт".utf8)

    /// A signature of the test's signer and its authority, before the two are joined.
    struct Parts: Sendable {
        let template: SignatureTemplate
        let digest: [UInt8]
        let signature: [UInt8]
        let token: [UInt8]
        let authority: TestSigner

        init(_ signer: TestSigner, _ make: (inout TimeStampRequest, [UInt8]) -> Void = { _, _ in }) throws {
            template = try SignatureTemplate(certificate: signer.certificate, chain: [], signatureAlgorithm: signer.algorithm())
            digest = DigestFunction.sha256.digest(document)
            signature = try signer.sign(template.dataToBeSigned(documentDigest: digest, signingTime: TestPKI.shared.now), template.algorithm)
            var request = TestTimeStampAuthority.request(signature)
            make(&request, digest)
            let authority = try TestTimeStampAuthority()
            self.authority = authority.signer
            token = try TimeStampResponse.check(
                try authority.answer(request), answering: request, at: Date(), accepting: 300, trust: { _, _, _ in nil }
            ).der
        }

        func file(_ tokens: [UInt8]...) -> [UInt8] {
            CAdESSignature.encode(
                certificate: template.certificate, chain: [], algorithm: template.algorithm, documentDigest: digest,
                signingTime: TestPKI.shared.now, signature: signature, timeStampTokens: tokens)
        }
    }

    static let good = try! Parts(.p256)

    @Test(arguments: [TestSigner.p256, .rsa2048]) func outsideJudgesTakeIt(_ signer: TestSigner) throws {
        let parts = try Parts(signer)
        let file = parts.template.assemble(
            documentDigest: parts.digest, signingTime: TestPKI.shared.now, signature: parts.signature, timeStampToken: parts.token)
        #expect(file == parts.file(parts.token))
        let judged = try OpenSSLJudgeTests.verify(file, Self.document)
        #expect(judged.status == 0, "\(judged.errors)")

        let folder = try TemporaryFolder()
        let stamp = try OpenSSL.run(
            "ts", "-verify", "-token_in", "-in", try folder.write(parts.token, "token.der"), "-data",
            try folder.write(parts.signature, "value"), "-CAfile", try folder.write(TestPKI.shared.root.pem, "ca.pem"))
        #expect(stamp.status == 0, "\(stamp.errors)")

        let read = try CAdESSignature(der: file)
        let verified = try read.verify(documentDigest: parts.digest, timeStampTrust: { _, _, _ in nil })
        #expect(verified.level == .baselineT)
        #expect(verified.timeStamps.map(\.der) == [parts.token], "octet for octet")
        #expect(verified.timeStamps.map(\.authority) == [parts.authority.certificate])
    }

    @Test func withoutTokensTheLevelIsB() throws {
        let verified = try CAdESSignature(der: Self.good.file()).verify(
            documentDigest: Self.good.digest, timeStampTrust: { _, _, _ in nil })
        #expect(verified.level == .baselineB)
    }

    @Test func theImprintIsOverTheSignatureValue() throws {
        let overDocument = try Parts(.p256) { request, digest in
            request = TimeStampRequest(imprint: MessageImprint(algorithm: .sha256, digest: digest), nonce: [1])
        }
        #expect(Self.names(overDocument.file(overDocument.token)) == ["timestamp-imprint-differs"])
    }

    @Test func aTokenWithoutItsCertificateIsRefused() throws {
        var token = BrokenSignature(Self.good.token)
        token.signedData.children.remove(at: 3)
        #expect(Self.names(Self.good.file(token.encoded)) == ["timestamp-certificate-missing"])
    }

    @Test func aTokenWithAWrongSigningCertificateIsRefused() throws {
        var token = BrokenSignature(Self.good.token)
        token[.signingCertificateV2].children[0].children[0].children[0].content[0] ^= 1
        try token.sign(with: Self.good.authority)
        #expect(Self.names(Self.good.file(token.encoded)) == ["timestamp-signing-certificate-attribute"])
    }

    @Test func aTokenThatWasChangedIsRefused() throws {
        var token = BrokenSignature(Self.good.token)
        token.signerInfo[5].content[20] ^= 1
        #expect(Self.names(Self.good.file(token.encoded)) == ["timestamp-signature-invalid"])
        #expect(Self.names(Self.good.file([0x30, 0x00])) == ["timestamp-not-der"])
    }

    @Test func anUntrustedAuthorityIsRefused() throws {
        #expect(Self.names(Self.good.file(Self.good.token), trust: { _, _, _ in "unknown" }) == ["timestamp-certificate-untrusted"])
    }

    @Test func aSecondTokenThatDoesNotFitIsRefused() throws {
        let other = try Parts(.p256)
        #expect(Self.names(Self.good.file(Self.good.token, other.token)) == ["timestamp-imprint-differs"])
        #expect(Self.names(Self.good.file(other.token, Self.good.token)) == ["timestamp-imprint-differs"])
        var inOneAttribute = BrokenSignature(Self.good.file(Self.good.token))
        inOneAttribute.signerInfo[6].children[0].children[1].children.append(DERNode(other.token))
        inOneAttribute.signerInfo[6].children[0].children[1].children.sort { $0.encoded.lexicographicallyPrecedes($1.encoded) }
        #expect(Self.names(inOneAttribute.encoded) == ["timestamp-imprint-differs"])
    }

    @Test func aSecondTokenThatFitsIsTaken() throws {
        let authority = try TestTimeStampAuthority()
        let request = TestTimeStampAuthority.request(Self.good.signature)
        let second = DERNode(try authority.answer(request))[1].encoded
        #expect(Self.names(Self.good.file(Self.good.token, second)) == [])
    }

    @Test func aTokenMayNotStandTwice() {
        #expect(Self.names(Self.good.file(Self.good.token, Self.good.token)) == ["listed-twice"])
    }

    @Test func aTimestampAttributeNeedsAValue() {
        var signature = BrokenSignature(Self.good.file(Self.good.token))
        signature.signerInfo[6].children[0].children[1].children = []
        #expect(Self.names(signature.encoded) == ["not-der"])
    }

    /// Whatever octet changes, the file is refused or, when the type of the unsigned attribute is another, only B-B.
    @Test func noOctetCanBeChanged() {
        var random = SeededRandom()
        let file = Self.good.file(Self.good.token)
        let typeEnd = file.count - DERLength.elementCount(Self.good.token.count)
        let type = (typeEnd - ObjectIdentifier.signatureTimeStamp.encoded.count)..<typeEnd
        for index in file.indices {
            var changed = file
            changed[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            let verified = try? Self.verify(changed).get()
            #expect(verified?.level != .baselineT, "octet \(index): \(file[index]) -> \(changed[index]) \(random)")
            if verified != nil { #expect(type.contains(index), "octet \(index)") }
        }
    }

    private static func names(_ file: [UInt8], trust: TimeStampToken.Trust = { _, _, _ in nil }) -> [String] {
        switch verify(file, trust: trust) {
        case .success: []
        case .failure(let violations): violations.list.map(\.name)
        }
    }

    private static func verify(
        _ file: [UInt8], trust: TimeStampToken.Trust = { _, _, _ in nil }
    ) -> Result<VerifiedCAdESSignature, CAdESViolations> {
        do throws(CAdESViolations) {
            let signature = try CAdESSignature(der: file)
            return .success(try signature.verify(documentDigest: DigestFunction.sha256.digest(document), timeStampTrust: trust))
        } catch {
            return .failure(error)
        }
    }
}
