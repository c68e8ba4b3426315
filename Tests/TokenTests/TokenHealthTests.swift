import CMS
import LibCrypto
import Log
import Metrics
import OperatingSystem
import PKCS11
import SigningPipeline
import Testing

@testable import TokenSigner

/// What a token is after each kind of trouble, and how it comes back: by a clock that the test owns.
@Suite(.enabled(if: TokenLab.isAvailable), .timeLimit(.minutes(1))) struct TokenHealthTests {
    let lab = TokenLab.shared
    let shim = try! FaultShim(path: TokenLab.shared.module.path)
    let metrics = Metrics()
    let clock = ProbeClock()
    let events = Locked<[String]>([])
    let registry: TokenRegistry
    let digest = DigestFunction.sha256.digest([1, 2, 3])

    init() {
        let events = events
        registry = TokenRegistry(
            log: Log(minimum: .info) { event in events.withLock { $0.append("\(event.level.name) \(event.event)") } }, metrics: metrics,
            clock: clock.pipelineClock)
    }

    func token(_ label: TokenLab.Label) -> SharedToken {
        registry.token(
            TokenSettings(
                name: "t-\(label)", module: lab.module.path, label: label.rawValue, pin: Secret(Array(TokenLab.pin.utf8)), sessions: 2,
                fixedWidth: 2))
    }

    func signer(_ label: TokenLab.Label, key: [UInt8] = TokenLab.p256, certificate name: String = "p256") async throws -> TokenSigner {
        try await TokenSigner.start(token(label), key: key, certificate: Certificate(der: lab.file("\(name).der")))
    }

    func sign(_ signer: TokenSigner) async throws(SignerError) {
        _ = try await signer.sign([digest], with: signer.certificate.publicKey.kind.isRSA ? .rsaPKCS1(.sha256) : .ecdsa(.sha256))
    }

    var state: TokenState? { registry.report().first?.state }
    func healthy(_ label: TokenLab.Label) -> Double {
        metrics.gauge("tanba_token_healthy", help: TokenMetrics.healthyHelp, labels: ["token"]).value("t-\(label)")
    }

    ///     signer                                   token
    ///     signs                                    with another key: nothing is given out, suspect, alert
    ///     signs again                              is not asked
    ///     recovers: probe, pause, probe            still the other key
    ///     recovers: probe                          the right key: up
    @Test func aWrongSignatureTakesTheTokenOutUntilTheKeyHasProvedItself() async throws {
        let label = TokenLab.Label.suspect.rawValue
        let signer = try await signer(.suspect)
        let neighbour = try await self.signer(.suspect, key: TokenLab.rsa, certificate: "rsa")
        shim.swapKeys(of: label, true)
        let error = await #expect(throws: SignerError.self) { try await sign(signer) }
        #expect(error?.isPermanent == false)
        #expect(error?.reason.contains("key 02 does not verify with the certificate of CN=Token test p256") == true, "\(String(describing: error))")
        #expect(state == .suspect)
        #expect(healthy(.suspect) == 0)
        #expect(!signer.isIn)
        #expect(!neighbour.isIn, "the whole token is out")
        #expect(events.withLock { $0 }.filter { $0 == "error token-wrong-signature" }.count == 1)

        let calls = shim.count("C_Sign", of: label)
        for signer in [signer, neighbour] { await #expect(throws: SignerError.self) { try await sign(signer) } }
        #expect(shim.count("C_Sign", of: label) == calls, "no try before the proof")

        let opened = shim.count("C_FindObjectsInit", of: label)
        let recovery = Task { try await signer.recover() }
        var sleeps = clock.sleeps.makeAsyncIterator()
        let pause = try #require(await sleeps.next())
        #expect(pause <= .milliseconds(100))
        #expect(shim.count("C_FindObjectsInit", of: label) > opened, "the key was found anew")
        #expect(state == .suspect)
        // A neighbour whose key is right need not wait.
        try await neighbour.recover()
        #expect(neighbour.isIn)
        #expect(state == .suspect)

        shim.swapKeys(of: label, false)
        clock.advance(by: .milliseconds(100))
        try await recovery.value
        #expect(signer.isIn)
        #expect(state == .up)
        #expect(healthy(.suspect) == 1)
        try await sign(signer)
        #expect(lab.logins(.suspect) == 1)
        await signer.close()
        await neighbour.close()
    }

    /// Goal: of a token that is away, one probe at a time, with growing pauses, whichever signer it is. Method: three signers wait for it.
    @Test func oneSignerProbesForAllAndThePausesGrow() async throws {
        let label = TokenLab.Label.turns.rawValue
        var signers: [TokenSigner] = []
        for _ in 0..<3 { signers.append(try await signer(.turns)) }
        shim.remove(label)
        await #expect(throws: SignerError.self) { try await sign(signers[0]) }
        #expect(signers.allSatisfy { !$0.isIn })
        #expect(state == .away)
        let waiting = signers
        let recoveries = Task {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for signer in waiting { group.addTask { try await signer.recover() } }
                try await group.waitForAll()
            }
        }
        var sleeps = clock.sleeps.makeAsyncIterator()
        var most = Duration.milliseconds(100)
        for _ in 0..<12 {
            let pause = try #require(await sleeps.next())
            #expect(pause <= most && pause >= most / 2, "\(pause)")
            most = min(most * 2, .seconds(10))
            clock.advance(by: pause)
        }
        _ = await sleeps.next()
        shim.putBack(label)
        clock.advance(by: .seconds(10))
        try await recoveries.value
        #expect(signers.allSatisfy { $0.isIn })
        #expect(state == .up)
        try await sign(signers[2])
        #expect(events.withLock { $0 }.filter { $0.hasSuffix("token-out") } == ["warning token-out"])
        for signer in signers { await signer.close() }
    }

    /// Cancelled while it pauses, the prober leaves the turn to the next.
    @Test func whoStopsProbingPassesTheTurnOn() async throws {
        let label = TokenLab.Label.pauses.rawValue
        let first = try await signer(.pauses)
        let second = try await signer(.pauses)
        shim.remove(label)
        await #expect(throws: SignerError.self) { try await sign(first) }
        var sleeps = clock.sleeps.makeAsyncIterator()
        let prober = Task { try await first.recover() }
        _ = await sleeps.next()
        let next = Task { try await second.recover() }
        prober.cancel()
        await #expect(throws: CancellationError.self) { try await prober.value }
        _ = await sleeps.next()
        shim.putBack(label)
        clock.advance(by: .seconds(1))
        try await next.value
        #expect(second.isIn)
        #expect(!first.isIn, "each key proves itself")
        await first.close()
        await second.close()
    }

    // MARK: - Readers

    @Test func aReaderThatChangesIsNoticedAtOnceInBothDirections() async throws {
        let label = TokenLab.Label.reader.rawValue
        let signer = try await signer(.reader)
        await registry.readersChanged()
        #expect(signer.isIn, "nothing had happened to this one")
        shim.remove(label)
        await registry.readersChanged()
        #expect(!signer.isIn)
        #expect(state == .away)
        #expect(registry.report().first?.reason.contains("Put the token back.") == true, "\(registry.report())")
        // Nobody recovers, and no time passes.
        shim.putBack(label)
        await registry.readersChanged()
        #expect(signer.isIn)
        #expect(state == .up)
        try await sign(signer)

        // Pulled out and put back before anybody looked: its sessions are void.
        shim.remove(label)
        shim.putBack(label)
        await registry.readersChanged()
        #expect(signer.isIn)
        try await sign(signer)

        // Many changes at once, and none is lost.
        for isOut in [true, false] {
            if isOut { shim.remove(label) } else { shim.putBack(label) }
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<8 { group.addTask { await registry.readersChanged() } }
            }
            #expect(signer.isIn != isOut)
        }

        // While somebody probes, its pause ends.
        shim.remove(label)
        await #expect(throws: SignerError.self) { try await sign(signer) }
        var sleeps = clock.sleeps.makeAsyncIterator()
        let recovery = Task { try await signer.recover() }
        _ = await sleeps.next()
        shim.putBack(label)
        await registry.readersChanged()
        try await recovery.value
        #expect(signer.isIn)
        await signer.close()
    }

    // MARK: - Starting

    @Test func aTokenThatIsAwayDoesNotKeepASignerFromBeingMade() async throws {
        let label = TokenLab.Label.awayAtStart.rawValue
        shim.remove(label)
        let error = await #expect(throws: SignerError.self) { try await TokenSigner.start(token(.awayAtStart), key: TokenLab.p256) }
        #expect(error?.isPermanent == false)
        let signer = try await signer(.awayAtStart)
        let wrong = try await self.signer(.awayAtStart, certificate: "other")
        #expect(!signer.isIn)
        #expect(signer.width == 1)
        #expect(state == .away)
        await #expect(throws: SignerError.self) { try await sign(signer) }
        shim.putBack(label)
        try await signer.recover()
        #expect(signer.isIn)
        #expect(signer.width == 2)
        #expect(state == .up)
        try await sign(signer)
        // The other's certificate is not the key's and never was: no waiting mends that.
        let misfit = await #expect(throws: SignerError.self) { try await wrong.recover() }
        #expect(misfit?.isPermanent == true)
        #expect(misfit?.isMisfit == true)
        #expect(misfit?.reason.contains("CN=Token test other") == true)
        #expect(signer.isIn)
        #expect(lab.logins(.awayAtStart) == 1)
        await signer.close()
        await wrong.close()
    }

    // MARK: - PIN

    /// The PIN was right and is refused after a loss: a person must come, and no call of any kind tries it again.
    @Test func aPINThatIsRefusedLaterLocksTheTokenOut() async throws {
        let label = TokenLab.Label.lockedLater.rawValue
        let signer = try await signer(.lockedLater)
        #expect(lab.logins(.lockedLater) == 1)
        lab.closeSessions(of: .lockedLater)
        shim.fail("C_Login", of: label, with: .pinIncorrect, times: 1)
        let error = await #expect(throws: SignerError.self) { try await sign(signer) }
        #expect(error?.isPermanent == true)
        #expect(error?.remedy.isEmpty == false)
        #expect(state == .lockedOut)
        let again = await #expect(throws: SignerError.self) { try await signer.recover() }
        #expect(again?.isPermanent == true)
        await registry.readersChanged()
        await #expect(throws: SignerError.self) { try await self.signer(.lockedLater) }
        #expect(state == .lockedOut)
        #expect(lab.logins(.lockedLater) == 2)
        #expect(events.withLock { $0 }.filter { $0 == "error token-out" }.count == 1)
        await signer.close()
    }

    /// A module may answer "general error" to a PIN that was changed. The token's own count decides whether it is sent once more.
    @Test func aPINThatTheTokenCountsIsNotSentAgain() async throws {
        let label = TokenLab.Label.counted.rawValue
        let signer = try await signer(.counted)
        lab.closeSessions(of: .counted)
        shim.fail("C_Login", of: label, with: .generalError, times: 1)
        await #expect(throws: SignerError.self) { try await sign(signer) }
        #expect(state == .failing)
        try await signer.recover()
        #expect(lab.logins(.counted) == 3, "one that failed, then one that did not")
        try await sign(signer)

        lab.closeSessions(of: .counted)
        shim.fail("C_Login", of: label, with: .generalError, times: 1)
        await #expect(throws: SignerError.self) { try await sign(signer) }
        shim.setFlags(.userPINCountLow, of: label)
        let error = await #expect(throws: SignerError.self) { try await signer.recover() }
        #expect(error?.isPermanent == true)
        #expect(error?.reason.contains("counted") == true)
        #expect(state == .lockedOut)
        #expect(lab.logins(.counted) == 4)
        shim.setFlags([], of: label)
        await signer.close()
    }

    /// A key that is not there is no reason to say that its token is away.
    @Test func aTokenWhoseFirstKeyDoesNotSignIsFailing() async throws {
        await #expect(throws: SignerError.self) { try await signer(.signing, key: [0x77]) }
        #expect(state == .failing)
        #expect(registry.report().first?.reason.contains("no private key with the id 77") == true)
        let other = try await signer(.signing)
        #expect(state == .up)
        await other.close()
    }

    // MARK: - Errors

    /// A token that answers with errors is out, and back when a probe succeeds; what the call itself did wrong takes the key out alone.
    @Test func aTokenThatFailsIsProbed() async throws {
        let label = TokenLab.Label.away.rawValue
        let signer = try await signer(.away)
        let neighbour = try await self.signer(.away, key: TokenLab.rsa, certificate: "rsa")
        shim.fail("C_Sign", of: label, with: .generalError, times: 4)
        let error = await #expect(throws: SignerError.self) { try await sign(signer) }
        #expect(error?.reason.hasPrefix("C_Sign returned CKR_GENERAL_ERROR") == true)
        #expect(state == .failing)
        #expect(!neighbour.isIn)
        // The fourth failure is the probe's first try, which is repeated as the code advises.
        try await signer.recover()
        try await neighbour.recover()
        #expect(state == .up)
        // A good signature: the next recovery begins without a pause.
        try await sign(signer)

        shim.fail("C_SignInit", of: label, with: ReturnValue(rawValue: 0x68), times: 1)
        let refused = await #expect(throws: SignerError.self) { try await sign(signer) }
        #expect(refused?.isPermanent == false, "the key was right before: it is waited for")
        #expect(state == .failing)
        #expect(!signer.isIn)
        #expect(neighbour.isIn)
        try await signer.recover()
        #expect(state == .up)
        await signer.close()
        await neighbour.close()
        #expect(registry.report().isEmpty)
    }
}

extension PublicKey.Kind {
    fileprivate var isRSA: Bool { if case .rsa = self { true } else { false } }
}
