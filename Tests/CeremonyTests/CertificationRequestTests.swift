import CertificationRequest
import DER
import Foundation
import LibCrypto
import Testing

/// Requests by keys in memory, judged by `openssl req`.
@Suite struct CertificationRequestTests {
    private let folder: Folder
    private let key: PrivateKey

    init() throws {
        folder = try Folder()
        key = try PrivateKey.generateEC(curve: "P-256")
    }

    /// What a token answers: r and s, each of the curve's size.
    private func answer(_ toBeSigned: [UInt8], by key: PrivateKey, _ signature: RequestSignature) throws -> [UInt8] {
        let input = signature.keyInput(toBeSigned)
        if case .rsa = key.publicKey.kind {
            // The digest stands at the end of the DigestInfo
            return try key.signPKCS1(digest: Array(input.suffix(32)), function: .sha256)
        }
        let size = signature == .ecdsaSHA256 ? 32 : 48
        return try DERReader.read(key.signECDSA(digest: input)) { der in
            try der.sequence { der in
                try (0..<2).flatMap { _ in
                    let number = octets(try der.content(.integer)).drop { $0 == 0 }
                    return [UInt8](repeating: 0, count: size - number.count) + number
                }
            }
        }
    }

    private func write(_ subject: String, _ key: PrivateKey, usage: KeyUsage? = nil, to name: String = "request.pem") throws -> String {
        let signature = try #require(RequestSignature.fitting(key.publicKey))
        let info = CertificationRequestInfo(subject: try SubjectName(subject), key: key.publicKey, usage: usage)
        let answer = try answer(info.der, by: key, signature)
        #expect(signature.isValid(signature.signatureValue(answer), over: info.der, by: key.publicKey))
        let request = CertificationRequest(info, signature: signature, answer: answer)
        #expect(!request.pem.split(separator: "\n").contains { $0.count > 64 })
        try folder.write(Array(request.pem.utf8), to: name)
        return folder(name)
    }

    /// OpenSSL prints the last RDN first too, so a text in OpenSSL's own words comes back as it was.
    @Test(arguments: [
        "CN=Office", "CN=Таңба кеңсесі,serialNumber=IIN880101300123,O=ТОО «Ұлт»,OU=BIN010101000012,C=KZ",
        "CN=Айгүл+serialNumber=IIN900101400456,O=A\\, B\\+C \\\"Ltd\\\",L=Алматы,C=KZ", "CN=\\#1 \\\\ here\\ ,DC=office,DC=kz",
        "CN=a=b,UID=u1", "OU=a+OU=b+CN=c,C=KZ", "CN=🔏",
    ])
    func subjectsComeBack(subject: String) throws {
        let request = try write(subject, key)
        let said = try openssl("req", "-in", request, "-verify", "-noout", "-subject", "-nameopt", "RFC2253,utf8,-esc_msb")
        #expect(said.contains("verify OK"), "\(said)")
        let shown = try #require(said.split(separator: "\n").first { $0.hasPrefix("subject=") }).dropFirst(8)
        // A SET is in the order of its encodings (X.690, 11.6), so within one RDN the order may be another.
        #expect(parts(String(shown)) == parts(subject), "\(said)")
    }

    private func parts(_ name: String) -> [[Substring]] {
        name.replacing("\\,", with: "\u{1}").replacing("\\+", with: "\u{2}").split(separator: ",").map { rdn in
            Substring(rdn).split(separator: "+").sorted()
        }
    }

    @Test func spellingsMeanTheSame() throws {
        for (other, plain) in [
            ("cn=Office, o = B ; C=KZ", "CN=Office,O=B,C=KZ"), ("2.5.4.3=Office", "CN=Office"), ("OID.2.5.4.5=1", "serialNumber=1"),
            ("CN=\\D0\\A2", "CN=Т"), ("CN=#0c064f6666696365", "CN=Office"), ("E=a@b.kz", "emailAddress=a@b.kz"),
            ("SN=Ким,G=Ли", "surname=Ким,givenName=Ли"),
        ] { #expect(try SubjectName(other) == SubjectName(plain), "\(other)") }
        #expect(try SubjectName("CN=A,C=KZ") != SubjectName("C=KZ,CN=A"))
    }

    @Test(arguments: [
        ("", "has no value"), ("Office", "\"Office\" in the subject has no value"), ("CN=", "the value of CN is empty"),
        ("CN=a,", "ends with a separator"),
        ("CN=a,,C=KZ", "has no value"), ("XY=a", "the attribute \"XY\", which is not known"), ("C=kz", "two capital letters"), ("C=KAZ", "allows 2"),
        ("CN=" + String(repeating: "ү", count: 65), "has 65 characters, and a certificate allows 64"), ("serialNumber=ИИН1", "PrintableString"),
        ("E=ү@b.kz", "beyond ASCII"), ("CN=a\\b", "a backslash before what needs none"), ("CN=a\\", "a backslash"), ("CN=\"a\"", "quotation mark"),
        ("CN=\\FF", "not UTF-8"), ("CN=#zz", "not one element of DER"), ("CN=#0c02", "not one element of DER"), ("CN=a+CN=a", "twice in one RDN"),
    ])
    func whatIsNoNameIsExplained(text: String, said: String) {
        let error = #expect(throws: SubjectNameError.self) { try SubjectName(text) }
        #expect(error?.description.contains(said) == true, "\(String(describing: error))")
    }

    @Test func everyKindOfKeySigns() throws {
        let keys = [
            ("sha256WithRSAEncryption", try PrivateKey.generateRSA(bits: 2048)), ("ecdsa-with-SHA256", key),
            ("ecdsa-with-SHA384", try PrivateKey.generateEC(curve: "P-384")),
        ]
        for (algorithm, key) in keys {
            let request = try write("CN=Office", key, usage: [.digitalSignature, .nonRepudiation])
            let said = try openssl("req", "-in", request, "-verify", "-noout", "-text")
            for part in ["verify OK", "Signature Algorithm: \(algorithm)", "X509v3 Key Usage: critical", "Digital Signature, Non Repudiation"] {
                #expect(said.contains(part), "\(part) is not in \(said)")
            }
        }
        let plain = try openssl("req", "-in", write("CN=Office", key), "-verify", "-noout", "-text")
        #expect(!plain.contains("Key Usage") && plain.contains("verify OK"), "\(plain)")
        #expect(try RequestSignature.fitting(PrivateKey.generateEC(curve: "P-521").publicKey) == nil)
    }

    /// A token's numbers make the same key as the certificate's.
    @Test func keysAreMadeFromTheirNumbers() throws {
        let rsa = try PrivateKey.generateRSA(bits: 2048).publicKey
        let (modulus, exponent) = try DERReader.read(rsa.subjectPublicKeyInfo) { der in
            try der.sequence { der in
                _ = try der.element()
                let key = Array(octets(try der.content(.bitString)).dropFirst())
                return try DERReader.read(key) { der in
                    try der.sequence { der in (octets(try der.content(.integer)), octets(try der.content(.integer))) }
                }
            }
        }
        #expect(SubjectPublicKeyInfo.rsa(modulus: modulus, exponent: exponent) == rsa.subjectPublicKeyInfo)
        #expect(SubjectPublicKeyInfo.rsa(modulus: Array(modulus.drop { $0 == 0 }), exponent: exponent) == rsa.subjectPublicKeyInfo)
        for (curve, size, parameters) in [
            ("P-256", 65, [0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07] as [UInt8]),
            ("P-384", 97, [0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x22]), ("P-521", 133, [0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x23]),
        ] {
            let info = try PrivateKey.generateEC(curve: curve).publicKey.subjectPublicKeyInfo
            let point = Array(info.suffix(size))
            #expect(SubjectPublicKeyInfo.ec(parameters: parameters, point: point) == info)
            let wrapped = DERWriter.encode { $0.octetString(point) }
            #expect(SubjectPublicKeyInfo.ec(parameters: parameters, point: wrapped) == info)
        }
        let edwards = [UInt8](repeating: 7, count: 32)
        #expect(SubjectPublicKeyInfo.ed25519(point: edwards) == SubjectPublicKeyInfo.ed25519(point: [0x04, 0x20] + edwards))
        #expect(try RequestSignature.fitting(PublicKey(subjectPublicKeyInfo: SubjectPublicKeyInfo.ed25519(point: edwards))) == .ed25519)
    }

    private func openssl(_ arguments: String...) throws -> String {
        let ended = try run("/usr/bin/openssl", arguments)
        #expect(ended.status == 0, "openssl \(arguments): \(ended.output)\(ended.errors)")
        return ended.output + ended.errors
    }
}

private func octets(_ span: Span<UInt8>) -> [UInt8] { span.indices.map { span[$0] } }
