import Foundation
import Testing

/// What is refused, with what is said, and that nothing was changed.
@Suite(.enabled(if: Stand.isAvailable)) struct RefusalTests {
    @Test func aWrongPINIsSentOnce() throws {
        let stand = try Stand()
        try stand.makeAuthority()
        try stand.prepare("p-256")
        try stand.issue("01")
        let (module, environment) = try stand.shim()
        let wrong = ["--module", module, "--label", "office", "--pin", "file:wrong-pin"]
        for command in [
            ["key", "--id", "02"], ["csr", "--id", "01", "--subject", "CN=a", "--out", "b.csr"], ["import", "01.pem", "--id", "01"],
        ] {
            try stand.ends(
                3, command + wrong, saying: ["token office: C_Login returned CKR_PIN_INCORRECT", "correct the PIN"], environment: environment)
            #expect(try stand.calls("C_Login") == 1, "\(command)")
        }
        #expect(!FileManager.default.fileExists(atPath: stand.folder("b.csr")))
        // A listing shows what it can, and from then on sends no PIN that may be wrong again
        for logins in [0, 0] {
            let ended = try stand.tokens(["list"] + wrong, environment: environment)
            #expect(ended.status == 1 && ended.output.contains("a wrong PIN was tried"), "\(ended)")
            #expect(try stand.calls("C_Login") == logins)
        }
        #expect(try stand.listing(["--module", Stand.module]).keys.map(\.id) == ["01"])
    }

    @Test func aListingSendsAPINOnce() throws {
        let stand = try Stand()
        try stand.prepare("p-256")
        let (module, environment) = try stand.shim()
        let wrong = ["--module", module, "--label", "office", "--pin", "file:wrong-pin"]
        for logins in [1, 0] {
            let ended = try stand.tokens(["list"] + wrong, environment: environment)
            #expect(ended.status == 1 && ended.output.contains("PROBLEM: "), "\(ended)")
            #expect(ended.output.contains("key 01 \"tanba\": EC P-256, public half only"), "\(ended)")
            #expect(try stand.calls("C_Login") == logins)
        }
    }

    @Test func beforeTheLastTryNoPINIsSent() throws {
        let stand = try Stand()
        try stand.prepare("p-256")
        for (flags, said) in [("0x20000", "one more wrong PIN locks it"), ("0x40000", "PIN is locked")] {
            let (module, environment) = try stand.shim(rules: "flags office \(flags)\n")
            let words = ["--module", module, "--label", "office", "--pin", "file:pin"]
            try stand.ends(3, ["key", "--id", "02"] + words, saying: [said], environment: environment)
            #expect(try stand.calls("C_Login") == 0)
            let listed = try stand.tokens(["list"] + words, environment: environment)
            #expect(listed.status == 1 && listed.output.contains("PROBLEM: "), "\(listed)")
            #expect(try stand.calls("C_Login") == 0)
        }
        // The same for the security officer
        for (flags, said) in [("0x200000", "one more wrong PIN of the security officer"), ("0x400000", "is locked")] {
            let (module, environment) = try stand.shim(rules: "flags office \(flags)\n")
            let words = ["--module", module, "--label", "office", "--pin", "file:pin", "--so-pin", "file:so-pin", "--erase"]
            try stand.ends(1, ["init"] + words, saying: [said], environment: environment)
            #expect(try stand.calls("C_InitToken") == 0)
        }
        #expect(try stand.listing().keys.map(\.id) == ["01"])
    }

    @Test func anIdIsTakenOnce() throws {
        let stand = try Stand()
        try stand.makeAuthority()
        try stand.prepare("p-256")
        for kind in ["p-256", "rsa-2048"] {
            try stand.ends(
                1, ["key", "--id", "01", "--kind", kind] + stand.office,
                saying: ["token office: a private key \"tanba\" has the id 01 already; choose another --id"])
        }
        #expect(try stand.listing().keys.count == 1)
    }

    @Test func aCertificateStandsBesideItsOwnKeyOnly() throws {
        let stand = try Stand()
        try stand.makeAuthority()
        try stand.prepare("p-256", "p-256")
        try stand.issue("01")
        try stand.ends(1, ["import", "01.pem", "--id", "02"] + stand.office, saying: ["is for another key than the key 02", "import the one"])
        try stand.ends(1, ["import", "01.pem", "--id", "02", "--replace"] + stand.office, saying: ["is for another key than the key 02"])
        try stand.ends(1, ["import", "ca.pem", "--id", "01"] + stand.office, saying: ["CN=Ceremony test authority", "is for another key"])
        try stand.ends(1, ["import", "01.pem", "--id", "07"] + stand.office, saying: ["no private key with the id 07; it has: 01, 02"])
        #expect(try stand.listing().certificates.count == 0)
        try stand.done(["import", "01.pem", "--id", "01"] + stand.office)
        try stand.ends(1, ["import", "01.pem", "--id", "01"] + stand.office, saying: ["stands beside the key 01 already"])
        #expect(try stand.listing().certificates.count == 1)
        // Brought by another tool to another key: found by a listing
        try stand.openssl("x509", "-in", "01.pem", "-outform", "DER", "-out", "01.der")
        let tool = try run(
            "/usr/bin/pkcs11-tool",
            ["--module", Stand.module, "--token-label", "office", "--login", "--pin", Stand.pin, "--write-object", "01.der", "--type", "cert"]
                + ["--id", "02"], environment: ["SOFTHSM2_CONF": stand.folder("softhsm2.conf")], in: stand.folder.path)
        try #require(tool.status == 0, "\(tool)")
        let listed = try stand.tokens(["list"] + stand.office)
        #expect(listed.status == 1 && listed.output.contains("PROBLEM: the certificate 02 is not that of the key 02"), "\(listed)")
    }

    @Test func aTokenIsErasedOnlyWhenThatIsSaid() throws {
        let stand = try Stand()
        try stand.prepare("p-256")
        let again = ["init", "--so-pin", "file:so-pin"] + stand.office
        try stand.ends(1, again, saying: ["token office: the token \"office\" in slot", "is initialised already", "--erase"])
        #expect(try stand.listing().keys.count == 1)
        try stand.ends(3, ["init", "--so-pin", "file:wrong-pin", "--erase"] + stand.office, saying: ["C_InitToken returned CKR_PIN_INCORRECT"])
        #expect(try stand.listing().keys.count == 1)
        // Looked at before anything is erased
        try stand.folder.write("12\n", to: "short-pin")
        let short = ["--module", Stand.module, "--label", "office", "--pin", "file:short-pin", "--erase"]
        try stand.ends(1, ["init", "--so-pin", "file:so-pin"] + short, saying: ["the user's PIN has another length", "4 to 255"])
        #expect(try stand.listing().keys.count == 1)
        // A label is one token's: another slot does not get it
        let blank = try #require(try stand.listingOfAll().first { !$0.initialised })
        try stand.ends(
            1, ["init", "--so-pin", "file:so-pin", "--slot", "\(blank.slot)"] + stand.office, saying: ["is labelled \"office\"", "another --label"])
        try stand.done(again + ["--erase"])
        let token = try stand.listing()
        #expect(token.keys.isEmpty && token.loggedIn)
    }

    @Test func whatIsNotThereIsNamed() throws {
        let stand = try Stand()
        try stand.prepare()
        let module = ["--module", Stand.module, "--pin", "file:pin"]
        try stand.ends(3, ["key", "--id", "01", "--label", "nowhere"] + module, saying: ["no token is labelled \"nowhere\"", "\"office\""])
        try stand.ends(3, ["key", "--id", "01", "--slot", "4711"] + module, saying: ["no token is in slot 4711; slots with a token: "])
        try stand.ends(3, ["list", "--module", "/nonexistent.so"], saying: ["/nonexistent.so", "cannot be loaded"])
        try stand.ends(1, ["csr", "--id", "01", "--subject", "CN=a"] + stand.office, saying: ["no private key with the id 01; it has none at all"])
        let blank = try #require(try stand.listingOfAll().first { !$0.initialised })
        try stand.ends(1, ["key", "--id", "01", "--slot", "\(blank.slot)"] + module, saying: ["is not initialised", "tanba tokens init"])
        let listed = try stand.tokens(["list", "--label", "nowhere"] + module)
        #expect(listed.status == 1 && listed.output.contains("PROBLEM: no token is labelled \"nowhere\""), "\(listed)")
    }

    @Test(arguments: [
        (["key", "--id", "1", "--label", "office"], "--id is 2 to 64 hexadecimal digits"), (["key", "--id", "0g", "--label", "office"], "--id is"),
        (["key", "--id", "01", "--kind", "dsa"], "--kind is rsa-2048"), (["key", "--label", "office"], "--id HEX is missing"),
        (["key", "--id", "01", "--label", "office", "--pin", "271828"], "--pin must say where the PIN is"),
        (["key", "--id", "01", "--label", "office"], "needs its PIN"),
        (["key", "--id", "01", "--label", "office", "--pin", "env:NO_SUCH_PIN"], "its PIN cannot be read"),
        (["key", "--id", "01", "--slot", "one"], "--slot is a number"), (["key", "--id", "01", "--token", "hsm"], "--module stands in place"),
        (["csr", "--id", "01", "--subject", "Office"], "--subject: \"Office\" in the subject has no value"),
        (["csr", "--id", "01", "--subject", "CN=a", "--usage", "everything"], "--usage is digitalSignature or nonRepudiation"),
        (["import", "nowhere.pem", "--id", "01"], "nowhere.pem"), (["import", "pin", "--id", "01"], "no BEGIN CERTIFICATE"),
        (["init", "--label", "new"], "needs its PIN"), (["init"], "its label is missing"),
        (["list", "--pin", "file:pin"], "--pin needs --label or --slot"),
        (
            ["init", "--label", "a label that is longer than thirty-two bytes", "--pin", "file:pin", "--so-pin", "file:so-pin"],
            "longer than 32 bytes"
        ),
    ])
    func aCommandLineThatCannotBeUsedIsExplained(words: [String], said: String) throws {
        let stand = try Stand()
        try stand.prepare()
        try stand.ends(2, words + ["--module", Stand.module], saying: [said])
    }

    @Test func theConfigurationsTokensAreNamed() throws {
        let stand = try Stand()
        let token = "module: \(Stand.module)\n    label: office\n    pin: env:PIN\n"
        try stand.folder.write("tokens:\n  - name: a\n    \(token)  - name: b\n    \(token)", to: "two.yaml")
        try stand.ends(2, ["key", "--id", "01", "--config", "two.yaml"], saying: ["two.yaml has several tokens; choose one with --token: a, b"])
        try stand.ends(2, ["key", "--id", "01", "--config", "two.yaml", "--token", "c"], saying: ["has no token c; it has: a, b"])
        try stand.ends(2, ["key", "--id", "01", "--config", "two.yaml", "--label", "x"], saying: ["--label goes with --module"])
        try stand.ends(2, ["list", "--config", "two.yaml", "--slot", "1"], saying: ["--slot goes with --module"])
        try stand.folder.write("worker:\n  id: a\n", to: "none.yaml")
        try stand.ends(2, ["list", "--config", "none.yaml"], saying: ["none.yaml has no tokens"])
    }
}
