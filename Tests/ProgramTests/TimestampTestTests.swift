import Foundation
import OperatingSystem
import SigningTestKit
import Testing

/// `tanba timestamp test` against the demo authority, honest and not.
@Suite struct TimestampTestTests {
    private let stand: ProgramStand

    init() throws { stand = try ProgramStand() }

    private func test(_ arguments: String...) async throws -> Ended { try await stand.run("tanba", ["timestamp", "test"] + arguments) }

    /// An authority of this test's own, which follows the script; and its address.
    private func authority(_ script: String) async throws -> (RunningProgram, url: String) {
        let (lab, portFile) = (stand.lab, stand("port"))
        try stand.write(script, to: "script")
        let authority = try RunningProgram(
            lab.sandbox + "/bin/demo-tsa",
            ["--certificate", lab.sandbox + "/pki/tsa.pem", "--key", lab.sandbox + "/pki/tsa.key", "--policy", "1.2.3.4.1", "--port", "0"]
                + ["--port-file", portFile, "--script", stand("script")], in: stand.folder)
        try await authority.wait(for: "its port") { Files.exists(portFile) }
        let port = String(decoding: try stand.read("port"), as: UTF8.self).trimmingCharacters(in: .newlines)
        return (authority, "http://127.0.0.1:\(port)/")
    }

    @Test func aConfiguredAuthorityIsShown() async throws {
        let ended = try await test("--authority", "demo")
        #expect(ended.status == 0 && ended.errors.isEmpty, "\(ended)")
        for text in [
            "demo (http://127.0.0.1:", "): good\n", " our clock\n", "accuracy    1 s\n", "policy      1.2.3.4.1, ", "serial      ",
            "Demo time-stamping authority", " days left\n", "imprint sha256", "issued by   ", "Tanba demo time root", "tsa-ca.pem",
            " ms with connecting",
        ] { #expect(ended.output.contains(text), "\(text): \(ended)") }
        // The only one needs no name
        #expect(try await test().status == 0)
    }

    @Test func programsReadJSON() async throws {
        let ended = try await test("--authority", "demo", "--json", "--digest", "sha512")
        #expect(ended.status == 0, "\(ended)")
        let found = try #require(try JSONSerialization.jsonObject(with: Data(ended.output.utf8)) as? [String: Any])
        #expect(found["good"] as? Bool == true && found["authority"] as? String == "demo" && found["imprintAlgorithm"] as? String == "sha512")
        #expect(found["accuracySeconds"] as? Double == 1 && found["policy"] as? String == "1.2.3.4.1")
        #expect(abs(try #require(found["secondsAhead"] as? Double)) < 10)
        #expect((found["serialNumber"] as? String)?.count == 32)
        #expect((found["chain"] as? [[String: Any]])?.compactMap { $0["daysLeft"] as? Int }.count == 2)
        #expect(try #require(found["milliseconds"] as? Double) > 0 && found["fault"] == nil)
    }

    @Test func aURLNeedsNoConfiguration() async throws {
        let (authority, url) = try await authority("")
        let trust = stand.lab.sandbox + "/pki/tsa-ca.pem"
        let ended = try await test(url, "--trust", trust, "--policy", "1.2.3.4.1")
        #expect(ended.status == 0 && ended.output.contains("policy      1.2.3.4.1, as asked"), "\(ended)")
        let other = try await test(url, "--trust", trust, "--policy", "1.2.3.4.8")
        #expect(other.status == 1 && other.output.contains("NOT GOOD: status\n") && other.output.contains("unacceptedPolicy"), "\(other)")
        let stranger = try await test(url.replacing("//", with: "//user:secret@"), "--trust", stand.lab.sandbox + "/pki/ca.pem")
        #expect(stranger.status == 1 && stranger.output.contains("NOT GOOD: certificate-untrusted"), "\(stranger)")
        #expect(stranger.output.contains("with --trust") && stranger.output.contains("/pki/ca.pem has not"))
        #expect(!(stranger.output + stranger.errors).contains("secret"), "\(stranger)")
        #expect(authority.isRunning)
    }

    @Test(arguments: [
        ("wrong-imprint", "imprint-differs", 1), ("wrong-nonce", "nonce-differs", 1), ("no-eku", "certificate-purpose", 1),
        ("time +4000", "time-outside-window", 1), ("flipped-signature", "signature-invalid", 1), ("two-signers", "signer-count", 1),
        ("truncated", "not-der", 1), ("rejection", "status", 1), ("html", "content-type", 1), ("status 403", "http-status", 3),
        ("limit 1 60\nafter 0 for 1 status 429 retry-after 3", "http-status", 3), ("reset", "broken-off", 3),
    ])
    func whatIsWrongIsNamed(_ script: String, _ fault: String, _ status: Int32) async throws {
        let (authority, url) = try await authority(script)
        let ended = try await test(url, "--trust", stand.lab.sandbox + "/pki/tsa-ca.pem", "--json")
        #expect(ended.status == status, "\(ended)")
        let found = try #require(try JSONSerialization.jsonObject(with: Data(ended.output.utf8)) as? [String: Any])
        #expect(found["good"] as? Bool == false && found["fault"] as? String == fault, "\(ended)")
        #expect((found["reason"] as? String)?.isEmpty == false && (found["remedy"] as? String)?.isEmpty == false)
        #expect(authority.isRunning)
    }

    @Test func nobodyThere() async throws {
        let ended = try await test("http://127.0.0.1:\(try refusingPort())/", "--trust", stand.lab.sandbox + "/pki/tsa-ca.pem")
        #expect(ended.status == 3 && ended.output.contains("NOT GOOD: unreachable"), "\(ended)")
    }

    @Test func whatCannotBeAskedIsRefusedAtOnce() async throws {
        for (arguments, text) in [
            (["http://h/", "--authority", "demo"], "leave it out"), (["ftp://user:secret@h/"], "the URL cannot be used"),
            (["http://h/", "--policy", "1.x"], "--policy is an object identifier"), (["--authority", "other"], "it has: demo"),
            (["http://h/", "--trust", "/nonexistent.pem"], "/nonexistent.pem cannot be read"), (["http://h/", "--digest", "md5"], "--digest"),
        ] {
            let ended = try await stand.run("tanba", ["timestamp", "test"] + arguments)
            #expect(ended.status == 2 && ended.errors.contains(text) && ended.output.isEmpty, "\(arguments): \(ended)")
            #expect(!ended.errors.contains("secret"), "\(ended)")
        }
    }
}
