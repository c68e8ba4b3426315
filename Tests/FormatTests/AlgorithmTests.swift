import CMS
import DER
import LibCrypto
import Testing

@Suite struct AlgorithmTests {
    @Test(arguments: [
        ("sha256", DigestAlgorithm.sha256), ("sha384", .sha384), ("sha512", .sha512), ("2.16.840.1.101.3.4.2.1", .sha256),
        ("2.16.840.1.101.3.4.2.3", .sha512),
    ])
    func digestsHaveNames(_ name: String, _ algorithm: DigestAlgorithm) {
        #expect(DigestAlgorithm(named: name) == algorithm)
    }

    @Test(arguments: ["", "SHA256", "sha-256", "sha1", "1.3.14.3.2.26", "2.16.840.1.101.3.4.2.01"]) func othersAreUnknown(_ name: String) {
        #expect(DigestAlgorithm(named: name) == nil)
    }

    @Test func aKeyFindsItsAlgorithm() {
        #expect(SignatureAlgorithm.fitting(TestSigner.p256.certificate.publicKey, .sha512) == .ecdsa(.sha512))
        #expect(SignatureAlgorithm.fitting(TestSigner.rsa2048.certificate.publicKey, .sha256) == .rsaPKCS1(.sha256))
    }

    /// RFC 3370, 3.2 and RFC 5754, 3.2: rsaEncryption, or the identifier that names the digest too.
    @Test func rsaHasTwoNames() {
        let rsaEncryption = ObjectIdentifier(1, 2, 840, 113549, 1, 1, 1)
        let withSHA256 = ObjectIdentifier(1, 2, 840, 113549, 1, 1, 11)
        let withSHA512 = ObjectIdentifier(1, 2, 840, 113549, 1, 1, 13)
        for parameters in [nil, AlgorithmIdentifier.null] {
            #expect(
                SignatureAlgorithm.read(AlgorithmIdentifier(rsaEncryption, parameters: parameters), digest: .sha256) == .rsaPKCS1(.sha256))
            #expect(SignatureAlgorithm.read(AlgorithmIdentifier(withSHA256, parameters: parameters), digest: .sha256) == .rsaPKCS1(.sha256))
            #expect(SignatureAlgorithm.read(AlgorithmIdentifier(withSHA512, parameters: parameters), digest: .sha256) == nil)
        }
        #expect(SignatureAlgorithm.read(AlgorithmIdentifier(rsaEncryption, parameters: [0x30, 0]), digest: .sha256) == nil)
    }

    @Test func signaturesAreCheckedWithTheKey() throws {
        let digest = DigestFunction.sha256.digest([1])
        for signer in [TestSigner.p256, .p384, .rsa2048] {
            let algorithm = signer.algorithm()
            let signature = try signer.sign(digest, algorithm)
            let key = signer.certificate.publicKey
            #expect(algorithm.isValid(signature: signature, ofDigest: digest, by: key))
            #expect(!algorithm.isValid(signature: signature, ofDigest: DigestFunction.sha256.digest([2]), by: key))
            #expect(!algorithm.isValid(signature: [], ofDigest: digest, by: key))
            let other = signer.key === TestSigner.rsa2048.key ? TestSigner.p256 : TestSigner.rsa2048
            #expect(!algorithm.isValid(signature: signature, ofDigest: digest, by: other.certificate.publicKey))
        }
    }
}
