import CertificateTrust
import Foundation
import LibCrypto
import Testing

@Suite struct CertificateTrustTests {
    let pki: TestPKI
    let anchors: TrustAnchors

    init() throws {
        pki = try TestPKI()
        anchors = try TrustAnchors(pem: pki.root.pem + pki.root.pem)
    }

    func code(_ leaf: Certificate, _ purpose: CertificatePurpose, at date: Date = TestPKI.middle) -> TrustRefusal.Code? {
        switch anchors.judge(leaf, with: [pki.authority], as: purpose, at: date) {
        case .trusted: nil
        case .refused(let refusal): refusal.code
        }
    }

    @Test func eachPurposeHasItsCertificate() throws {
        #expect(anchors.certificates == [pki.root])
        #expect(
            anchors.judge(pki.signer, with: [pki.authority], as: .documentSigning, at: TestPKI.middle)
                == .trusted([pki.signer, pki.authority, pki.root]))
        #expect(code(pki.timeStamper, .timeStamping) == nil)
        #expect(code(pki.signer, .timeStamping) == .purposeUnfit)
        #expect(code(pki.timeStamper, .documentSigning) == .purposeUnfit)
        #expect(code(pki.authority, .documentSigning) == .purposeUnfit)
        #expect(code(pki.authority, .timeStamping) == .purposeUnfit)
    }

    @Test(
        arguments: [
            ("keyUsage", nil), ("keyUsage", "keyEncipherment"), ("keyUsage", "keyAgreement,keyEncipherment"),
            ("extendedKeyUsage", "serverAuth,clientAuth"), ("extendedKeyUsage", "timeStamping"),
        ] as [(String, String?)])
    func unfitForDocuments(name: String, value: String?) throws {
        #expect(try code(pki.issue(TestPKI.signerBuilder.with(name, value)), .documentSigning) == .purposeUnfit)
    }

    @Test(arguments: [
        ("keyUsage", "digitalSignature"), ("keyUsage", "critical,nonRepudiation"),
        ("keyUsage", "digitalSignature,nonRepudiation,keyAgreement"),
        ("extendedKeyUsage", "emailProtection"), ("extendedKeyUsage", "1.2.398.3.3.4.1.2,1.2.398.3.3.4.1.2.6"),
        ("extendedKeyUsage", "clientAuth,emailProtection"),
    ]) func fitForDocuments(name: String, value: String) throws {
        #expect(try code(pki.issue(TestPKI.signerBuilder.with(name, value)), .documentSigning) == nil)
    }

    @Test(
        arguments: [
            ("extendedKeyUsage", nil), ("extendedKeyUsage", "timeStamping"), ("extendedKeyUsage", "critical,timeStamping,emailProtection"),
            ("extendedKeyUsage", "critical,emailProtection"), ("keyUsage", "critical,digitalSignature,keyEncipherment"),
            ("keyUsage", "keyAgreement"),
        ] as [(String, String?)])
    func unfitForTimestamps(name: String, value: String?) throws {
        #expect(try code(pki.issue(TestPKI.timeStamperBuilder.with(name, value)), .timeStamping) == .purposeUnfit)
    }

    @Test(arguments: [("keyUsage", nil), ("keyUsage", "nonRepudiation"), ("keyUsage", "critical,digitalSignature")] as [(String, String?)])
    func fitForTimestamps(name: String, value: String?) throws {
        #expect(try code(pki.issue(TestPKI.timeStamperBuilder.with(name, value)), .timeStamping) == nil)
    }

    @Test func codesSayWhatIsWrong() throws {
        #expect(code(pki.signer, .documentSigning, at: TestPKI.start.addingTimeInterval(-1)) == .notYetValid)
        #expect(code(pki.signer, .documentSigning, at: TestPKI.end.addingTimeInterval(1)) == .expired)
        let stranger = try TestPKI(authorityKey: .generateEC(curve: "P-384"))
        #expect(code(stranger.signer, .documentSigning) == .untrusted)
        let forged = try TestPKI.signerBuilder.issued(to: pki.leafKey.publicKey, by: pki.authority, with: TestPKI.forgersKey.get())
        #expect(code(forged, .documentSigning) == .signatureInvalid)
        let small = try TestPKI.signerBuilder
            .issued(to: PrivateKey.generateRSA(bits: 1024).publicKey, by: pki.authority, with: pki.authorityKey)
        #expect(code(small, .documentSigning) == .chainInvalid)
        let verdict = TrustAnchors([]).judge(pki.signer, with: [pki.authority, pki.root], as: .documentSigning, at: TestPKI.middle)
        #expect(verdict == .refused(TrustRefusal(code: .untrusted, sentence: "")))
    }

    @Test func anchorsNeedACertificate() {
        #expect(throws: CryptoError.self) { try TrustAnchors(pem: []) }
        #expect(throws: CryptoError.self) { try TrustAnchors(pem: Array("-----BEGIN CERTIFICATE-----\n".utf8)) }
    }

    @Test(.enabled(if: KazakhstanVectorTests.folder != nil)) func kazakhstanCertificatesFitTheirPurpose() throws {
        let signer = try KazakhstanVectorTests.read("cms/legal_entity_signer.cer")
        let tsa = try KazakhstanVectorTests.read("cms/production_tsa_gost_2025.cer")
        #expect(CertificatePurpose.documentSigning.refusal(of: signer) == nil)
        #expect(CertificatePurpose.timeStamping.refusal(of: tsa) == nil)
        #expect(CertificatePurpose.timeStamping.refusal(of: signer)?.code == .purposeUnfit)
    }
}
