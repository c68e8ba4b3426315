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
        for signer in [TestSigner.p256, .p384, .p521, .rsa2048, .pss2048, .ed25519] {
            let algorithm = signer.algorithm(.sha512)
            let input = algorithm.input(of: [1])
            let signature = try signer.sign(input, algorithm)
            let key = signer.certificate.publicKey
            #expect(algorithm.isValid(signature: signature, ofInput: input, by: key))
            #expect(algorithm.isValid(signature: signature, overMessage: [1], by: key))
            #expect(!algorithm.isValid(signature: signature, overMessage: [2], by: key))
            #expect(!algorithm.isValid(signature: signature, ofInput: DigestFunction.sha512.digest([2]), by: key))
            #expect(!algorithm.isValid(signature: [], ofInput: input, by: key))
            let other = signer.key === TestSigner.rsa2048.key ? TestSigner.p256 : TestSigner.rsa2048
            #expect(!algorithm.isValid(signature: signature, ofInput: input, by: other.certificate.publicKey))
            #expect(throws: CryptoError.self) { try algorithm.sign(input, with: other.key) }
        }
    }

    /// One key, two algorithms: neither takes the other's signature.
    @Test func paddingsAreNotMixed() throws {
        let signer = TestSigner.rsa2048
        let input = DigestFunction.sha256.digest([1])
        let key = signer.certificate.publicKey
        let pkcs1 = try SignatureAlgorithm.rsaPKCS1(.sha256).sign(input, with: signer.key)
        let pss = try SignatureAlgorithm.rsaPSS(.sha256).sign(input, with: signer.key)
        #expect(SignatureAlgorithm.rsaPSS(.sha256).isValid(signature: pss, ofInput: input, by: key))
        #expect(!SignatureAlgorithm.rsaPSS(.sha256).isValid(signature: pkcs1, ofInput: input, by: key))
        #expect(!SignatureAlgorithm.rsaPKCS1(.sha256).isValid(signature: pss, ofInput: input, by: key))
    }
}

/// How a profile asks for a way to sign, and what a key and a digest make of it.
@Suite struct MechanismChoiceTests {
    @Test(arguments: [
        ("rsa-pkcs1", MechanismChoice.rsaPKCS1), ("rsa-pss", .rsaPSS), ("ecdsa", .ecdsa), ("eddsa", .eddsa),
        ("0x80000001", .number(0x8000_0001)), ("0xFFFFFFFF", .number(0xFFFF_FFFF)), ("0x1201", .number(0x1201)),
        ("0x1", .rsaPKCS1), ("0x0d", .rsaPSS), ("0x1041", .ecdsa), ("0x1057", .eddsa),
    ])
    func reads(_ text: String, _ choice: MechanismChoice) throws {
        #expect(MechanismChoice(text) == choice)
        #expect(MechanismChoice(choice.description) == choice)
    }

    @Test(arguments: ["", "RSA-PSS", "rsa", "pss", "0x", "0x100000000", "0x+1", "0x-1", "80000001", "0xg", "0x 1", "0x１"])
    func refuses(_ text: String) { #expect(MechanismChoice(text) == nil) }

    @Test func decidesTheAlgorithm() {
        let rsa = TestSigner.rsa2048.certificate.publicKey
        let ec = TestSigner.p384.certificate.publicKey
        let ed25519 = TestSigner.ed25519.certificate.publicKey
        #expect(SignatureAlgorithm.fitting(rsa, .sha384) == .rsaPKCS1(.sha384))
        #expect(SignatureAlgorithm.fitting(rsa, .sha384, by: .rsaPKCS1) == .rsaPKCS1(.sha384))
        #expect(SignatureAlgorithm.fitting(rsa, .sha384, by: .rsaPSS) == .rsaPSS(.sha384))
        #expect(SignatureAlgorithm.fitting(rsa, .sha384, by: .ecdsa) == nil)
        #expect(SignatureAlgorithm.fitting(ec, .sha384, by: .ecdsa) == .ecdsa(.sha384))
        #expect(SignatureAlgorithm.fitting(ec, .sha384, by: .rsaPSS) == nil)
        #expect(SignatureAlgorithm.fitting(ec, .sha384, by: .number(0x8000_0001)) == .ecdsa(.sha384))
        #expect(SignatureAlgorithm.fitting(ed25519, .sha512) == .ed25519)
        #expect(SignatureAlgorithm.fitting(ed25519, .sha512, by: .eddsa) == .ed25519)
        // RFC 8419, 3: SHA-512 and no other
        #expect(SignatureAlgorithm.fitting(ed25519, .sha256) == nil)
        #expect(SignatureAlgorithm.fitting(ed25519) == .ed25519)
        #expect(SignatureAlgorithm.fitting(rsa, by: .rsaPSS) == .rsaPSS(.sha256))
    }

    /// RFC 8017, 9.1.1: 1024 bits have no room for SHA-512 and its salt.
    @Test func aShortKeyHasNoRoomForALongSalt() throws {
        let key = try PrivateKey.generateRSA(bits: 1024)
        #expect(!SignatureAlgorithm.rsaPSS(.sha512).fits(key.publicKey))
        #expect(throws: CryptoError.self) { try key.signPSS(digest: DigestFunction.sha512.digest([]), function: .sha512) }
        #expect(SignatureAlgorithm.rsaPSS(.sha384).fits(key.publicKey))
        #expect(try key.signPSS(digest: DigestFunction.sha384.digest([]), function: .sha384).count == 128)
    }
}
