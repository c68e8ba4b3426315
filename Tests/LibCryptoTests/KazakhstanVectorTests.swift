import Foundation
import LibCrypto
import Testing

/// Real certificates of Kazakhstan's authorities (see the vectors' ORIGINS.md). OpenSSL knows no GOST key of theirs.
@Suite struct KazakhstanVectorTests {
    static let folder: URL? = {
        guard let path = ProcessInfo.processInfo.environment["TANBA_VECTORS"] else {
            print("SKIPPED: KazakhstanVectorTests, TANBA_VECTORS is not set")
            return nil
        }
        return URL(fileURLWithPath: path).appending(path: "kz")
    }()

    static func read(_ name: String) throws -> Certificate {
        let bytes = [UInt8](try Data(contentsOf: #require(folder).appending(path: name)))
        if bytes.starts(with: Array("-----BEGIN".utf8)) { return try #require(try Certificate.readPEM(bytes).first) }
        if bytes.first == 0x30 { return try Certificate(der: bytes) }
        // The signers' certificates are base64 without armour.
        return try Certificate(der: [UInt8](#require(Data(base64Encoded: Data(bytes), options: .ignoreUnknownCharacters))))
    }

    @Test(.enabled(if: folder != nil)) func everyCertificateIsRead() throws {
        let folder = try #require(Self.folder)
        var count = 0
        for group in ["production-cas", "test-cas", "cms"] {
            for name in try FileManager.default.contentsOfDirectory(atPath: folder.appending(path: group).path) {
                guard name.hasSuffix(".cer") || name.hasSuffix(".pem") else { continue }
                let certificate = try Self.read("\(group)/\(name)")
                let isRSA = name.contains("rsa")
                switch certificate.publicKey.kind {
                case .rsa(let bits): #expect(isRSA && bits == 4096, "\(name)")
                case .other(let oid): #expect(!isRSA && oid.hasPrefix("1.2.398.3.10.1.1."), "\(name): \(oid)")
                case .ec, .ed25519: Issue.record("\(name) has an EC key")
                }
                #expect(certificate.isCA == (group != "cms"), "\(name)")
                #expect(!certificate.publicKey.verifyECDSA(signature: [0x30, 0], digest: [1]))
                count += 1
            }
        }
        #expect(count >= 16)
    }

    @Test(.enabled(if: folder != nil)) func rootOf2022() throws {
        let root = try Self.read("production-cas/root_gost_2022.pem")
        #expect(hex(root.sha256).hasPrefix("af77725f8328bb24"))
        #expect(root.subject == "C=KZ,CN=НЕГІЗГІ КУӘЛАНДЫРУШЫ ОРТАЛЫҚ (GOST) 2022")
        #expect(root.serialNumberHex == "13b00cfba9629f0a3eb6192a2156a24867d0f3bd")
        #expect(root.publicKey.kind == .other("1.2.398.3.10.1.1.2.2"))
        #expect(root.publicKey.subjectPublicKeyInfo.count == 175)
        #expect(root.notBefore == Date(timeIntervalSince1970: 1_655_268_972))
    }

    @Test(.enabled(if: folder != nil)) func signerOfALegalEntity() throws {
        let signer = try Self.read("cms/legal_entity_signer.cer")
        #expect(signer.subjectAttribute("2.5.4.5")?.hasPrefix("IIN") == true)
        #expect(signer.subjectAttribute("2.5.4.11")?.hasPrefix("BIN") == true)
        #expect(signer.keyUsage?.contains([.digitalSignature, .nonRepudiation]) == true)
        let tsa = try Self.read("cms/production_tsa_gost_2025.cer")
        #expect(tsa.extendedKeyUsage == ["1.3.6.1.5.5.7.3.8"])
        #expect(tsa.isExtendedKeyUsageCritical)
    }
}
