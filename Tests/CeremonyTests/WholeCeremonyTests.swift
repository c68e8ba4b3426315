import Foundation
import Testing

/// From an empty slot to a signature that OpenSSL accepts.
@Suite(.enabled(if: Stand.isAvailable)) struct WholeCeremonyTests {
    @Test(arguments: ["p-256", "p-384", "rsa-2048"]) func fromAnEmptySlotToASignature(kind: String) throws {
        let stand = try Stand()
        let folder = stand.folder
        try stand.makeAuthority()
        // Everything from the configuration: module, label, PIN and the module's own settings
        try folder.write(
            """
            tokens:
              - name: hsm
                module: \(Stand.module)
                label: office
                pin: file:\(folder("pin"))
                environment:
                  SOFTHSM2_CONF: \(folder("softhsm2.conf"))
            profiles:
              - name: office
                token: hsm
                key: "0a"
                level: B-B
            """, to: "tanba.yaml")
        let configuration = ["--config", "tanba.yaml"]
        let made = try stand.done(["init", "--so-pin", "file:so-pin"] + configuration)
        #expect(made.hasPrefix("token \"office\", serial "), "\(made)")
        let key = try stand.done(["key", "--token", "hsm", "--id", "0A", "--kind", kind, "--key-label", "Кілт"] + configuration)
        #expect(key.hasPrefix("key 0a \"Кілт\" made: ") && key.hasSuffix(", made inside, cannot leave the token\n"), "\(key)")
        let request = try stand.done(
            ["csr", "--id", "0a", "--subject", "CN=Таңба,serialNumber=IIN880101300123,O=ТОО «Ұлт»,OU=BIN010101000012,C=KZ"]
                + ["--usage", "digitalSignature", "--usage", "nonRepudiation"] + configuration)
        try folder.write(request, to: "office.csr")
        #expect(try stand.openssl("req", "-in", "office.csr", "-verify", "-noout").contains("verify OK"))
        let json = try stand.done(["csr", "--id", "0a", "--subject", "CN=a", "--json"] + configuration)
        #expect(json.hasPrefix("{\"request\":\"-----BEGIN CERTIFICATE REQUEST-----\\n"), "\(json)")
        try stand.openssl(
            "x509", "-req", "-in", "office.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "20", "-copy_extensions", "copy", "-out",
            "office.pem")
        let imported = try stand.done(["import", "office.pem", "--id", "0a"] + configuration)
        #expect(imported.contains("CN=Таңба") && imported.hasSuffix("stands beside the key\n"), "\(imported)")

        let token = try stand.listing(configuration)
        #expect(token.initialised && token.loggedIn && token.problems == [])
        #expect(token.keys.count == 1 && token.certificates.count == 1)
        #expect(token.keys[0].id == "0a" && token.keys[0].label == "Кілт" && token.keys[0].private)
        #expect(token.keys[0].extractable == false && token.keys[0].madeInside == true)
        #expect(token.certificates[0].fitsKey == true && (18...20).contains(token.certificates[0].daysLeft))
        #expect(token.certificates[0].subject.hasPrefix("CN=Таңба"))
        let text = try stand.done(["list"] + configuration)
        #expect(text.contains("key 0a \"Кілт\": ") && text.contains("days left, of this key"), "\(text)")

        try folder.write("a document", to: "document.txt")
        let environment = ["SOFTHSM2_CONF": "/nonexistent"]  // the configuration says where the tokens are
        let signed = try stand.tanba(["sign", "document.txt", "-p", "office", "-o", "out"] + configuration, environment: environment)
        #expect(signed.status == 0, "\(signed)")
        let verified = try stand.openssl(
            "cms", "-verify", "-inform", "DER", "-in", "out/document.txt.p7s", "-content", "document.txt", "-binary", "-CAfile", "ca.pem",
            "-purpose", "any", "-out", "/dev/null")
        #expect(verified.contains("CMS Verification successful"), "\(verified)")
    }

    @Test func everyKindIsMadeAndAskedFor() throws {
        let stand = try Stand()
        let kinds = ["rsa-2048", "p-256", "p-384", "ed25519", "rsa-3072"]
        try stand.done(["init"] + stand.office + ["--so-pin", "file:so-pin"])
        for (index, kind) in kinds.enumerated() {
            let id = "0\(index + 1)"
            try stand.done(["key"] + stand.office + ["--kind", kind, "--id", id])
            try stand.done(["csr"] + stand.office + ["--id", id, "--subject", "CN=\(kind)", "--out", "\(id).csr"])
            let said = try stand.openssl("req", "-in", "\(id).csr", "-verify", "-noout", "-text")
            #expect(said.contains("verify OK") && !said.contains("Key Usage"), "\(kind): \(said)")
        }
        let keys = try stand.listing().keys
        #expect(keys.map(\.kind) == ["RSA 2048", "EC P-256", "EC P-384", "Ed25519", "RSA 3072"])
        #expect(keys.allSatisfy { $0.extractable == false && $0.madeInside == true })
    }

    @Test func withoutAPINThePublicIsSeen() throws {
        let stand = try Stand()
        try stand.prepare("p-256")
        let token = try stand.listing(["--module", Stand.module])
        #expect(!token.loggedIn && token.problems == [])
        #expect(token.keys.map(\.id) == ["01"] && !token.keys[0].private)
        #expect(token.signs.contains("CKM_ECDSA"))
    }

    @Test func aCertificateIsReplacedWhenThatIsSaid() throws {
        let stand = try Stand()
        try stand.makeAuthority()
        try stand.prepare("p-256")
        try stand.issue("01")
        try stand.issue("01", subject: "CN=Renewed,C=KZ", to: "renewed.pem")
        try stand.done(["import", "01.pem", "--id", "01"] + stand.office)
        try stand.ends(
            1, ["import", "renewed.pem", "--id", "01"] + stand.office, saying: ["token office: the key 01 has a certificate already", "--replace"])
        #expect(try stand.listing().certificates.map(\.subject) == ["CN=Office,C=KZ"])
        let replaced = try stand.done(["import", "renewed.pem", "--id", "01", "--replace", "--json"] + stand.office)
        #expect(replaced.contains("\"replaced\":1"), "\(replaced)")
        #expect(try stand.listing().certificates.map(\.subject) == ["CN=Renewed,C=KZ"])
    }

    @Test func aCertificateMayBeDER() throws {
        let stand = try Stand()
        try stand.makeAuthority()
        try stand.prepare("p-256")
        try stand.issue("01")
        try stand.openssl("x509", "-in", "01.pem", "-outform", "DER", "-out", "01.der")
        try stand.done(["import", "01.der", "--id", "01"] + stand.office)
        #expect(try stand.listing().certificates.map(\.fitsKey) == [true])
    }
}
