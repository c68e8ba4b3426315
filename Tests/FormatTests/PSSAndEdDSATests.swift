import CAdES
import CMS
import DER
import LibCrypto
import Testing

/// RSASSA-PSS (RFC 4055, RFC 4056) and Ed25519 (RFC 8419): how they are written, what is read as them, and OpenSSL's word on both.
@Suite struct PSSAndEdDSATests {
    static let pss = ObjectIdentifier(1, 2, 840, 113549, 1, 1, 10)
    static let mgf1 = ObjectIdentifier(1, 2, 840, 113549, 1, 1, 8)

    /// The identifier that OpenSSL writes for SHA-256 with a salt of 32.
    @Test func identifierIsOpenSSLs() {
        #expect(
            SignatureAlgorithm.rsaPSS(.sha256).identifier
                == bytes(
                    "3041 06092a864886f70d01010a 3034 a00f 300d 0609608648016503040201 0500"
                        + "a11c 301a 06092a864886f70d010108 300d 0609608648016503040201 0500 a203 020120"))
    }

    /// The fields of RSASSA-PSS-params, each as it is written; nil where it is left out.
    struct Parameters {
        var hash: [UInt8]? = AlgorithmIdentifier(DigestAlgorithm.sha256.oid, parameters: AlgorithmIdentifier.null).encoded
        var mask: [UInt8]? = AlgorithmIdentifier(
            PSSAndEdDSATests.mgf1, parameters: AlgorithmIdentifier(DigestAlgorithm.sha256.oid, parameters: AlgorithmIdentifier.null).encoded
        ).encoded
        var salt: Int? = 32
        var trailer: Int?

        var identifier: AlgorithmIdentifier {
            let encoded = DERWriter.encode { der in
                der.sequence { der in
                    if let hash { der.constructed(.context(0)) { $0.element(hash) } }
                    if let mask { der.constructed(.context(1)) { $0.element(mask) } }
                    if let salt { der.constructed(.context(2)) { $0.integer(salt) } }
                    if let trailer { der.constructed(.context(3)) { $0.integer(trailer) } }
                }
            }
            return AlgorithmIdentifier(PSSAndEdDSATests.pss, parameters: encoded)
        }
    }

    /// RFC 4055, 2.1: NULL and nothing after a hash function mean the same.
    @Test func takesHashFunctionsWithAndWithoutNull() {
        let bare = AlgorithmIdentifier(DigestAlgorithm.sha256.oid).encoded
        let bareMask = AlgorithmIdentifier(Self.mgf1, parameters: bare).encoded
        for parameters in [Parameters(), Parameters(hash: bare), Parameters(mask: bareMask), Parameters(hash: bare, mask: bareMask)] {
            #expect(SignatureAlgorithm.read(parameters.identifier, digest: .sha256) == .rsaPSS(.sha256))
            #expect(SignatureAlgorithm.read(parameters.identifier, digest: .sha512) == nil)
        }
    }

    struct Odd: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let identifier: AlgorithmIdentifier
        init(_ name: String, _ identifier: AlgorithmIdentifier) {
            testDescription = name
            self.identifier = identifier
        }
    }

    static let odd: [Odd] = {
        let sha512 = AlgorithmIdentifier(DigestAlgorithm.sha512.oid, parameters: AlgorithmIdentifier.null).encoded
        let sha256 = AlgorithmIdentifier(DigestAlgorithm.sha256.oid).encoded
        let sha1 = AlgorithmIdentifier(ObjectIdentifier(1, 3, 14, 3, 2, 26), parameters: AlgorithmIdentifier.null).encoded
        return [
            Odd("no parameters", AlgorithmIdentifier(pss)),
            Odd("NULL", AlgorithmIdentifier(pss, parameters: AlgorithmIdentifier.null)),
            Odd("all left out, which means SHA-1", AlgorithmIdentifier(pss, parameters: [0x30, 0])),
            Odd("salt of 20 by DEFAULT", Parameters(salt: nil).identifier),
            Odd("salt of 20", Parameters(salt: 20).identifier),
            Odd("salt of 0", Parameters(salt: 0).identifier),
            Odd("salt one longer than the digest", Parameters(salt: 33).identifier),
            Odd("salt as long as it can be", Parameters(salt: 222).identifier),
            Odd("another hash", Parameters(hash: sha512).identifier),
            Odd("SHA-1 by DEFAULT", Parameters(hash: nil).identifier),
            Odd("SHA-1", Parameters(hash: sha1).identifier),
            Odd("another hash in MGF1", Parameters(mask: AlgorithmIdentifier(mgf1, parameters: sha512).encoded).identifier),
            Odd("SHA-1 in MGF1 by DEFAULT", Parameters(mask: nil).identifier),
            Odd("another mask", Parameters(mask: AlgorithmIdentifier(pss, parameters: sha256).encoded).identifier),
            Odd("MGF1 without a hash", Parameters(mask: AlgorithmIdentifier(mgf1).encoded).identifier),
            Odd("the trailer's DEFAULT written out", Parameters(trailer: 1).identifier),
            Odd("another trailer", Parameters(trailer: 2).identifier),
        ]
    }()

    @Test(arguments: odd) func oddParametersAreNotPSS(_ odd: Odd) {
        #expect(SignatureAlgorithm.read(odd.identifier, digest: .sha256) == nil)
    }

    /// RFC 8419, 2 and 3: no parameters, and SHA-512 beside it.
    @Test func ed25519HasNoParameters() {
        let oid = ObjectIdentifier(1, 3, 101, 112)
        #expect(SignatureAlgorithm.ed25519.identifier == bytes("3005 06032b6570"))
        #expect(SignatureAlgorithm.read(AlgorithmIdentifier(oid), digest: .sha512) == .ed25519)
        #expect(SignatureAlgorithm.read(AlgorithmIdentifier(oid, parameters: AlgorithmIdentifier.null), digest: .sha512) == nil)
        for digest in [DigestAlgorithm.sha256, .sha384] {
            #expect(SignatureAlgorithm.read(AlgorithmIdentifier(oid), digest: digest) == nil)
        }
    }

    /// What we write, our reader takes; one octet changed anywhere, it does not.
    @Test(arguments: [TestSigner.pss2048, .ed25519]) func noOctetCanBeChanged(_ signer: TestSigner) throws {
        let document = Array("Құжат".utf8)
        let digest = DigestFunction.sha512.digest(document)
        let file = try signer.signed(document, digest: .sha512)
        func judge(_ file: [UInt8], _ digest: [UInt8]) throws(CAdESViolations) -> SignatureAlgorithm {
            try CAdESSignature(der: file).verify(documentDigest: digest, timeStampTrust: { _, _, _ in nil }).signature.algorithm
        }
        #expect(try judge(file, digest) == signer.algorithm(.sha512))
        #expect(throws: CAdESViolations.self) { try judge(file, DigestFunction.sha512.digest([1])) }
        for index in file.indices {
            var changed = file
            changed[index] ^= 1
            #expect(throws: CAdESViolations.self, "octet \(index)") { try judge(changed, digest) }
        }
    }

    /// OpenSSL 3.0 cannot verify a CMS signature with Ed25519, but it can the signature in it: over the attributes under the tag of SET.
    @Test func ed25519IsOverTheAttributesThemselves() throws {
        let file = try TestSigner.ed25519.signed([1, 2, 3], digest: .sha512)
        let signature = try CAdESSignature(der: file)
        #expect(signature.signatureValue.count == 64)
        let folder = try TemporaryFolder()
        _ = try folder.write(signature.certificate.pem, "signer.pem")
        _ = try folder.write(signature.signedAttributes.encoded, "attributes")
        _ = try folder.write(signature.signatureValue, "value")
        let outcome = try OpenSSL.run(
            ["pkeyutl", "-verify", "-rawin", "-certin", "-inkey", "signer.pem", "-in", "attributes", "-sigfile", "value"], in: folder)
        #expect(outcome.output.contains("Signature Verified Successfully"), "\(outcome.errors)")
    }

    /// A CMS file by OpenSSL with PSS: taken with a salt as long as the digest, refused for its algorithm with any other.
    @Test(arguments: [("digest", true), ("max", false), ("20", false)]) func readsWhatOpenSSLSigns(_ salt: String, _ isTaken: Bool) throws {
        let folder = try TemporaryFolder()
        try OpenSSL.succeed(
            ["req", "-x509", "-newkey", "rsa:2048", "-noenc", "-keyout", "key.pem", "-out", "signer.pem", "-subj", "/CN=PSS", "-days", "30"],
            in: folder)
        _ = try folder.write(Array("Құжат".utf8), "document")
        try OpenSSL.succeed(
            [
                "cms", "-sign", "-cades", "-binary", "-in", "document", "-signer", "signer.pem", "-inkey", "key.pem", "-md", "sha256", "-keyopt",
                "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:\(salt)", "-keyopt", "rsa_mgf1_md:sha256", "-nosmimecap", "-outform", "DER",
                "-out", "document.p7s",
            ], in: folder)
        let signer = try SignedData(file: folder.read("document.p7s")).signerInfos[0]
        let algorithm = SignatureAlgorithm.read(signer.signatureAlgorithm, digest: .sha256)
        #expect(algorithm == (isTaken ? .rsaPSS(.sha256) : nil))
        let key = try Certificate.readPEM(folder.read("signer.pem"))[0].publicKey
        let attributes = try #require(signer.signedAttributes).encoded
        #expect(SignatureAlgorithm.rsaPSS(.sha256).isValid(signature: signer.signature, overMessage: attributes, by: key) == isTaken)
    }
}
