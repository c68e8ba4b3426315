import CAdES
import CMS
import FoundationEssentials
import LibCrypto
import SignatureTemplate

/// A root and signers under it, made once per run.
struct TestPKI: Sendable {
    static let shared = TestPKI()

    let root: Certificate
    private let rootKey: PrivateKey
    /// A whole second, so that what is read back equals it.
    let now: Date

    init() {
        now = Date(timeIntervalSince1970: Date().timeIntervalSince1970.rounded(.down))
        rootKey = try! PrivateKey.generateEC(curve: "P-256")
        root = try! CertificateBuilder.authority(
            Self.name("Root"), notBefore: now.addingTimeInterval(-86_400), notAfter: now.addingTimeInterval(86_400 * 36_500),
            serialNumber: [1]
        ).selfSigned(by: rootKey)
    }

    /// A signer of documents, valid for 100 years.
    func signer(_ key: PrivateKey, serialNumber: [UInt8] = [0x7A, 0x01], _ change: (inout CertificateBuilder) -> Void = { _ in })
        -> TestSigner
    {
        var builder = CertificateBuilder.documentSigner(
            Self.name("Signer"), notBefore: now.addingTimeInterval(-3_600), notAfter: now.addingTimeInterval(86_400 * 36_500),
            serialNumber: serialNumber)
        change(&builder)
        return TestSigner(certificate: issue(builder, key.publicKey), key: key)
    }

    func issue(_ builder: CertificateBuilder, _ key: PublicKey) -> Certificate {
        try! builder.issued(to: key, by: root, with: rootKey)
    }

    static func name(_ commonName: String) -> DistinguishedName {
        DistinguishedName([.init("C", "KZ"), .init("O", "Таңба"), .init("CN", commonName)])
    }
}

/// A certificate with its key, and how it signs.
struct TestSigner: Sendable {
    let certificate: Certificate
    let key: PrivateKey
    var mechanism: MechanismChoice?

    static let p256 = TestPKI.shared.signer(try! .generateEC(curve: "P-256"))
    static let p384 = TestPKI.shared.signer(try! .generateEC(curve: "P-384"))
    static let p521 = TestPKI.shared.signer(try! .generateEC(curve: "P-521"))
    static let rsa2048 = TestPKI.shared.signer(try! .generateRSA(bits: 2048))
    static let pss2048 = TestSigner(certificate: rsa2048.certificate, key: rsa2048.key, mechanism: .rsaPSS)
    static let ed25519 = TestPKI.shared.signer(try! .generateEd25519())

    func algorithm(_ digest: DigestAlgorithm = .sha256) -> SignatureAlgorithm {
        SignatureAlgorithm.fitting(certificate.publicKey, digest, by: mechanism)!
    }

    func signs(_ digest: DigestAlgorithm) -> Bool { SignatureAlgorithm.fitting(certificate.publicKey, digest, by: mechanism) != nil }

    func sign(_ input: [UInt8], _ algorithm: SignatureAlgorithm) throws -> [UInt8] { try algorithm.sign(input, with: key) }

    /// A B-B signature over a document by the template.
    func signed(_ document: [UInt8], digest: DigestAlgorithm = .sha256, chain: [Certificate] = [], at time: Date = TestPKI.shared.now)
        throws -> [UInt8]
    {
        let template = try SignatureTemplate(certificate: certificate, chain: chain, signatureAlgorithm: algorithm(digest))
        let documentDigest = digest.function.digest(document)
        let signature = try sign(template.dataToBeSigned(documentDigest: documentDigest, signingTime: time), template.algorithm)
        return template.assemble(documentDigest: documentDigest, signingTime: time, signature: signature)
    }
}
