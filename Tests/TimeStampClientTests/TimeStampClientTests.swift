import CMS
import CertificateTrust
import DER
import Foundation
import HTTPServer
import LibCrypto
import Log
import Metrics
import OperatingSystem
import SigningPipeline
import SigningTestKit
import Testing
import TimeStampClient
import TimeStampProtocol

/// The client against a real authority (OpenSSL's), and against servers that are none.
@Suite struct TimeStampClientTests {
    /// What a test may vary, with what most tests want.
    struct Parts {
        var url: String
        /// PEM
        var trust: [UInt8]
        var policy: String? = "1.2.3.4.1"
        var now: @Sendable () -> Date = { Date() }
        var metrics = Metrics()
        var log = Log.silent
        var change: (inout TimeStampClient.Settings) -> Void = { _ in }

        init(_ url: String, _ pki: TestPKI) throws { (self.url, trust) = (url, try pki.folder.read("ca.pem")) }

        func make() throws -> TimeStampClient {
            var settings = TimeStampClient.Settings(name: "demo", url: url, policy: policy)
            change(&settings)
            return try TimeStampClient(settings, trust: TrustAnchors(pem: trust), now: now, metrics: metrics, log: log)
        }
    }

    private static func imprint(_ algorithm: DigestAlgorithm = .sha256) -> MessageImprint {
        MessageImprint(of: Randomness.bytes(70), by: algorithm)
    }

    /// The error of one request; a test fails when there is none.
    private static func failure(_ client: TimeStampClient) async throws -> TimeStampAuthorityError {
        try await #require(throws: TimeStampAuthorityError.self) { try await client.timeStamp(imprint()) }
    }

    private static func hex(_ bytes: [UInt8]) -> String { bytes.map { String(format: "%02x", $0) }.joined() }

    // MARK: an honest authority

    @Test(arguments: [TestPKI.Key.p256, .p384, .rsa2048], [DigestAlgorithm.sha256, .sha384, .sha512])
    func tokensComeBackCheckedAndOpenSSLAgrees(_ key: TestPKI.Key, _ algorithm: DigestAlgorithm) async throws {
        let pki = try TestPKI()
        try pki.addAuthority(key: key)
        let authority = try DemoAuthority(pki)
        let imprint = Self.imprint(algorithm)
        let token = try await Parts(authority.url, pki).make().timeStamp(imprint)
        #expect(token.imprint == imprint && token.policy.dotted == "1.2.3.4.1")
        #expect(abs(token.time.timeIntervalSinceNow) < 60)
        #expect(token.authority.subject == "CN=Test TSA tsa")
        try pki.folder.write(token.der, to: "token")
        let said = try pki.folder.openssl("ts -verify -digest \(Self.hex(imprint.digest)) -in token -token_in -CAfile ca.pem")
        #expect(said.output.contains("Verification: OK"))
        let text = try pki.folder.openssl("ts -reply -in token -token_in -text").output.lowercased()
        #expect(text.contains("serial number: 0x\(token.serialNumberHex)"))
    }

    @Test func anAuthorityMayChooseThePolicy() async throws {
        let pki = try TestPKI()
        try pki.addAuthority()
        let authority = try DemoAuthority(pki, policy: "1.2.3.4.77")
        var parts = try Parts(authority.url, pki)
        parts.policy = nil
        #expect(try await parts.make().timeStamp(Self.imprint()).policy.dotted == "1.2.3.4.77")
    }

    @Test func manyAtOnceShareOneCheckOfTheCertificate() async throws {
        let pki = try TestPKI()
        try pki.addAuthority()
        let authority = try DemoAuthority(pki)
        let events = Locked<[LogEvent]>([])
        var parts = try Parts(authority.url, pki)
        parts.log = Log(minimum: .debug) { event in events.withLock { $0.append(event) } }
        let client = try parts.make()
        let imprints = (0..<200).map { _ in Self.imprint() }
        let tokens = try await withThrowingTaskGroup(of: (MessageImprint, TimeStampToken).self) { group in
            for imprint in imprints { group.addTask { (imprint, try await client.timeStamp(imprint)) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(tokens.count == 200 && tokens.allSatisfy { $0.0 == $0.1.imprint })
        #expect(Set(tokens.map(\.1.serialNumberHex)).count == 200)
        #expect(events.withLock { $0.map(\.event) } == ["timestamp-certificate-trusted"])
        let metrics = String(decoding: parts.metrics.prometheusText(), as: UTF8.self)
        #expect(metrics.contains("tanba_timestamp_requests_total{authority=\"demo\",outcome=\"granted\"} 200\n"))
        #expect(metrics.contains("tanba_timestamp_seconds_count{authority=\"demo\"} 200\n"))
    }

    // MARK: an authority that cannot be believed, or does not stamp

    @Test func anotherRootIsNotTrusted() async throws {
        let (pki, stranger) = (try TestPKI(), try TestPKI())
        try pki.addAuthority()
        let authority = try DemoAuthority(pki)
        var parts = try Parts(authority.url, pki)
        parts.trust = try stranger.folder.read("ca.pem")
        let error = try await Self.failure(parts.make())
        #expect(error.fault == "certificate-untrusted" && error.remedy.contains("trust file"))
        #expect(parts.metrics.counterValue("certificate-untrusted") == 1)
    }

    @Test func anotherPolicyIsRejectedByTheAuthority() async throws {
        let pki = try TestPKI()
        try pki.addAuthority()
        let authority = try DemoAuthority(pki)
        var parts = try Parts(authority.url, pki)
        parts.policy = "1.2.3.4.9"
        let error = try await Self.failure(parts.make())
        #expect(error.fault == "status" && error.reason.contains("unacceptedPolicy"))
    }

    @Test(arguments: [-400.0, 400.0]) func aClockThatIsOffIsSeen(_ seconds: Double) async throws {
        let pki = try TestPKI()
        try pki.addAuthority()
        let authority = try DemoAuthority(pki)
        var parts = try Parts(authority.url, pki)
        parts.now = { Date().addingTimeInterval(seconds) }
        #expect(try await Self.failure(parts.make()).fault == "time-outside-window")
        parts.change = { $0.clockTolerance = .seconds(500) }
        _ = try await parts.make().timeStamp(Self.imprint())
    }

    /// A cache in between: each answer is a true one, of the request before.
    @Test func anAnswerToAnotherRequestIsRefused() async throws {
        let pki = try TestPKI()
        try pki.addAuthority()
        let authority = try DemoAuthority(pki)
        let honest = try await Parts(authority.url, pki).make().timeStamp(Self.imprint())
        let reply: [UInt8] = [0x30, 0x82] + size(honest.der.count + 5) + [0x30, 0x03, 0x02, 0x01, 0x00] + honest.der
        let replayer = try HTTPServer { _ in HTTPServerResponse(200, contentType: "application/timestamp-reply", body: reply) }
        let client = try Parts("http://127.0.0.1:\(replayer.port)/", pki).make()
        #expect(try await Self.failure(client).fault == "imprint-differs")
        let error = await #expect(throws: TimeStampAuthorityError.self) { try await client.timeStamp(honest.imprint) }
        #expect(error?.fault == "nonce-differs" && error?.remedy.contains("proxy") == true)
    }

    private func size(_ count: Int) -> [UInt8] { [UInt8(count >> 8), UInt8(count & 255)] }

    // MARK: a server that is no authority

    @Test(arguments: [
        (200, "application/timestamp-reply", "garbage", "not-der"),
        (200, "application/timestamp-reply", "", "not-der"),
        (200, "application/timestamp-reply; charset=x", "0", "not-der"),
        (200, "text/html", "<html>", "content-type"),
        (302, "text/html", "", "http-status"),
        (403, "text/html", "", "http-status"),
        (429, "text/html", "", "http-status"),
        (500, "application/timestamp-reply", "", "http-status"),
    ])
    func whatIsNoAnswerIsTold(_ status: Int, _ type: String, _ body: String, _ fault: String) async throws {
        let server = try HTTPServer { _ in HTTPServerResponse(status, contentType: type, body: Array(body.utf8)) }
        let parts = try Parts("http://127.0.0.1:\(server.port)/", try TestPKI())
        let error = try await Self.failure(parts.make())
        #expect(error.fault == fault)
        #expect(error.authority == "demo" && !error.reason.isEmpty && !error.remedy.isEmpty)
        #expect(parts.metrics.counterValue(fault) == 1)
    }

    @Test func rejectionsSayWhy() async throws {
        // TimeStampResp { PKIStatusInfo { rejection, { "no \u{1b}[31mcredit" }, badAlg } }
        let text = Array("no \u{1b}[31mcredit".utf8)
        let info: [UInt8] = [0x02, 0x01, 0x02, 0x30, UInt8(text.count + 2), 0x0C, UInt8(text.count)] + text + [0x03, 0x02, 0x07, 0x80]
        let reply: [UInt8] = [0x30, UInt8(info.count + 2), 0x30, UInt8(info.count)] + info
        let server = try HTTPServer { _ in HTTPServerResponse(200, contentType: "application/timestamp-reply", body: reply) }
        let error = try await Self.failure(Parts("http://127.0.0.1:\(server.port)/", TestPKI()).make())
        #expect(error.fault == "status" && error.reason.contains("badAlg") && error.reason.contains("credit"))
        #expect(!error.reason.contains("\u{1b}"))
    }

    @Test func tooLongAnAnswerIsCutOff() async throws {
        let server = try HTTPServer { _ in
            HTTPServerResponse(200, contentType: "application/timestamp-reply", body: [UInt8](repeating: 0x30, count: 65 << 10))
        }
        #expect(try await Self.failure(Parts("http://127.0.0.1:\(server.port)/", TestPKI()).make()).fault == "answer-too-large")
    }

    @Test func whoTalksNonsenseIsBrokenOff() async throws {
        let server = try RawServer(.says("220 mail.example ESMTP\r\n"))
        #expect(try await Self.failure(Parts(server.url, TestPKI()).make()).fault == "broken-off")
    }

    @Test func nobodyThere() async throws {
        let parts = try Parts("http://user:secret@127.0.0.1:\(try refusingPort())/?key=hidden", try TestPKI())
        let error = try await Self.failure(parts.make())
        #expect(error.fault == "unreachable")
        #expect(!"\(error)".contains("secret") && !"\(error)".contains("hidden"))
    }

    @Test func nobodyAnswers() async throws {
        let server = try RawServer(.silent)
        var parts = try Parts(server.url, TestPKI())
        parts.change = { $0.timeout = .milliseconds(100) }
        #expect(try await Self.failure(parts.make()).fault == "timeout")
    }

    @Test func anAuthorityThatDiedAndCameBackIsUsedAgain() async throws {
        let pki = try TestPKI()
        try pki.addAuthority()
        let first = try DemoAuthority(pki, port: refusingPort())
        let client = try Parts(first.url, pki).make()
        _ = try await client.timeStamp(Self.imprint())
        #expect(first.stop() == 0)
        #expect(try await Self.failure(client).fault == "unreachable")
        let second = try DemoAuthority(pki, port: first.port)
        _ = try await client.timeStamp(Self.imprint())
        #expect(second.stop() == 0)
    }

    // MARK: the client's own part

    @Test func everyRequestHasItsOwnNonceAndAsksForTheCertificate() async throws {
        let bodies = Locked<[[UInt8]]>([])
        let server = try HTTPServer { request in
            #expect(request.method == "POST" && request.contentType == "application/timestamp-query")
            bodies.withLock { $0.append(request.body) }
            return HTTPServerResponse(503, text: "")
        }
        let (pki, imprint) = (try TestPKI(), Self.imprint())
        var parts = try Parts("http://127.0.0.1:\(server.port)/", pki)
        parts.policy = "1.2.3.4.55"
        let client = try parts.make()
        for _ in 0..<50 { await #expect(throws: TimeStampAuthorityError.self) { try await client.timeStamp(imprint) } }
        let seen = bodies.withLock { $0 }
        #expect(Set(seen).count == 50)
        try pki.folder.write(seen[0], to: "query")
        let text = try pki.folder.openssl("ts -query -in query -text").output
        #expect(text.contains("Certificate required: yes") && text.contains("Policy OID: 1.2.3.4.55"))
        #expect(text.contains(try Regex("Nonce: 0x[4-7][0-9A-F]{15}\n")))
    }

    @Test func cancellingAndClosingEndTheWait() async throws {
        let server = try RawServer(.silent)
        let client = try Parts(server.url, TestPKI()).make()
        let (cancelled, closed) = (Task { try await Self.failure(client) }, Task { try await Self.failure(client) })
        await SerialLane(label: "wait").run { server.waitForConnection() }
        cancelled.cancel()
        #expect(try await cancelled.value.fault == "cancelled")
        await client.close()
        #expect(try await closed.value.fault == "closed")
    }

    @Test(arguments: [("ftp://tsa/", "1.2.3"), ("tsa.example", "1.2.3"), ("http://tsa/", "1.x"), ("http://tsa/", "")])
    func badSettingsAreRefusedAtOnce(_ url: String, _ policy: String) throws {
        var parts = try Parts(url, TestPKI())
        parts.policy = policy
        let error = #expect(throws: TimeStampAuthorityError.self) { try parts.make() }
        #expect(error?.fault == "settings-invalid")
    }

    @Test(.enabled(if: Files.exists("/usr/bin/promtool"), "SKIPPED: promtool is not installed (apt install prometheus)"))
    func promtoolAcceptsItsMetrics() async throws {
        let parts = try Parts("http://127.0.0.1:\(try refusingPort())/", try TestPKI())
        _ = try await Self.failure(parts.make())
        let folder = try TestFolder()
        try folder.write(parts.metrics.prometheusText(), to: "metrics")
        #expect(try folder.run("sh", ["-c", "promtool check metrics <metrics"]).output.isEmpty)
    }
}

extension Metrics {
    /// Requests of the authority "demo" with this outcome.
    fileprivate func counterValue(_ outcome: String) -> Double {
        counter(
            "tanba_timestamp_requests_total", help: "Requests to time-stamping authorities, by what came of them.",
            labels: ["authority", "outcome"]
        ).value("demo", outcome)
    }
}
