import CMS
import CertificateTrust
import Foundation
import Log
import Metrics
import OperatingSystem
import SigningPipeline
import SigningTestKit
import Testing
import TimeStampClient
import TimeStampProtocol

/// Governed authorities over HTTP: the demo authority, which counts what it gets.
@Suite struct GovernorHTTPTests {
    private let pki: TestPKI
    private let metrics = Metrics()

    init() throws {
        pki = try TestPKI()
        try pki.addAuthority()
    }

    private func governor(_ url: String, name: String = "demo", budget: RequestRate? = nil) throws -> Governor {
        var client = TimeStampClient.Settings(name: name, url: url)
        client.inFlightMax = 16
        var settings = Governor.Settings()
        settings.inFlightMax = 16
        settings.budget = budget
        settings.probePauseMax = .milliseconds(100)
        let asker = try TimeStampClient(client, trust: TrustAnchors(pem: pki.folder.read("ca.pem")), now: { Date() }, metrics: metrics, log: .silent)
        return Governor(asker, settings, metrics: metrics, log: .silent)
    }

    private func group(_ governors: Governor...) -> AuthorityGroup {
        AuthorityGroup(governors.map { AuthorityGroup.Member($0) }, metrics: metrics, log: .silent)
    }

    /// Asks for so many stamps, as many at once as are promised.
    private func stamp(_ count: Int, by group: AuthorityGroup) async throws -> [String: Int] {
        try await withThrowingTaskGroup(of: String.self) { tasks in
            var begun = 0
            while begun < count {
                let some = group.reserve(count - begun)
                begun += some
                for _ in 0..<some {
                    tasks.addTask {
                        let imprint = MessageImprint(of: Randomness.bytes(32), by: .sha256)
                        let stamp = try await group.timeStamp(imprint) { true }
                        #expect(stamp.token.imprint == imprint)
                        return stamp.authority
                    }
                }
                if some == 0 { try await Task.sleep(for: .milliseconds(5)) }
            }
            return try await tasks.reduce(into: [:]) { $0[$1, default: 0] += 1 }
        }
    }

    @Test func aBudgetKeepsWithinALimit() async throws {
        let authority = try DemoAuthority(pki, script: "limit 25 1")
        let governor = try governor(authority.url, budget: RequestRate(25, in: .seconds(1)))
        #expect(try await stamp(60, by: group(governor)) == ["demo": 60])
        let counts = try await authority.counts()
        #expect(counts["limited"] == 0 && counts["granted"] == 60)
    }

    @Test(arguments: ["limit 5 1", "limit 5 1 date"]) func aLimitIsLearnedFromRetryAfter(_ script: String) async throws {
        let authority = try DemoAuthority(pki, script: script)
        let governor = try governor(authority.url)
        #expect(try await stamp(12, by: group(governor)) == ["demo": 12])
        let counts = try await authority.counts()
        #expect(counts["granted"] == 12 && (1...8).contains(counts["limited"] ?? 0), "\(counts)")
        #expect(governor.status.budget != nil)
    }

    @Test func whatDiesAndLiesIsReplacedAndComesBack() async throws {
        let (first, second) = (try DemoAuthority(pki, port: refusingPort()), try DemoAuthority(pki, script: "flipped-signature"))
        let (a, b) = (try governor(first.url, name: "a"), try governor(second.url, name: "b"))
        let group = group(b, a)
        #expect(try await stamp(100, by: group) == ["a": 100])
        #expect(b.status.state == "lying")
        #expect(try await second.counts()["requests"].map { $0 <= 16 } == true)
        let port = first.port
        #expect(first.stop() == 0)
        let waiting = Task { try await stamp(100, by: group) }
        while a.status.state != "away" { try await Task.sleep(for: .milliseconds(5)) }
        #expect(group.obstacle?.contains("authority a, which is away") == true)
        let again = try DemoAuthority(pki, port: port)
        #expect(try await waiting.value == ["a": 100])
        #expect(try await again.counts()["granted"] ?? 0 >= 100)
        await a.close()
        await b.close()
        #expect(group.reserve(1) == 0)
    }
}
