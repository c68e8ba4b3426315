import LibCrypto
import Testing

/// RSASSA-PSS with a salt as long as the digest; the `openssl` program is the judge.
@Suite struct PSSKeyTests {
    static let document = Array("Келісім №1".utf8)
    static let key = try! PrivateKey.generateRSA(bits: 2048)

    @Test(arguments: [DigestFunction.sha256, .sha384, .sha512]) func signedHereVerifiedThere(function: DigestFunction) throws {
        let openssl = try OpenSSLCommand()
        let digest = function.digest(Self.document)
        let signature = try Self.key.signPSS(digest: digest, function: function)
        #expect(Self.key.publicKey.verifyPSS(signature: signature, digest: digest, function: function))
        // The salt is random
        #expect(try Self.key.signPSS(digest: digest, function: function) != signature)
        try openssl.write(Self.key.publicKey.subjectPublicKeyInfo, to: "key.der")
        try openssl.write(Self.document, to: "document")
        try openssl.write(signature, to: "signature")
        let options = "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:\(function.byteCount) -sigopt rsa_mgf1_md:\(function.name)"
        let said = try openssl.run("dgst -\(function.name) \(options) -keyform DER -verify key.der -signature signature document")
        #expect(said.text.contains("Verified OK"))
    }

    @Test(arguments: [
        ("digest", "sha256", true), ("max", "sha256", false), ("20", "sha256", false), ("0", "sha256", false), ("digest", "sha1", false),
    ])
    func signedThereVerifiedHere(salt: String, mask: String, isValid: Bool) throws {
        let openssl = try OpenSSLCommand()
        try openssl.run("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key.pem")
        try openssl.write(Self.document, to: "document")
        let options = "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:\(salt) -sigopt rsa_mgf1_md:\(mask)"
        try openssl.run("dgst -sha256 \(options) -sign key.pem -out signature document")
        let key = try PrivateKey.readPEM(openssl.read("key.pem")).publicKey
        let digest = DigestFunction.sha256.digest(Self.document)
        #expect(try key.verifyPSS(signature: openssl.read("signature"), digest: digest, function: .sha256) == isValid)
        #expect(try !key.verifyPSS(signature: openssl.read("signature"), digest: digest, function: .sha512))
        #expect(try !key.verifyPKCS1(signature: openssl.read("signature"), digest: digest, function: .sha256))
    }

    @Test func whatIsWrongDoesNotVerify() throws {
        let digest = DigestFunction.sha256.digest(Self.document)
        let key = Self.key.publicKey
        let signature = try Self.key.signPSS(digest: digest, function: .sha256)
        for index in stride(from: 0, to: signature.count, by: 7) {
            var changed = signature
            changed[index] ^= 1
            #expect(!key.verifyPSS(signature: changed, digest: digest, function: .sha256), "byte \(index)")
        }
        #expect(!key.verifyPSS(signature: signature + [0], digest: digest, function: .sha256))
        #expect(!key.verifyPSS(signature: [], digest: digest, function: .sha256))
        #expect(!key.verifyPSS(signature: signature, digest: [], function: .sha256))
        #expect(!key.verifyPSS(signature: signature, digest: DigestFunction.sha256.digest([]), function: .sha256))
        let ec = try PrivateKey.generateEC(curve: "P-256")
        #expect(!ec.publicKey.verifyPSS(signature: signature, digest: digest, function: .sha256))
        #expect(throws: CryptoError.self) { try ec.signPSS(digest: digest, function: .sha256) }
        #expect(throws: CryptoError.self) { try Self.key.signPSS(digest: DigestFunction.sha1.digest([]), function: .sha1) }
        #expect(key.verifyPSS(signature: signature, digest: digest, function: .sha256))
    }
}
