import Foundation
import Testing

/// `tanba tokens test`: keys are proved and measured, and what is wrong is said.
@Suite(.enabled(if: Stand.isAvailable)) struct TrialTests {
    private struct Report: Decodable {
        struct Key: Decodable {
            var key: String
            var healthy: Bool
            var state: String
            var profiles: [String]
            var algorithm: String
            var signatures: Int
            var width: Int
            var kneeFound: Bool
            var signaturesPerSecond: Double
            var daysLeft: Int?
            var problems: [String]
        }
        var keys: [Key]
    }

    private func report(_ ended: Ended) throws -> [Report.Key] {
        try JSONDecoder().decode(Report.self, from: Data(ended.output.utf8)).keys
    }

    /// A token with a certificate beside each of its keys, and a configuration with a profile for each.
    private func prepared(_ kinds: String..., module: String = Stand.module, pin: String = "pin", label: String = "office") throws -> Stand {
        let stand = try Stand()
        try stand.makeAuthority()
        try stand.done(["init"] + stand.office + ["--so-pin", "file:so-pin"])
        var profiles = ""
        for (index, kind) in kinds.enumerated() {
            let id = "0\(index + 1)"
            try stand.done(["key"] + stand.office + ["--kind", kind, "--id", id])
            try stand.issue(id)
            try stand.done(["import", "\(id).pem", "--id", id] + stand.office)
            profiles += "  - name: profile-\(id)\n    token: hsm\n    key: \"\(id)\"\n    level: B-B\n"
        }
        try stand.folder.write(
            "tokens:\n  - name: hsm\n    module: \(module)\n    label: \(label)\n    pin: file:\(stand.folder(pin))\nprofiles:\n" + profiles,
            to: "tanba.yaml")
        return stand
    }

    private let words = ["test", "--config", "tanba.yaml", "--seconds", "1"]

    @Test func goodKeysAreProvedAndMeasured() throws {
        let stand = try prepared("p-256", "rsa-2048")
        let ended = try stand.tokens(words + ["--json"])
        #expect(ended.status == 0 && ended.errors == "", "\(ended)")
        let keys = try report(ended)
        #expect(keys.map(\.key) == ["key 01 on token hsm", "key 02 on token hsm"])
        #expect(keys.map(\.algorithm) == ["ecdsa-sha256", "rsa-pkcs1-sha256"])
        for (key, profile) in zip(keys, ["profile-01", "profile-02"]) {
            #expect(key.healthy && key.state == "up" && key.profiles == [profile] && key.problems == [])
            #expect(key.signatures > 10 && key.signaturesPerSecond > 5 && key.width >= 1)
            #expect(key.daysLeft.map { (18...20).contains($0) } == true)
        }
        let text = try stand.tokens(words)
        #expect(text.status == 0 && text.output.contains("key 01 on token hsm: good, token up, for profile-01\n"), "\(text)")
        #expect(text.output.contains(" signatures/s by ecdsa-sha256; "), "\(text)")
    }

    /// 20 ms a signature while at most four are made at once; past that each takes longer.
    @Test func theKneeIsFound() throws {
        let shim = try Stand().shim()
        let stand = try prepared("p-256", module: shim.module)
        let (_, environment) = try stand.shim(rules: "knee office 20 4\n")
        let ended = try stand.tokens(["test", "--config", "tanba.yaml", "--seconds", "3", "--json"], environment: environment)
        #expect(ended.status == 0, "\(ended)")
        let key = try #require(try report(ended).first)
        #expect((2...6).contains(key.width), "\(ended)")
        #expect((80...220).contains(key.signaturesPerSecond), "\(ended)")
    }

    @Test func aWrongPINIsSentOnceForAllKeys() throws {
        let shim = try Stand().shim()
        let stand = try prepared("p-256", "p-256", module: shim.module, pin: "wrong-pin")
        let ended = try stand.tokens(words + ["--json"], environment: try stand.shim().environment)
        #expect(ended.status == 1, "\(ended)")
        let keys = try report(ended)
        #expect(keys.count == 2)
        for key in keys {
            #expect(!key.healthy && key.state == "locked-out" && key.signatures == 0, "\(ended)")
            #expect(key.problems.first?.contains("CKR_PIN_INCORRECT") == true, "\(ended)")
        }
        #expect(try stand.calls("C_Login") == 1)
        #expect(!(ended.output + ended.errors).contains("000000"))
    }

    @Test func aTokenThatIsNotThereIsAway() throws {
        let stand = try prepared("p-256", label: "elsewhere")
        let ended = try stand.tokens(words)
        #expect(ended.status == 1, "\(ended)")
        #expect(ended.output.contains("key 01 on token hsm: NOT GOOD, token away"), "\(ended)")
        #expect(ended.output.contains("  PROBLEM: ") && ended.output.contains("elsewhere"), "\(ended)")
    }

    @Test func aCertificateOfAnotherKeyIsFound() throws {
        let stand = try prepared("p-256", "p-256")
        let text = try stand.folder.read("tanba.yaml")
        try stand.folder.write(text.replacing("key: \"01\"\n", with: "key: \"01\"\n    certificate: 02.pem\n"), to: "tanba.yaml")
        let ended = try stand.tokens(words + ["--json"])
        #expect(ended.status == 1, "\(ended)")
        let keys = try report(ended)
        #expect(keys.map(\.healthy) == [false, true], "\(ended)")
        #expect(keys[0].problems.first?.contains("the key 01") == true && keys[0].state == "misfit", "\(ended)")
    }

    @Test func whatCannotBeTestedIsExplained() throws {
        let stand = try Stand()
        try stand.folder.write("tokens:\n  - name: hsm\n    module: /m.so\n    label: l\n    pin: env:PIN\n", to: "tanba.yaml")
        try stand.ends(2, words, saying: ["has no profile with a key on a token"])
        try stand.ends(2, words + ["--token", "other"], saying: ["has no token other"])
        try stand.ends(2, ["test", "--config", "tanba.yaml", "--seconds", "0"], saying: ["--seconds is a whole number from 1 to 60"])
    }
}
