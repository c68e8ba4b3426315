import CAdES
import CMS
import CertificateTrust
import Foundation
import LibCrypto
import Log
import Metrics
import OperatingSystem
import SigningModel
import SigningPipeline
import SigningTestKit
import TimeStampClient

/// A pipeline on a stream in memory, and governed authorities that OpenSSL plays, with a clock that does not wait: what a worker has.
struct FaultStand {
    static let jobs = 12
    static let policy = "1.2.3.4.1"

    let metrics = Metrics()
    private let clock = FaultClock()
    private let pki: TestPKI
    private let storage = MemoryStream("faults", partitions: 2)
    private let signer = SoftwareSigner(key: SigningTestKit.TestPKI.shared.p256.key, certificate: SigningTestKit.TestPKI.shared.p256.certificate)

    /// - Parameter pki: with an authority, whose certificate for the lie `no-eku` is `bare.pem`.
    init(_ pki: TestPKI) async {
        self.pki = pki
        for index in 0..<Self.jobs { await storage.enqueue(.test("job-\(index)", profile: "office")) }
    }

    func authority(_ script: String) throws -> DemoAuthority {
        try DemoAuthority(pki, policy: Self.policy, script: script, more: ["--no-eku-cert", pki.folder("bare.pem")])
    }

    func governor(_ name: String, _ authority: DemoAuthority, timeout: Duration) throws -> Governor {
        var settings = TimeStampClient.Settings(name: name, url: authority.url, policy: Self.policy)
        settings.inFlightMax = 64
        settings.timeout = timeout
        let client = try TimeStampClient(
            settings, trust: TrustAnchors(pem: pki.folder.read("ca.pem")), now: { Date() }, metrics: metrics, log: .silent)
        return Governor(client, clock: clock.pipelineClock, metrics: metrics, log: .silent)
    }

    var published: Int { get async { await storage.resultCount } }
    /// Private-key operations.
    var signatures: Int { signer.signed }

    /// How many requests to this authority came to what.
    func outcomes(_ name: String) -> [String: Int] {
        let text = String(decoding: metrics.prometheusText(), as: UTF8.self)
        var outcomes: [String: Int] = [:]
        for line in text.matches(of: /tanba_timestamp_requests_total\{authority="([^"]+)",outcome="([^"]+)"\} ([0-9]+)/) where line.1 == name {
            outcomes[String(line.2)] = Int(line.3)
        }
        return outcomes
    }

    /// Runs a pipeline over the jobs to its end.
    /// - Returns: what ended it before; nil when all jobs have a result.
    func run(_ governors: [Governor]) async -> (any Error)? {
        do {
            let group = AuthorityGroup(governors.map { .init($0) }, clock: clock.pipelineClock, metrics: metrics, log: .silent)
            let profile = try SigningProfile(name: "office", signers: [signer], digest: .sha256, level: .baselineT(group))
            var settings = PipelineSettings()
            settings.endsWithLog = true
            let pipeline = Pipeline(
                log: PatientLog(await MemoryJobLog(storage)), profiles: [profile], worker: "faults", settings: settings, clock: clock.pipelineClock,
                report: .silent, metrics: metrics)
            try await pipeline.run(within: .seconds(60))
            return nil
        } catch {
            return error
        }
    }

    /// What is wrong with the results: jobs without one, refused, or with a signature or a stamp that does not hold.
    /// - Parameter authority: who must have stamped them all.
    func problems(stampedBy authority: String) async -> [String] {
        var problems = await storage.breaches
        do {
            let results = try await storage.allResults()
            let trust = TrustAnchors(try Certificate.readPEM(pki.folder.read("ca.pem")))
            if results.count != Self.jobs || Set(results.compactMap(\.job)).count != Self.jobs { problems.append("\(results.count) results") }
            for result in results {
                guard case .signed(let signature, _, let stamp) = result.outcome, let job = result.job else {
                    problems.append("\(result.job ?? "?"): \(result.outcome)")
                    continue
                }
                if signature.level != .bT || stamp?.authority != authority { problems.append("\(job): stamped by \(stamp?.authority ?? "nobody")") }
                _ = try CAdESSignature(der: signature.value).verify(documentDigest: DigestFunction.sha256.digest(Array(job.utf8))) {
                    let verdict = trust.judge($0, with: $1, as: .timeStamping, at: $2)
                    if case .refused(let refusal) = verdict { return "\(refusal)" } else { return nil }
                }
            }
        } catch {
            problems.append("a signature does not hold: \(error)")
        }
        if signatures != Self.jobs { problems.append("\(signatures) private-key operations for \(Self.jobs) jobs") }
        return problems
    }
}

/// Time that nobody waits for: a sleep takes a millisecond and moves the time by its length, so that pauses between probes cost nothing.
private final class FaultClock: Sendable {
    private let origin = ContinuousClock.now
    private let skipped = Locked(Duration.zero)

    private var elapsed: Duration { (ContinuousClock.now - origin) + skipped.withLock { $0 } }

    private func sleep(_ duration: Duration) async throws {
        try await Task.sleep(for: .milliseconds(1))
        skipped.withLock { $0 += duration }
    }

    // Authorities stamp the machine's time
    var pipelineClock: PipelineClock { PipelineClock(wall: { Date() }, elapsed: { self.elapsed }, sleep: { try await self.sleep($0) }) }
}
