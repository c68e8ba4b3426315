import Dispatch
import Foundation
import LibCrypto
import Testing

@Suite struct CertificateTests {
    /// Makes a certificate with the `openssl` program and returns the folder, with cert.pem and cert.der in it.
    static func make(_ extensions: [String] = [], subject: String = "/C=KZ/CN=Test", days: String = "365") throws -> OpenSSLCommand {
        let openssl = try OpenSSLCommand()
        try openssl.run("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem")
        let head = ["[req]", "distinguished_name=dn", "x509_extensions=ext", "string_mask=utf8only", "[dn]", "[ext]"]
        let settings = (head + extensions).joined(separator: "\n") + "\n"
        try openssl.write(Array(settings.utf8), to: "req.cnf")
        try openssl.run(
            ["req", "-x509", "-new", "-config", "req.cnf", "-key", "key.pem", "-out", "cert.pem", "-utf8", "-subj", subject, "-days", days])
        try openssl.run("x509 -in cert.pem -outform DER -out cert.der")
        return openssl
    }

    @Test func valuesAreThoseOfTheOpenSSLCommand() throws {
        let openssl = try Self.make(
            [
                "basicConstraints=critical,CA:TRUE", "keyUsage=critical,digitalSignature,nonRepudiation,keyCertSign",
                "extendedKeyUsage=critical,timeStamping,1.2.398.3.3.4.1.1", "subjectKeyIdentifier=hash",
                "authorityKeyIdentifier=keyid:always",
            ], subject: "/C=KZ/O=ТОО \"Таңба\", Ltd \\+ co/serialNumber=IIN880101300123/CN=Әлия #1")
        let certificate = try Certificate(der: openssl.read("cert.der"))
        func said(_ arguments: String) throws -> String {
            let line = try openssl.run("x509 -in cert.pem -noout -nameopt RFC2253,-esc_msb \(arguments)").lines[0]
            return line.split(separator: "=", maxSplits: 1).map(String.init)[1]
        }
        #expect(try certificate.subject == said("-subject"))
        #expect(try certificate.issuer == said("-issuer"))
        #expect(certificate.subject.hasPrefix("CN=Әлия #1,serialNumber=IIN880101300123,"))
        #expect(try certificate.serialNumberHex.uppercased() == said("-serial"))
        let fingerprint = try said("-fingerprint -sha256").replacing(":", with: "").lowercased()
        #expect(hex(certificate.sha256) == fingerprint)
        #expect(certificate.subjectAttribute("2.5.4.5") == "IIN880101300123")
        #expect(certificate.subjectAttribute("2.5.4.10") == "ТОО \"Таңба\", Ltd + co")
        #expect(certificate.subjectAttribute("2.5.4.4") == nil)
        let formatter = ISO8601DateFormatter()
        formatter.formatOptions = [.withInternetDateTime, .withSpaceBetweenDateAndTime]
        #expect(try formatter.string(from: certificate.notBefore) == said("-startdate -dateopt iso_8601"))
        #expect(certificate.notAfter.timeIntervalSince(certificate.notBefore) == 365 * 86400)
        #expect(certificate.keyUsage == [.digitalSignature, .nonRepudiation, .keyCertSign])
        #expect(certificate.extendedKeyUsage == ["1.3.6.1.5.5.7.3.8", "1.2.398.3.3.4.1.1"])
        #expect(certificate.isExtendedKeyUsageCritical)
        #expect(certificate.isCA)
        #expect(certificate.subjectKeyIdentifier?.count == 20)
        #expect(certificate.authorityKeyIdentifier == certificate.subjectKeyIdentifier)
        #expect(certificate.publicKey.kind == .ec(curve: "P-256"))
        #expect(certificate.issuerDER == certificate.subjectDER)
        #expect(certificate.issuerDER.first == 0x30)
        #expect(certificate.serialNumberDER.first == 0x02)
        // Names and serial number are slices of the certificate as it stands.
        #expect(certificate.der.contains(certificate.issuerDER))
        #expect(certificate.der.contains(certificate.serialNumberDER))
        try openssl.run("pkey -in key.pem -pubout -outform DER -out public.der")
        #expect(try certificate.publicKey.subjectPublicKeyInfo == openssl.read("public.der"))
    }

    @Test func absentExtensionsAreNil() throws {
        let certificate = try Certificate(der: Self.make().read("cert.der"))
        #expect(certificate.keyUsage == nil)
        #expect(certificate.extendedKeyUsage == nil)
        #expect(!certificate.isExtendedKeyUsageCritical)
        #expect(!certificate.isCA)
        #expect(certificate.subjectKeyIdentifier == nil)
        #expect(certificate.authorityKeyIdentifier == nil)
    }

    @Test func onlyWholeDERIsRead() throws {
        let der = try Self.make().read("cert.der")
        #expect(throws: CryptoError.self) { try Certificate(der: der + [0]) }
        #expect(throws: CryptoError.self) { try Certificate(der: []) }
        #expect(throws: CryptoError.self) { try Certificate(der: [0x30, 0x80]) }
        for count in stride(from: 0, to: der.count, by: 13) {
            #expect(throws: CryptoError.self) { try Certificate(der: Array(der.prefix(count))) }
        }
        // The same certificate with the outer length written in BER: 83 00 xx xx instead of 82 xx xx.
        #expect(der[0] == 0x30 && der[1] == 0x82)
        #expect(throws: CryptoError.self) { try Certificate(der: [0x30, 0x83, 0x00] + der[2...]) }
        // Indefinite length with end-of-contents octets.
        #expect(throws: CryptoError.self) { try Certificate(der: [0x30, 0x80] + der[4...] + [0, 0]) }
    }

    /// Damaged bytes are refused or read, but nothing crashes and no error stays behind for the next call.
    @Test func damagedBytesDoNoHarm() throws {
        let der = try Self.make(["keyUsage=digitalSignature", "extendedKeyUsage=emailProtection", "subjectKeyIdentifier=hash"]).read(
            "cert.der")
        var generator = SystemRandomNumberGenerator()
        let seed = UInt64.random(in: .min ... .max, using: &generator)
        print("damagedBytesDoNoHarm: seed \(seed)")
        var random = Seeded(state: seed)
        var refused = 0
        for _ in 0..<3000 {
            var damaged = der
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                damaged[Int.random(in: damaged.indices, using: &random)] = UInt8.random(in: .min ... .max, using: &random)
            }
            if (try? Certificate(der: damaged)) == nil { refused += 1 }
        }
        #expect(refused > 0)
        #expect(throws: Never.self) { try Certificate(der: der) }
    }

    @Test func pemHoldsSeveralAndSkipsText() throws {
        let first = try Self.make()
        let second = try Self.make(subject: "/CN=Second")
        let parts = try [
            Array("subject=...\n".utf8), first.read("cert.pem"), first.read("key.pem"), Array("\nremark\n".utf8), second.read("cert.pem"),
        ]
        let text = Array(parts.joined())
        let read = try Certificate.readPEM(text)
        #expect(try read.map(\.der) == [first.read("cert.der"), second.read("cert.der")])
        #expect(try read[0].pem == first.read("cert.pem"))
        #expect(throws: CryptoError.self) { try Certificate.readPEM([]) }
        #expect(throws: CryptoError.self) { try Certificate.readPEM(first.read("key.pem")) }
        #expect(throws: CryptoError.self) { try Certificate.readPEM(first.read("cert.der")) }
        // A second block that is cut off must not pass as the end of the text.
        #expect(throws: CryptoError.self) { try Certificate.readPEM(Array(text.dropLast(40))) }
        var damaged = text
        damaged[text.count - 100] = UInt8(ascii: "!")
        #expect(throws: CryptoError.self) { try Certificate.readPEM(damaged) }
    }

    /// More certificates than are kept for reuse, from several threads: each read gives its own.
    @Test func manyCertificatesAreNotMixedUp() throws {
        let key = try PrivateKey.generateEC(curve: "P-256")
        let all = try (1...300).map { number in
            let serialNumber = [UInt8(1 + number / 256), UInt8(number % 256)]
            let builder = CertificateBuilder.documentSigner(
                .init(commonName: "\(number)"), notBefore: TestPKI.start, notAfter: TestPKI.end, serialNumber: serialNumber)
            return try builder.selfSigned(by: key).der
        }
        let wrong = Counter()
        DispatchQueue.concurrentPerform(iterations: 4) { round in
            for index in all.indices {
                let at = (index * (round + 1)) % all.count
                let read = try? Certificate(der: all[at])
                if read?.der != all[at] || read?.subject != "CN=\(at + 1),C=KZ" || read?.sha256 != DigestFunction.sha256.digest(all[at]) {
                    wrong.add()
                }
            }
        }
        #expect(wrong.value == 0)
    }

    @Test func equalByDER() throws {
        let openssl = try Self.make()
        let (one, two) = try (Certificate(der: openssl.read("cert.der")), Certificate(der: openssl.read("cert.der")))
        #expect(one == two)
        #expect(Set([one, two]).count == 1)
        #expect(try one != Certificate(der: Self.make().read("cert.der")))
    }
}

/// SplitMix64: random numbers that a printed seed repeats.
struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
