import Foundation
import Testing

/// Tokens that fail in the middle of a step: what is left is said, and can be mended.
@Suite(.enabled(if: Stand.isAvailable)) struct FailureTests {
    private func words(_ module: String) -> [String] { ["--module", module, "--label", "office", "--pin", "file:pin"] }

    @Test func aTokenWithoutAUsersPINIsMadeAnew() throws {
        let stand = try Stand()
        let (module, environment) = try stand.shim(rules: "fail * C_InitPIN CKR_DEVICE_ERROR\n")
        try stand.ends(
            3, ["init", "--so-pin", "file:so-pin"] + words(module),
            saying: ["it is initialised as \"office\" and has no user's PIN", "CKR_DEVICE_ERROR", "--erase"], environment: environment)
        #expect(try stand.listing(["--module", Stand.module]).conditions == ["no user PIN yet"])
        try stand.done(["init", "--so-pin", "file:so-pin", "--erase"] + stand.office)
        #expect(try stand.listing().loggedIn)
    }

    @Test func aKeyThatIsNotMadeLeavesNothing() throws {
        let stand = try Stand()
        try stand.prepare()
        for code in ["CKR_DEVICE_MEMORY", "CKR_GENERAL_ERROR"] {
            let (module, environment) = try stand.shim(rules: "fail office C_GenerateKeyPair \(code)\n")
            try stand.ends(
                3, ["key", "--id", "01"] + words(module), saying: ["token office: C_GenerateKeyPair returned \(code)"], environment: environment)
        }
        #expect(try stand.listing().keys.isEmpty)
    }

    @Test func aCertificateIsThereOrTheOldOneStays() throws {
        let stand = try Stand()
        try stand.makeAuthority()
        try stand.prepare("p-256")
        try stand.issue("01")
        try stand.issue("01", subject: "CN=Renewed,C=KZ", to: "renewed.pem")
        try stand.done(["import", "01.pem", "--id", "01"] + stand.office)
        let replace = ["import", "renewed.pem", "--id", "01", "--replace"]
        let failing = try stand.shim(rules: "fail office C_CreateObject CKR_DEVICE_MEMORY\n")
        try stand.ends(3, replace + words(failing.module), saying: ["C_CreateObject returned CKR_DEVICE_MEMORY"], environment: failing.environment)
        #expect(try stand.listing().certificates.map(\.subject) == ["CN=Office,C=KZ"])
        let stuck = try stand.shim(rules: "fail office C_DestroyObject CKR_ACTION_PROHIBITED\n")
        try stand.ends(
            3, replace + words(stuck.module), saying: ["the new certificate stands beside the key 01, and an old one too", "maker's tool"],
            environment: stuck.environment)
        #expect(Set(try stand.listing().certificates.map(\.subject)) == ["CN=Office,C=KZ", "CN=Renewed,C=KZ"])
    }

    /// A private key that answers for another public key: no request says so.
    @Test func aRequestIsVerifiedBeforeItIsGivenOut() throws {
        let stand = try Stand()
        try stand.prepare("p-256", "p-256")
        let (module, environment) = try stand.shim(rules: "swap office\n")
        try stand.ends(
            3, ["csr", "--id", "01", "--subject", "CN=a", "--out", "a.csr"] + words(module),
            saying: ["the private and the public key 01 do not belong together"], environment: environment)
        #expect(!FileManager.default.fileExists(atPath: stand.folder("a.csr")))
    }

    /// Two tokens of one label: neither is given a PIN.
    @Test func aLabelOfTwoTokensIsNobodys() throws {
        let stand = try Stand()
        try stand.prepare("p-256")
        let twin = try run(
            "/usr/bin/softhsm2-util", ["--init-token", "--free", "--label", "office", "--pin", Stand.pin, "--so-pin", Stand.officerPIN],
            environment: ["SOFTHSM2_CONF": stand.folder("softhsm2.conf")], in: stand.folder.path)
        try #require(twin.status == 0, "\(twin)")
        let (module, environment) = try stand.shim()
        try stand.ends(3, ["key", "--id", "02"] + words(module), saying: ["several tokens are labelled \"office\""], environment: environment)
        #expect(try stand.calls("C_Login") == 0)
        let listed = try stand.tokens(["list"] + words(module), environment: environment)
        #expect(listed.status == 1 && listed.output.contains("PROBLEM: another token has this label, so no PIN was sent"), "\(listed)")
        #expect(try stand.calls("C_Login") == 0)
        // A slot says which
        let slot = try #require(try stand.listingOfAll().first { !$0.keys.isEmpty }).slot
        try stand.done(["key", "--id", "02", "--slot", "\(slot)", "--module", Stand.module, "--pin", "file:pin"])
    }

    /// Where the PIN is entered at the token, none is asked for.
    @Test func aTokenWithAKeypadIsGivenNoPIN() throws {
        let stand = try Stand()
        try stand.prepare()
        let (module, environment) = try stand.shim(rules: "flags office 0x100\n")
        let ended = try stand.tokens(["key", "--id", "01", "--module", module, "--label", "office"], environment: environment)
        // SoftHSM has no keypad and refuses; what counts is that it was asked
        #expect(ended.status == 3 && ended.errors.contains("C_Login returned"), "\(ended)")
        #expect(try stand.calls("C_Login") == 1)
    }

    @Test func aPINComesFromADescriptorOrAVariable() throws {
        let stand = try Stand()
        let script = """
            set -e; tanba=$1; shift
            "$tanba" tokens init "$@" --pin fd:3 --so-pin fd:4 3<pin 4<so-pin
            export OFFICE_PIN; OFFICE_PIN=$(cat pin)
            "$tanba" tokens key "$@" --pin env:OFFICE_PIN --id 01
            """
        let ended = try run(
            "/bin/bash", ["-c", script, "bash", try Stand.program(), "--module", Stand.module, "--label", "office"],
            environment: ["SOFTHSM2_CONF": stand.folder("softhsm2.conf")], in: stand.folder.path)
        #expect(ended.status == 0, "\(ended)")
        #expect(try stand.listing().keys.map(\.id) == ["01"])
    }
}
