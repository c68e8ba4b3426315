import Dispatch
import LibCrypto
import Testing

/// What this side signs, the `openssl` program verifies, and the other way round.
@Suite struct KeyTests {
    static let document = Array("Келісім №1".utf8)

    enum Key: String, CaseIterable, Sendable {
        case rsa2048, p256, p384, p521

        func make() throws -> PrivateKey {
            switch self {
            case .rsa2048: try .generateRSA(bits: 2048)
            case .p256: try .generateEC(curve: "P-256")
            case .p384: try .generateEC(curve: "P-384")
            case .p521: try .generateEC(curve: "P-521")
            }
        }

        var kind: PublicKey.Kind {
            switch self {
            case .rsa2048: .rsa(bits: 2048)
            case .p256: .ec(curve: "P-256")
            case .p384: .ec(curve: "P-384")
            case .p521: .ec(curve: "P-521")
            }
        }

        var arguments: (String, String) {
            switch self {
            case .rsa2048: ("RSA", "rsa_keygen_bits:2048")
            case .p256: ("EC", "ec_paramgen_curve:P-256")
            case .p384: ("EC", "ec_paramgen_curve:P-384")
            case .p521: ("EC", "ec_paramgen_curve:P-521")
            }
        }

        func sign(_ digest: [UInt8], _ function: DigestFunction, with key: PrivateKey) throws -> [UInt8] {
            self == .rsa2048 ? try key.signPKCS1(digest: digest, function: function) : try key.signECDSA(digest: digest)
        }

        func verify(_ signature: [UInt8], _ digest: [UInt8], _ function: DigestFunction, with key: PublicKey) -> Bool {
            self == .rsa2048
                ? key.verifyPKCS1(signature: signature, digest: digest, function: function)
                : key.verifyECDSA(signature: signature, digest: digest)
        }
    }

    @Test(arguments: Key.allCases, [DigestFunction.sha256, .sha384, .sha512])
    func signedHereVerifiedThere(key: Key, function: DigestFunction) throws {
        let openssl = try OpenSSLCommand()
        let made = try key.make()
        #expect(made.publicKey.kind == key.kind)
        let signature = try key.sign(function.digest(Self.document), function, with: made)
        try openssl.write(made.publicKey.subjectPublicKeyInfo, to: "key.der")
        try openssl.write(Self.document, to: "document")
        try openssl.write(signature, to: "signature")
        let said = try openssl.run("dgst -\(function.name) -keyform DER -verify key.der -signature signature document")
        #expect(said.text.contains("Verified OK"))
        #expect(key.verify(signature, function.digest(Self.document), function, with: made.publicKey))
    }

    @Test(arguments: Key.allCases) func signedThereVerifiedHere(key: Key) throws {
        let openssl = try OpenSSLCommand()
        try openssl.run("genpkey -algorithm \(key.arguments.0) -pkeyopt \(key.arguments.1) -out key.pem")
        try openssl.run("pkey -in key.pem -pubout -outform DER -out public.der")
        try openssl.write(Self.document, to: "document")
        try openssl.run("dgst -sha256 -sign key.pem -out signature document")
        let publicKey = try PublicKey(subjectPublicKeyInfo: openssl.read("public.der"))
        #expect(publicKey.kind == key.kind)
        let signature = try openssl.read("signature")
        let digest = DigestFunction.sha256.digest(Self.document)
        #expect(key.verify(signature, digest, .sha256, with: publicKey))
        #expect(try PrivateKey.readPEM(openssl.read("key.pem")).publicKey == publicKey)
    }

    @Test(arguments: Key.allCases) func whatIsWrongDoesNotVerify(key: Key) throws {
        let made = try key.make()
        let digest = DigestFunction.sha256.digest(Self.document)
        let signature = try key.sign(digest, .sha256, with: made)
        for index in stride(from: 0, to: signature.count, by: 7) {
            var changed = signature
            changed[index] ^= 1
            #expect(!key.verify(changed, digest, .sha256, with: made.publicKey), "byte \(index)")
        }
        var other = digest
        other[31] ^= 1
        #expect(!key.verify(signature, other, .sha256, with: made.publicKey))
        #expect(!key.verify(signature + [0], digest, .sha256, with: made.publicKey))
        #expect(!key.verify([], digest, .sha256, with: made.publicKey))
        #expect(!key.verify(signature, [], .sha256, with: made.publicKey))
        #expect(!key.verify(signature, digest, .sha256, with: try key.make().publicKey))
        #expect(key.verify(signature, digest, .sha256, with: made.publicKey))
    }

    @Test func keysDoNotTakeEachOthersSignatures() throws {
        let rsa = try PrivateKey.generateRSA(bits: 2048)
        let ec = try PrivateKey.generateEC(curve: "P-256")
        let digest = DigestFunction.sha256.digest(Self.document)
        let rsaSignature = try rsa.signPKCS1(digest: digest, function: .sha256)
        let ecSignature = try ec.signECDSA(digest: digest)
        #expect(!rsa.publicKey.verifyECDSA(signature: ecSignature, digest: digest))
        #expect(!ec.publicKey.verifyPKCS1(signature: rsaSignature, digest: digest, function: .sha256))
        #expect(!rsa.publicKey.verifyPKCS1(signature: rsaSignature, digest: digest, function: .sha512))
        #expect(!rsa.publicKey.verifyPKCS1(signature: rsaSignature, digest: DigestFunction.sha1.digest(digest), function: .sha1))
        #expect(throws: CryptoError.self) { try rsa.signECDSA(digest: digest) }
        #expect(throws: CryptoError.self) { try ec.signPKCS1(digest: digest, function: .sha256) }
        #expect(throws: CryptoError.self) { try rsa.signPKCS1(digest: DigestFunction.sha1.digest(digest), function: .sha1) }
    }

    /// One key, many threads, right and wrong signatures mixed.
    @Test(arguments: Key.allCases) func threadsShareAKey(key: Key) throws {
        let made = try key.make()
        let digests = (0..<16).map { DigestFunction.sha256.digest([UInt8($0)]) }
        let signatures = try digests.map { try key.sign($0, .sha256, with: made) }
        let wrong = Counter()
        DispatchQueue.concurrentPerform(iterations: 16) { round in
            for index in 0..<16 {
                let fits = index == (index + round) % 16
                let verified = key.verify(signatures[index], digests[(index + round) % 16], .sha256, with: made.publicKey)
                if verified != fits { wrong.add() }
                guard let signature = try? key.sign(digests[index], .sha256, with: made) else { return wrong.add() }
                if !key.verify(signature, digests[index], .sha256, with: made.publicKey) { wrong.add() }
            }
        }
        #expect(wrong.value == 0)
    }

    @Test func unfitKeyTextsAreRefused() throws {
        let openssl = try OpenSSLCommand()
        try openssl.run("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -aes256 -pass pass:secret -out locked.pem")
        try openssl.run("genpkey -algorithm ED448 -out ed448.pem")
        #expect(throws: CryptoError.self) { try PrivateKey.readPEM(openssl.read("locked.pem")) }
        #expect(throws: CryptoError.self) { try PrivateKey.readPEM(openssl.read("ed448.pem")) }
        #expect(throws: CryptoError.self) { try PrivateKey.readPEM(Array("nothing".utf8)) }
        #expect(throws: CryptoError.self) { try PrivateKey.readPEM([]) }
        #expect(throws: CryptoError.self) { try PrivateKey.generateEC(curve: "P-999") }
        let spki = try PrivateKey.generateEC(curve: "P-256").publicKey.subjectPublicKeyInfo
        #expect(throws: CryptoError.self) { try PublicKey(subjectPublicKeyInfo: spki + [0]) }
        #expect(throws: CryptoError.self) { try PublicKey(subjectPublicKeyInfo: []) }
        #expect(throws: CryptoError.self) { try PublicKey(subjectPublicKeyInfo: Array(spki.dropLast())) }
    }

    /// RFC 5480, 2.1.1: a curve is named; written out as parameters it is another kind of key, with which nothing verifies.
    @Test func explicitCurveParametersAreNotACurve() throws {
        let openssl = try OpenSSLCommand()
        try openssl.run("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit -out key.pem")
        try openssl.run("pkey -in key.pem -pubout -outform DER -out public.der")
        #expect(try PublicKey(subjectPublicKeyInfo: openssl.read("public.der")).kind == .other("1.2.840.10045.2.1"))
    }

    @Test func keysThatOpenSSLKnowsAndWeDoNot() throws {
        let openssl = try OpenSSLCommand()
        try openssl.run("genpkey -algorithm ED448 -out key.pem")
        try openssl.run("pkey -in key.pem -pubout -outform DER -out public.der")
        let key = try PublicKey(subjectPublicKeyInfo: openssl.read("public.der"))
        #expect(key.kind == .other("1.3.101.113"))
        #expect(!key.verifyECDSA(signature: [0x30], digest: [1]))
        #expect(!key.verifyEd25519(signature: [UInt8](repeating: 0, count: 64), message: [1]))
    }
}
