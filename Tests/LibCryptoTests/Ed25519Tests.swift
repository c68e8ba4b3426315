import Dispatch
import FoundationEssentials
import LibCrypto
import Testing

/// Ed25519 (RFC 8032): over the message itself.
@Suite struct Ed25519Tests {
    struct Vector: Sendable {
        let key: String
        let publicKey: String
        let message: String
        let signature: String
    }

    /// RFC 8032, 7.1: tests 1 to 3.
    static let vectors = [
        Vector(
            key: "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            publicKey: "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", message: "",
            signature:
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"),
        Vector(
            key: "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            publicKey: "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", message: "72",
            signature:
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"),
        Vector(
            key: "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            publicKey: "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", message: "af82",
            signature:
                "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"),
    ]

    @Test(arguments: vectors) func agreesWithTheStandard(vector: Vector) throws {
        // PKCS #8 (RFC 8410, 7): version 0, the algorithm, and the seed as an OCTET STRING within one
        let pkcs8 = bytes("302e020100300506032b657004220420" + vector.key)
        let text = "-----BEGIN PRIVATE KEY-----\n\(Data(pkcs8).base64EncodedString())\n-----END PRIVATE KEY-----\n"
        let key = try PrivateKey.readPEM(Array(text.utf8))
        #expect(key.publicKey.kind == .ed25519)
        #expect(key.publicKey.subjectPublicKeyInfo == bytes("302a300506032b6570032100" + vector.publicKey))
        #expect(try key.signEd25519(message: bytes(vector.message)) == bytes(vector.signature))
        #expect(key.publicKey.verifyEd25519(signature: bytes(vector.signature), message: bytes(vector.message)))
    }

    @Test func whatIsWrongDoesNotVerify() throws {
        let key = try PrivateKey.generateEd25519()
        let message = Array("Келісім №1".utf8)
        let signature = try key.signEd25519(message: message)
        #expect(signature.count == 64)
        for index in signature.indices {
            var changed = signature
            changed[index] ^= 1
            #expect(!key.publicKey.verifyEd25519(signature: changed, message: message), "byte \(index)")
        }
        #expect(!key.publicKey.verifyEd25519(signature: signature + [0], message: message))
        #expect(!key.publicKey.verifyEd25519(signature: [], message: message))
        #expect(!key.publicKey.verifyEd25519(signature: signature, message: message + [0]))
        #expect(!key.publicKey.verifyEd25519(signature: signature, message: DigestFunction.sha512.digest(message)))
        #expect(try !PrivateKey.generateEd25519().publicKey.verifyEd25519(signature: signature, message: message))
        #expect(!key.publicKey.verifyECDSA(signature: signature, digest: message))
        let ec = try PrivateKey.generateEC(curve: "P-256")
        #expect(!ec.publicKey.verifyEd25519(signature: signature, message: message))
        #expect(throws: CryptoError.self) { try ec.signEd25519(message: message) }
        #expect(throws: CryptoError.self) { try key.signECDSA(digest: DigestFunction.sha256.digest(message)) }
        #expect(key.publicKey.verifyEd25519(signature: signature, message: message))
    }

    /// A certificate with such a key, under an authority with such a key; openssl reads and verifies the chain.
    @Test func certificatesCarryIt() throws {
        let key = try PrivateKey.generateEd25519()
        let root = try CertificateBuilder.authority(
            .init(commonName: "Root"), notBefore: TestPKI.start, notAfter: TestPKI.end, serialNumber: [1]
        ).selfSigned(by: key)
        let signer = try TestPKI.signerBuilder.issued(to: PrivateKey.generateEd25519().publicKey, by: root, with: key)
        #expect(signer.publicKey.kind == .ed25519)
        let openssl = try OpenSSLCommand()
        try openssl.write(root.pem, to: "root.pem")
        try openssl.write(signer.pem, to: "signer.pem")
        let moment = Int(TestPKI.middle.timeIntervalSince1970)
        #expect(try openssl.run("verify -attime \(moment) -CAfile root.pem signer.pem").text.contains("OK"))
    }

    @Test func threadsShareAKey() throws {
        let key = try PrivateKey.generateEd25519()
        let wrong = Counter()
        DispatchQueue.concurrentPerform(iterations: 16) { round in
            for index in 0..<16 {
                guard let signature = try? key.signEd25519(message: [UInt8(round), UInt8(index)]) else { return wrong.add() }
                if !key.publicKey.verifyEd25519(signature: signature, message: [UInt8(round), UInt8(index)]) { wrong.add() }
                if key.publicKey.verifyEd25519(signature: signature, message: [UInt8(index), UInt8(round), 1]) { wrong.add() }
            }
        }
        #expect(wrong.value == 0)
    }

    private func bytes(_ hex: String) -> [UInt8] {
        let digits = hex.map { UInt8($0.hexDigitValue!) }
        return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }
}
