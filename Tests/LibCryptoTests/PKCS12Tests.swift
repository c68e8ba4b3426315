import Foundation
import LibCrypto
import OperatingSystem
import Testing

/// PKCS #12 files written by the `openssl` program, by hand, and by Kazakhstan's NCA.
@Suite struct PKCS12Tests {
    static let password = "Құпия 1"

    /// A key, its certificate under a root, and the root, as PEM files of these names: key, signer, root.
    static func lab(_ key: String = "RSA -pkeyopt rsa_keygen_bits:2048") throws -> OpenSSLCommand {
        let openssl = try OpenSSLCommand()
        try openssl.run("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout root.key -out root.pem -subj /CN=Root -days 30")
        try openssl.run("genpkey -algorithm \(key) -out key.pem")
        try openssl.run("req -new -key key.pem -subj /CN=Signer -out signer.csr")
        try openssl.run("x509 -req -in signer.csr -CA root.pem -CAkey root.key -set_serial 7 -days 30 -out signer.pem")
        return openssl
    }

    static func read(_ openssl: OpenSSLCommand, _ name: String = "key.p12", password: String = password) throws -> PKCS12 {
        try PKCS12(openssl.read(name), password: Secret(Array(password.utf8)))
    }

    static func failure(_ file: [UInt8], password: String = password) -> PKCS12Error? {
        do throws(PKCS12Error) {
            _ = try PKCS12(file, password: Secret(Array(password.utf8)))
            return nil
        } catch { return error }
    }

    static func export(_ openssl: OpenSSLCommand, _ arguments: [String] = [], password: String = password) throws {
        try openssl.run(
            ["pkcs12", "-export", "-inkey", "key.pem", "-in", "signer.pem", "-out", "key.p12", "-passout", "pass:" + password] + arguments)
    }

    @Test(arguments: [
        ("RSA -pkeyopt rsa_keygen_bits:2048", PublicKey.Kind.rsa(bits: 2048)), ("EC -pkeyopt ec_paramgen_curve:P-384", .ec(curve: "P-384")),
        ("ED25519", .ed25519),
    ])
    func givesKeyCertificateAndChain(_ key: String, _ kind: PublicKey.Kind) throws {
        let openssl = try Self.lab(key)
        try Self.export(openssl, ["-certfile", "root.pem", "-name", "Кеңсе"])
        let file = try Self.read(openssl)
        #expect(file.certificate.subject == "CN=Signer")
        #expect(file.certificate.publicKey == file.key.publicKey)
        #expect(file.key.publicKey.kind == kind)
        #expect(file.others.map(\.subject) == ["CN=Root"])
        #expect(file.keyName == "Кеңсе")
        #expect(try file.key.publicKey == PrivateKey.readPEM(openssl.read("key.pem")).publicKey)
    }

    /// RC2 with 40 bits around the certificates, 3DES around the key, SHA-1 in the MAC; then the same in BER, which is how NCA RK writes.
    @Test func readsTheEncryptionOfTheNineties() throws {
        let openssl = try Self.lab()
        try Self.export(openssl, ["-legacy", "-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-RC2-40", "-macalg", "sha1", "-iter", "1024"])
        #expect(try Self.read(openssl).certificate.subject == "CN=Signer")
        let indefinite = try PKCS12File.indefinite(openssl.read("key.p12"))
        #expect(try PKCS12(indefinite, password: Secret(Array(Self.password.utf8))).key.publicKey == Self.read(openssl).key.publicKey)
        #expect(Self.failure(indefinite, password: "another")?.kind == .wrongPassword)
        // openssl itself reads what was written so
        try openssl.write(indefinite, to: "indefinite.p12")
        try openssl.run(["pkcs12", "-legacy", "-in", "indefinite.p12", "-nodes", "-out", "all.pem", "-passin", "pass:" + Self.password])
        // The legacy provider was for the file alone.
        try Self.export(openssl, ["-legacy", "-keypbe", "PBE-SHA1-RC4-128", "-certpbe", "PBE-SHA1-RC2-128"])
        #expect(try Self.read(openssl).key.publicKey.kind == .rsa(bits: 2048))
    }

    @Test func readsModernFilesInBERToo() throws {
        let openssl = try Self.lab()
        try Self.export(openssl)
        let indefinite = try PKCS12File.indefinite(openssl.read("key.p12"))
        #expect(try PKCS12(indefinite, password: Secret(Array(Self.password.utf8))).certificate.subject == "CN=Signer")
    }

    @Test(arguments: ["", "Құпия", "құпия 1", "Құпия 1\n"]) func aWrongPasswordIsSaid(_ password: String) throws {
        let openssl = try Self.lab("EC -pkeyopt ec_paramgen_curve:P-256")
        try Self.export(openssl)
        let error = try #require(Self.failure(openssl.read("key.p12"), password: password))
        #expect(error.kind == .wrongPassword)
        #expect(error.reason == "the password is wrong")
        #expect(password.isEmpty || !error.description.contains(password))
    }

    @Test func noPasswordIsAPasswordToo() throws {
        let openssl = try Self.lab("EC -pkeyopt ec_paramgen_curve:P-256")
        try Self.export(openssl, password: "")
        #expect(try Self.read(openssl, password: "").certificate.subject == "CN=Signer")
    }

    @Test func aFileWithoutAKeyIsSaidToHaveNone() throws {
        let openssl = try Self.lab()
        try openssl.run(["pkcs12", "-export", "-nokeys", "-in", "signer.pem", "-out", "key.p12", "-passout", "pass:" + Self.password])
        let error = try #require(Self.failure(openssl.read("key.p12")))
        #expect(error.kind == .noKey)
        #expect(error.reason.contains("CN=Signer"))
        #expect(try Self.failure(PKCS12File().encoded(password: Self.password, with: openssl))?.kind == .noKey)
    }

    @Test func severalKeysAreNamedEach() throws {
        let openssl = try Self.lab("EC -pkeyopt ec_paramgen_curve:P-256")
        try openssl.run("pkey -in key.pem -outform DER -out key.der")
        try openssl.run("pkcs8 -topk8 -nocrypt -in key.pem -outform DER -out key.p8")
        try openssl.run("x509 -in signer.pem -outform DER -out signer.der")
        var file = PKCS12File()
        try file.add(key: openssl.read("key.p8"), name: "қол қою", identifier: [1])
        try file.add(key: openssl.read("key.p8"), name: nil, identifier: [2])
        try file.add(key: openssl.read("key.p8"), name: "auth")
        try file.add(key: openssl.read("key.p8"), name: nil)
        try file.add(certificate: openssl.read("signer.der"), identifier: [2])
        let error = try #require(Self.failure(file.encoded(password: Self.password, with: openssl)))
        #expect(error.kind == .severalKeys)
        #expect(error.reason == "there are 4 private keys in it: қол қою; CN=Signer; auth; key 4, without a name")
    }

    @Test func keysInTheClearAndBagsWithinBagsAreRead() throws {
        let openssl = try Self.lab()
        try openssl.run("pkcs8 -topk8 -nocrypt -in key.pem -outform DER -out key.p8")
        try openssl.run("x509 -in signer.pem -outform DER -out signer.der")
        var file = PKCS12File()
        try file.add(key: openssl.read("key.p8"), name: "one")
        try file.add(certificate: openssl.read("signer.der"))
        for depth in 1...4 {
            let read = Self.failure(try file.encoded(password: Self.password, with: openssl))
            #expect((read == nil) == (depth < 5), "\(depth): \(String(describing: read))")
            file.nest()
        }
        #expect(try Self.failure(file.encoded(password: Self.password, with: openssl))?.kind == .unreadable)
        try #expect(Self.failure(file.encoded(password: "another", with: openssl))?.kind == .wrongPassword)
    }

    @Test func aKeyWithoutItsCertificateIsRefused() throws {
        let openssl = try Self.lab()
        try openssl.run("pkcs8 -topk8 -nocrypt -in key.pem -outform DER -out key.p8")
        try openssl.run("x509 -in root.pem -outform DER -out root.der")
        var file = PKCS12File()
        try file.add(key: openssl.read("key.p8"), name: "one")
        let none = try #require(Self.failure(file.encoded(password: Self.password, with: openssl)))
        #expect(none.kind == .noCertificate)
        #expect(none.reason == "no certificate is in it")
        try file.add(certificate: openssl.read("root.der"))
        let another = try #require(Self.failure(file.encoded(password: Self.password, with: openssl)))
        #expect(another.kind == .noCertificate)
        #expect(another.reason == "none of its certificates has the key's public key")
        let secret = Secret(Array(Self.password.utf8))
        let encoded = try file.encoded(password: Self.password, with: openssl)
        let signer = try Certificate.readPEM(openssl.read("signer.pem"))[0]
        let root = try Certificate.readPEM(openssl.read("root.pem"))[0]
        let given = try PKCS12(encoded, password: secret, certificate: signer)
        #expect(given.certificate == signer)
        #expect(given.others == [root])
        let error = #expect(throws: PKCS12Error.self) { try PKCS12(encoded, password: secret, certificate: root) }
        #expect(error?.kind == .noCertificate)
        #expect(error?.reason.contains("CN=Root") == true)
    }

    @Test func ofSeveralCertificatesOfTheKeyTheLastToBeginIsTaken() throws {
        let openssl = try Self.lab()
        try openssl.run("pkcs8 -topk8 -nocrypt -in key.pem -outform DER -out key.p8")
        try openssl.run("x509 -in signer.pem -outform DER -out old.der")
        try openssl.run("x509 -in root.pem -outform DER -out root.der")
        let key = try PrivateKey.readPEM(openssl.read("key.pem"))
        let start = Date(timeIntervalSince1970: Date().timeIntervalSince1970.rounded() + 60)
        let renewed = try CertificateBuilder.documentSigner(
            .init(commonName: "Renewed"), notBefore: start, notAfter: start.addingTimeInterval(3600), serialNumber: [9]
        ).selfSigned(by: key)
        var file = PKCS12File()
        for certificate in [try openssl.read("old.der"), renewed.der, try openssl.read("root.der"), try openssl.read("root.der")] {
            file.add(certificate: certificate)
        }
        try file.add(key: openssl.read("key.p8"), name: "one")
        let read = try PKCS12(file.encoded(password: Self.password, with: openssl), password: Secret(Array(Self.password.utf8)))
        #expect(read.certificate == renewed)
        #expect(read.others.map(\.subject) == ["CN=Root"])
    }

    @Test func aFileWithoutMACIsRefused() throws {
        let openssl = try Self.lab()
        try Self.export(openssl, ["-nomac"])
        #expect(try Self.failure(openssl.read("key.p12"))?.kind == .withoutMAC)
    }

    @Test func keysThatDoNotSignHereAreNamed() throws {
        let openssl = try Self.lab()
        try openssl.run("genpkey -algorithm X25519 -out x25519.pem")
        try openssl.run("pkcs8 -topk8 -nocrypt -in x25519.pem -outform DER -out key.p8")
        var file = PKCS12File()
        try file.add(key: openssl.read("key.p8"), name: "one")
        let error = try #require(Self.failure(file.encoded(password: Self.password, with: openssl)))
        #expect(error.kind == .keyUnsupported)
        #expect(error.reason.contains("1.3.101.110"))
    }

    @Test func damagedFilesAreErrors() throws {
        let openssl = try Self.lab("EC -pkeyopt ec_paramgen_curve:P-256")
        try Self.export(openssl)
        let good = try openssl.read("key.p12")
        #expect(Self.failure([])?.kind == .unreadable)
        #expect(Self.failure(Array("-----BEGIN PRIVATE KEY-----".utf8))?.kind == .unreadable)
        #expect(Self.failure([UInt8](repeating: 0x30, count: PKCS12.bytesMax + 1))?.kind == .unreadable)
        for count in stride(from: 0, to: good.count, by: 29) { #expect(Self.failure(Array(good.prefix(count)))?.kind == .unreadable) }
        var taken = 0
        for index in stride(from: 0, to: good.count, by: 11) {
            var damaged = good
            damaged[index] ^= 0x10
            // The MAC's own numbers may change without harm only where they mean the same
            if Self.failure(damaged) == nil { taken += 1 }
        }
        #expect(taken <= 1)
        #expect(Self.failure(good) == nil)
    }

    // MARK: - Files of NCA RK

    static let vectors: [String] = {
        guard let root = ProcessInfo.processInfo.environment["TANBA_VECTORS"] else {
            print("SKIPPED: PKCS #12 files of NCA RK, because TANBA_VECTORS names no folder of them")
            return []
        }
        let folder = root + "/kz/p12"
        return (FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []).filter { $0.hasSuffix(".p12") }.map {
            folder + "/" + $0
        }
    }()

    /// 3DES, RC2 with 40 bits and indefinite lengths are read; what is in them is a key of GOST, which is named.
    @Test(.enabled(if: !vectors.isEmpty), arguments: vectors) func filesOfNCAAreOpened(_ path: String) throws {
        let file = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        let error = try #require(Self.failure(file, password: "Qwerty12"))
        #expect(error.kind == .keyUnsupported, "\(error)")
        #expect(error.reason.contains("1.2.398.3.10.1.1.2.2"), "\(error)")
        #expect(Self.failure(file, password: "Qwerty13")?.kind == .wrongPassword)
    }
}
