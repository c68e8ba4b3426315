import Foundation
import HTTPClient
import OperatingSystem
import Testing

/// The demo authority with a script; OpenSSL says what of its answers is a lie.
@Suite struct DemoScriptTests {
    private let pki: TestPKI
    private let query: [UInt8]

    init() throws {
        pki = try TestPKI()
        try pki.addAuthority()
        try pki.folder.write("document".utf8, to: "document")
        try pki.folder.openssl("ts -query -data document -sha256 -cert -tspolicy 1.2.3.4.1 -out query")
        query = try pki.folder.read("query")
    }

    private func post(_ authority: DemoAuthority, _ client: HTTPClient) async throws -> HTTPAnswer {
        let fields = [(name: "Content-Type", value: "application/timestamp-query")]
        return try await client.send(HTTPRequest(.post, try HTTPAddress(authority.url), fields: fields, body: query))
    }

    /// Statuses of so many requests, one after the other; 0 where there was no answer.
    private func statuses(_ authority: DemoAuthority, _ count: Int) async throws -> [Int] {
        let client = try HTTPClient()
        var statuses: [Int] = []
        for _ in 0..<count { statuses.append((try? await post(authority, client))?.status ?? 0) }
        return statuses
    }

    @Test(arguments: [
        ("", "Verification: OK"), ("# only a comment", "Verification: OK"), ("time +100000", "Verification: OK"),
        ("wrong-imprint", "message imprint mismatch"), ("wrong-nonce", "nonce mismatch"), ("no-nonce", "nonce not returned"),
        ("wrong-policy", "policy mismatch"), ("no-eku", "certificate verify error"), ("flipped-signature", "signature failure"),
        ("two-signers", "there must be one signer"), ("truncated", "not enough data"), ("rejection", "the script says so"),
        ("wrong-nonce\nwrong-imprint", "Verification: FAILED"), ("garbage", "Verification: FAILED"), ("after 1 wrong-nonce", "Verification: OK"),
    ])
    func openSSLSeesWhatTheScriptSays(_ script: String, _ verdict: String) async throws {
        let authority = try DemoAuthority(pki, script: script)
        let answer = try await post(authority, HTTPClient())
        #expect(answer.status == 200 && answer.mediaType == "application/timestamp-reply")
        try pki.folder.write(answer.body, to: "reply")
        let said = try pki.folder.openssl("ts -verify -queryfile query -in reply -CAfile ca.pem", expecting: nil).output
        #expect(said.contains(verdict), "\(script): \(said)")
        if script.hasPrefix("time") {
            let text = try pki.folder.openssl("ts -reply -in reply -text").output
            let stamped = try #require(text.firstMatch(of: /Time stamp: (.+)\n/)).1
            let format = DateFormatter()
            (format.locale, format.dateFormat) = (Locale(identifier: "en_US_POSIX"), "MMM d HH:mm:ss.SSS yyyy zzz")
            #expect(abs(try #require(format.date(from: String(stamped))).timeIntervalSinceNow - 100_000) < 60, "\(stamped)")
        }
    }

    /// Signed by whoever may sign for it, so that only the purpose is missing.
    @Test func theCertificateWithoutTheUsageMayBeIssued() async throws {
        let folder = pki.folder
        try folder.write("keyUsage=critical,digitalSignature".utf8, to: "bare.extensions")
        try folder.openssl(
            "x509 -req -in tsa.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 20 -extfile bare.extensions -out bare.pem")
        let authority = try DemoAuthority(pki, script: "no-eku", more: ["--no-eku-cert", folder("bare.pem")])
        try folder.write(try await post(authority, HTTPClient()).body, to: "reply")
        let said = try folder.openssl("ts -verify -queryfile query -in reply -CAfile ca.pem", expecting: 1).output
        #expect(said.contains("unsuitable certificate purpose"))
    }

    @Test func directivesAreForTheRequestsThatTheyName() async throws {
        let authority = try DemoAuthority(pki, script: "after 2 for 3 status 503\nfor 1 status 403\nafter 6 reset\n")
        #expect(try await statuses(authority, 8) == [403, 200, 503, 503, 503, 200, 0, 0])
        // From its reading on
        try authority.follow("after 1 status 500")
        #expect(try await statuses(authority, 3) == [200, 500, 500])
        let counts = try await authority.counts()
        #expect(counts["granted"] == 3 && counts["status"] == 6)
        // curl asks once more when a connection that it has used before is reset
        #expect(counts["reset"] == 2 || counts["reset"] == 3)
        #expect(counts["requests"] == 9 + counts["reset"]!)
    }

    @Test func aLimitIsOfAnyWindow() async throws {
        let (authority, client) = (try DemoAuthority(pki, script: "limit 3 3600"), try HTTPClient())
        #expect(try await statuses(authority, 6) == [200, 200, 200, 429, 429, 429])
        #expect(try await authority.counts()["limited"] == 3)
        // As many requests as it takes until two come within a window: each that is granted begins one
        func firstLimited() async throws -> HTTPAnswer {
            while true {
                let answer = try await post(authority, client)
                if answer.status != 200 { return answer }
            }
        }
        try authority.follow("limit 1 0.3")
        let first = try await firstLimited()
        #expect(first.status == 429 && first.field("Retry-After") == "1")
        try await Task.sleep(for: .milliseconds(350))
        #expect(try await statuses(authority, 1) == [200])
        try authority.follow("limit 1 0.3 ban 86400 date")
        let banned = try await firstLimited()
        #expect(banned.status == 429)
        let until = try #require(banned.field("Retry-After"))
        #expect(until.hasSuffix(" GMT") && until.contains(", "), "\(until)")
        try await Task.sleep(for: .milliseconds(350))
        #expect(try await statuses(authority, 2) == [429, 429])
    }

    @Test func slowIsNotFewer() async throws {
        let authority = try DemoAuthority(pki, script: "latency 1000")
        var settings = HTTPClient.Settings()
        settings.inFlightMax = 400
        let client = try HTTPClient(settings)
        let begin = ContinuousClock.now
        try await withThrowingTaskGroup(of: HTTPAnswer.self) { group in
            for _ in 0..<400 { group.addTask { try await post(authority, client) } }
            for try await answer in group { #expect(answer.status == 200 && answer.elapsed >= .milliseconds(1000)) }
        }
        // One after the other it would be 400 s
        #expect(ContinuousClock.now - begin < .seconds(100))
        #expect(try await authority.counts()["in_flight_max"]! > 100)
        // Who waits is answered when the script says something else
        try authority.follow("latency 86400000")
        async let waiting = post(authority, client)
        while try await authority.counts()["in_flight"] != 1 { try await Task.sleep(for: .milliseconds(5)) }
        try authority.follow("")
        #expect(try await waiting.status == 200)
    }

    @Test func theDeadRefuseAndComeBackWithTheirCounts() async throws {
        let authority = try DemoAuthority(pki)
        #expect(try await statuses(authority, 2) == [200, 200])
        try authority.follow("dead\n")
        while (try? await authority.counts()) != nil { try await Task.sleep(for: .milliseconds(5)) }
        let error = await #expect(throws: HTTPError.self) { try await post(authority, HTTPClient()) }
        #expect(error?.kind == .unreachable)
        try authority.follow("latency 1\n")
        while (try? await authority.counts()) == nil { try await Task.sleep(for: .milliseconds(5)) }
        #expect(try await statuses(authority, 1) == [200])
        #expect(try await authority.counts()["granted"] == 3)
        #expect(authority.stop() == 0)
    }

    @Test func aPageIsNoTimeStampAndAStatusMaySayWhen() async throws {
        let authority = try DemoAuthority(pki, script: "html")
        #expect(try await post(authority, HTTPClient()).mediaType == "text/html")
        try authority.follow("status 503 retry-after 120")
        #expect(try await post(authority, HTTPClient()).field("Retry-After") == "120")
        try authority.follow("status 403")
        #expect(try await post(authority, HTTPClient()).field("Retry-After") == nil)
    }

    @Test(arguments: [
        "lie", "latency", "latency x", "limit 5", "limit 0 1", "status 200", "after 1", "dead now", "time", "after x dead", "limit 1 1 ban",
    ])
    func aScriptThatIsNoneIsTold(_ script: String) async throws {
        try pki.folder.write("# nothing\n\(script)\n".utf8, to: "script")
        let said = try pki.folder.run(
            DemoAuthority.program.get(),
            ["--certificate", "tsa.pem", "--key", "tsa.key", "--policy", "1.2.3", "--port", "0", "--script", "script"], expecting: 2)
        #expect(said.output.contains("script:2: "), "\(said.output)")
        // While it runs, the one before stays
        let authority = try DemoAuthority(pki, script: "status 503")
        try authority.follow(script)
        #expect(try await statuses(authority, 1) == [503])
    }
}
