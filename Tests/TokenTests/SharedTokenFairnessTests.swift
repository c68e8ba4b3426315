import CMS
import Foundation
import LibCrypto
import Log
import Metrics
import OperatingSystem
import PKCS11
import SigningModel
import SigningPipeline
import SigningTestKit
import Testing

@testable import TokenSigner

/// Goal: a stream with a few jobs does not wait for one with thousands that has the same token. Method: two pipelines on one token of 1 ms a
/// signature.
@Suite(.enabled(if: TokenLab.isAvailable), .timeLimit(.minutes(2))) struct SharedTokenFairnessTests {
    @Test func aFewJobsDoNotWaitForThousandsOfAnotherStream() async throws {
        let lab = TokenLab.shared
        let label = TokenLab.Label.fair.rawValue
        let token = TokenRegistry(log: .silent, metrics: Metrics()).token(
            TokenSettings(name: "t-fair", module: lab.module.path, label: label, pin: Secret(Array(TokenLab.pin.utf8)), sessions: 2))
        let signer = try await TokenSigner.start(token, key: TokenLab.p256, certificate: try Certificate(der: lab.file("p256.der")))
        let shim = try FaultShim(path: lab.module.path)
        shim.knee(of: label, milliseconds: 1, width: 2)
        defer { shim.knee(of: label, milliseconds: 0, width: 0) }
        let profile = try SigningProfile(name: "p256", signers: [signer], digest: .sha256, level: .baselineB)
        func pipeline(_ stream: MemoryStream) async -> Pipeline {
            var settings = PipelineSettings()
            settings.endsWithLog = true
            return Pipeline(
                log: PatientLog(await MemoryJobLog(stream)), profiles: [profile], worker: "w", settings: settings, report: .silent, metrics: Metrics()
            )
        }
        let (long, short) = (MemoryStream("long"), MemoryStream("short"))
        for index in 0..<5000 { await long.enqueue(.test("long-\(index)", profile: "p256")) }
        for index in 0..<20 { await short.enqueue(.test("short-\(index)", profile: "p256")) }
        let busy = await pipeline(long)
        let run = Task { try await busy.run() }
        // The token is busy with the first before the second begins
        while await long.resultCount == 0 { try await Task.sleep(for: .milliseconds(1)) }
        let before = await long.resultCount
        try await pipeline(short).run()
        let after = await long.resultCount
        #expect(await short.resultCount == 20)
        #expect(before < 1500 && after < 2500, "\(before) of 5000 were done when the others came, and \(after) when these were done")
        run.cancel()
        _ = await run.result
        #expect(await long.breaches.isEmpty)
        #expect(await short.breaches.isEmpty)
        await signer.close()
    }
}
