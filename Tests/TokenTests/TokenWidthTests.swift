import CMS
import Foundation
import LibCrypto
import Log
import Metrics
import OperatingSystem
import PKCS11
import SigningPipeline
import Testing

@testable import TokenSigner

/// The search for the knee on a real token behind the shim, and what is kept of it.
@Suite(.enabled(if: TokenLab.isAvailable), .timeLimit(.minutes(2))) struct TokenWidthTests {
    let lab = TokenLab.shared
    let shim = try! FaultShim(path: TokenLab.shared.module.path)

    /// Goal: with 20 ms per signature and a knee at 8 the pool settles within 2 of it; and the next start begins there. Method: as much work
    /// as the lanes can take until the knee is found.
    @Test func theKneeIsFoundAndRemembered() async throws {
        let label = TokenLab.Label.knee.rawValue
        let path = lab.folder + "/knees.json"
        let certificate = try Certificate(der: lab.file("p256.der"))
        let metrics = Metrics()
        func settings(_ memory: KneeMemory) -> (TokenRegistry, SharedToken) {
            let registry = TokenRegistry(log: .silent, metrics: metrics, memory: memory)
            return (
                registry,
                registry.token(
                    TokenSettings(name: "t-knee", module: lab.module.path, label: label, pin: Secret(Array(TokenLab.pin.utf8)), sessions: 16))
            )
        }
        let (registry, token) = settings(KneeMemory(path: path))
        let signer = try await TokenSigner.start(token, key: TokenLab.p256, certificate: certificate)
        #expect(signer.width == 1)
        shim.knee(of: label, milliseconds: 20, width: 8)
        defer { shim.knee(of: label, milliseconds: 0, width: 0) }
        let digest = DigestFunction.sha256.digest([7])
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<40 {
                group.addTask {
                    let deadline = ContinuousClock.now + .seconds(30)
                    while registry.report().first?.isKneeFound == false, ContinuousClock.now < deadline {
                        _ = try await signer.sign([digest], with: .ecdsa(.sha256))
                    }
                }
            }
            try await group.waitForAll()
        }
        let status = try #require(registry.report().first)
        #expect(status.isKneeFound)
        // How near it comes, and at which rate, is Benchmarks' matter (`knee`): tests share their processors with others.
        #expect((4...14).contains(status.width), "\(status)")
        #expect(status.signaturesPerSecond > 0)
        #expect(signer.batchSize == 1)
        let text = String(decoding: metrics.prometheusText(), as: UTF8.self)
        #expect(text.contains("tanba_token_width{token=\"t-knee\"} \(status.width)\n"))
        let rate = metrics.gauge("tanba_token_knee_rate", help: TokenMetrics.rateHelp, labels: ["token"]).value("t-knee")
        #expect(rate > 0 && rate < 450, "\(rate)")

        await signer.close()

        #expect(KneeMemory(path: path).width(module: lab.module.path, label: label) == status.width)
        let (_, again) = settings(KneeMemory(path: path))
        let next = try await TokenSigner.start(again, key: TokenLab.p256, certificate: certificate)
        #expect(next.width == status.width)
        await next.close()
    }

    @Test func whatIsKeptIsJSONAndAnythingElseIsNothing() throws {
        let path = lab.folder + "/memory.json"
        let memory = KneeMemory(path: path)
        #expect(memory.width(module: "m", label: "a") == nil)
        try memory.remember(8, module: "m", label: "b \"quoted\"")
        try memory.remember(3, module: "m", label: "a")
        try memory.remember(4, module: "m", label: "a")
        let text = try String(contentsOfFile: path, encoding: .utf8)
        #expect(
            text == #"{"version":1,"tokens":[{"module":"m","label":"a","width":4},{"module":"m","label":"b \"quoted\"","width":8}]}"#)
        #expect(KneeMemory(path: path).width(module: "m", label: "a") == 4)
        #expect(KneeMemory(path: path).width(module: "m", label: "b \"quoted\"") == 8)
        #expect(KneeMemory(path: path).width(module: "n", label: "a") == nil)
        for (broken, left) in [
            ("", nil), ("[]", nil), (#"{"tokens":[{"module":"m","label":"a","width":0}]}"#, nil), (#"{"tokens":[{"label":"a","width":2}]}"#, nil),
            (String(text.dropLast()), nil), (#"{"new":[1],"tokens":[{"module":"m","label":"a","width":2,"more":{}}]}"#, 2),
        ] as [(String, Int?)] {
            try broken.write(toFile: path, atomically: true, encoding: .utf8)
            #expect(KneeMemory(path: path).width(module: "m", label: "a") == left, "\(broken)")
        }
        let nowhere = KneeMemory(path: lab.folder + "/no/such/folder/memory.json")
        #expect(throws: SystemError.self) { try nowhere.remember(5, module: "m", label: "a") }
        #expect(nowhere.width(module: "m", label: "a") == 5)
    }

    /// The token's word on its sessions bounds the width: one stays logged in.
    @Test func theWidthStaysBelowTheTokensSessions() async throws {
        let label = TokenLab.Label.bounded.rawValue
        shim.limitSessions(of: label, to: 4)
        defer { shim.limitSessions(of: label, to: nil) }
        let registry = TokenRegistry(log: .silent, metrics: Metrics())
        let token = registry.token(
            TokenSettings(name: "t", module: lab.module.path, label: label, pin: Secret(Array(TokenLab.pin.utf8)), fixedWidth: 16))
        let signer = try await TokenSigner.start(token, key: TokenLab.p256, certificate: Certificate(der: lab.file("p256.der")))
        #expect(signer.width == 3)
        #expect(registry.report().first?.sessions == 3)
        let digest = DigestFunction.sha256.digest([7])
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<30 { group.addTask { _ = try await signer.sign([digest], with: .ecdsa(.sha256)) } }
            try await group.waitForAll()
        }
        #expect(shim.openSessions(of: label) <= 4)
        await signer.close()
    }

    @Test func theMeterCountsTheLastTenSeconds() {
        var meter = RateMeter()
        for tenth in 0..<300 { meter.add(2, at: Double(tenth) / 10) }
        var rates: [Double] = []
        for now in [29.9, 34.5, 100] { rates.append(meter.perSecond(at: now)) }
        meter.add(5, at: 1e6)
        rates.append(meter.perSecond(at: 1e6))
        #expect(rates == [20, 10, 0, 0.5])
    }
}
