import Foundation
import LibCrypto
import Testing

@Suite struct CertificateBuilderTests {
    @Test func fieldsAreWhatWasAsked() throws {
        let pki = try TestPKI()
        #expect(pki.root.isCA && pki.authority.isCA && !pki.signer.isCA)
        #expect(pki.signer.subject == "CN=Signer,C=KZ")
        #expect(pki.signer.issuer == "CN=Authority,C=KZ")
        #expect(pki.signer.issuerDER == pki.authority.subjectDER)
        #expect(pki.signer.publicKey == pki.leafKey.publicKey)
        #expect(pki.signer.notBefore == TestPKI.start && pki.signer.notAfter == TestPKI.end)
        #expect(pki.signer.keyUsage == [.digitalSignature, .nonRepudiation])
        #expect(pki.signer.extendedKeyUsage == nil)
        #expect(pki.signer.authorityKeyIdentifier == pki.authority.subjectKeyIdentifier)
        #expect(pki.timeStamper.extendedKeyUsage == ["1.3.6.1.5.5.7.3.8"])
        #expect(pki.timeStamper.isExtendedKeyUsageCritical)
        // A serial number is positive: a leading zero byte in DER, none in hex.
        #expect(pki.authority.serialNumberDER == [0x02, 3, 0, 0x80, 2])
        #expect(pki.authority.serialNumberHex == "8002")
    }

    @Test func namesAreUTF8AndInOrder() throws {
        let key = try PrivateKey.generateEC(curve: "P-256")
        let name = DistinguishedName([.init("C", "KZ"), .init("CN", "Ұлттық орталық"), .init("2.5.4.97", "BIN000140000123")])
        let made = try CertificateBuilder.authority(name, notBefore: TestPKI.start, notAfter: TestPKI.end, serialNumber: [7]).selfSigned(
            by: key)
        #expect(made.subject == "organizationIdentifier=BIN000140000123,CN=Ұлттық орталық,C=KZ")
        #expect(made.subjectAttribute("2.5.4.3") == "Ұлттық орталық")
        let openssl = try OpenSSLCommand()
        try openssl.write(made.der, to: "cert.der")
        let said = try openssl.run("x509 -inform DER -in cert.der -noout -subject -nameopt RFC2253,-esc_msb").text
        #expect(said == "subject=\(made.subject)\n")
    }

    @Test func mistakesAreErrors() throws {
        let key = try PrivateKey.generateEC(curve: "P-256")
        func made(_ builder: CertificateBuilder) throws -> Certificate { try builder.selfSigned(by: key) }
        #expect(throws: CryptoError.self) { try made(TestPKI.signerBuilder.with("keyUsage", "everything")) }
        #expect(throws: CryptoError.self) { try made(TestPKI.signerBuilder.with("noSuchExtension", "1")) }
        var builder = TestPKI.signerBuilder
        builder.subject = DistinguishedName([.init("NOSUCH", "x")])
        #expect(throws: CryptoError.self) { try made(builder) }
        builder.subject = DistinguishedName([.init("C", "too long")])
        #expect(throws: CryptoError.self) { try made(builder) }
        // The queue of errors is empty afterwards: a good one is made and read.
        #expect(throws: Never.self) { try made(TestPKI.signerBuilder) }
    }
}
