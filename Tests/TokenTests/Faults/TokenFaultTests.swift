import Foundation
import Metrics
import OperatingSystem
import PKCS11
import SigningPipeline
import Testing
import TokenSigner

/// Bad days of tokens, from the log and back into it: what happens, who signs, and that nothing wrong or lost is among the results.
///
/// The tests share two tokens, one after the other; each has a module of its own before them, so that what one test's module remembers (a
/// refused PIN) is not the next one's.
@Suite(.serialized, .enabled(if: TokenLab.isAvailable)) struct TokenFaultTests {
    let one = TokenLab.Label.badDay.rawValue
    let two = TokenLab.Label.goodDay.rawValue
    let stand: FaultStand

    init() throws {
        stand = try FaultStand()
        for label in [one, two] { stand.shim.closeSessions(of: label) }
    }

    /// The token is away when the worker starts, so that its PIN is tried while jobs are signed.
    ///
    ///     token one                 token two          jobs
    ///     away                      signs              go to two
    ///     back: C_Login, refused    signs              go to two
    ///     locked out, never asked   signs              all signed
    @Test func aWrongPINReachesTheTokenOnceAndItsJobsGoToTheOtherToken() async throws {
        stand.shim.remove(one)
        let bad = try await stand.signer(one, pin: "000000")
        let good = try await stand.signer(two)
        #expect(stand.state(of: one) == "away")
        stand.shim.putBack(one)
        for _ in 0..<4 {
            await stand.enqueue(50)
            #expect(await stand.run([bad, good]) == nil)
        }
        await #expect(throws: SignerError.self) { try await bad.recover() }
        #expect(stand.state(of: one) == "locked-out")
        #expect(stand.shim.count("C_Login", of: one) == 1)
        // Nor does another signer on the same token try again
        let error = await #expect(throws: SignerError.self) { try await stand.signer(one, pin: "000000") }
        #expect(error?.isPermanent == true)
        #expect(stand.shim.count("C_Login", of: one) == 1)
        #expect(await stand.problems() == [])
        await close([bad, good])
        // What the wrong one took from the token's counter, the right one gives back
        let after = try stand.restarted()
        await after.enqueue(5)
        let mended = try await after.signer(one)
        #expect(await after.run([mended]) == nil)
        #expect(await after.problems() == [])
        await mended.close()
    }

    @Test func aTokenWithOneTryLeftIsNotTried() async throws {
        stand.shim.setFlags(.userPINFinalTry, of: one)
        let error = await #expect(throws: SignerError.self) { try await stand.signer(one) }
        #expect(error?.isPermanent == true)
        #expect(stand.state(of: one) == "locked-out")
        #expect(stand.shim.count("C_Login", of: one) == 0)

        // The same for a token that comes back with the flag set
        let other = try FaultStand()
        let (bad, good) = (try await other.signer(one), try await other.signer(two))
        other.shim.remove(one)
        other.shim.setFlags(.userPINFinalTry, of: one)
        let logins = other.shim.count("C_Login", of: one)
        await other.enqueue(50)
        #expect(await other.run([bad, good]) == nil)
        other.shim.putBack(one)
        await #expect(throws: SignerError.self) { try await bad.recover() }
        #expect(other.shim.count("C_Login", of: one) == logins)
        #expect(other.state(of: one) == "locked-out")
        #expect(await other.problems() == [])
        await close([bad, good])
    }

    @Test func aSignatureByAnotherKeyIsNotPublishedAndTheOtherTokenSigns() async throws {
        let (bad, good) = (try await stand.signer(one), try await stand.signer(two))
        await stand.enqueue(20)
        #expect(await stand.run([bad, good]) == nil)
        stand.shim.swapKeys(of: one, true)
        await stand.enqueue(200)
        #expect(await stand.run([bad, good]) == nil)
        #expect(await stand.problems() == [])
        #expect(stand.state(of: one) == "suspect")
        #expect(metric("tanba_token_wrong_signatures_total", one) >= 1)
        #expect(metric("tanba_token_wrong_signatures_total", two) == 0)
        // It is taken in again when its key is the right one, not before
        let clock = stand.clock
        let shim = stand.shim
        let label = one
        let sleeps = clock.sleeps
        clock.after(.seconds(60)) { shim.swapKeys(of: label, false) }
        try await bad.recover()
        #expect(clock.sleeps > sleeps, "it was asked again, with pauses")
        #expect(stand.state(of: one) == "up")
        await stand.enqueue(20)
        #expect(await stand.run([bad]) == nil)
        #expect(await stand.problems() == [])
        await close([bad, good])
    }

    /// Nothing but this token: its jobs wait. The swap ends while the pipeline runs.
    @Test func aSignerWithoutAnotherTokenWaitsUntilItsKeyIsRightAgain() async throws {
        let only = try await stand.signer(one)
        stand.shim.swapKeys(of: one, true)
        let (shim, label) = (stand.shim, one)
        stand.clock.after(.seconds(3600)) { shim.swapKeys(of: label, false) }
        await stand.enqueue(30)
        #expect(await stand.run([only]) == nil)
        #expect(stand.clock.elapsed > .seconds(3600))
        #expect(await stand.problems() == [])
        await close([only])
    }

    @Test(arguments: [ReturnValue.tokenNotPresent, .deviceRemoved]) func aTokenPulledOutAndPutBackSignsOn(value: ReturnValue) async throws {
        let only = try await stand.signer(one, sessions: 4)
        stand.shim.knee(of: one, milliseconds: 2, width: 4)
        await stand.enqueue(200)
        let (stand, label) = (stand, one)
        let seen = Locked("")
        async let run = stand.run([only])
        while stand.shim.count("C_Sign", of: label) < 40 { try await Task.sleep(for: .milliseconds(1)) }
        stand.shim.remove(label, value)
        stand.clock.after(.seconds(600)) {
            let state = stand.state(of: label)
            seen.withLock { $0 = state }
            stand.shim.putBack(label)
        }
        #expect(await run == nil)
        #expect(seen.withLock { $0 } == "away")
        #expect(stand.state(of: label) == "up")
        #expect(stand.shim.count("C_Login", of: label) == 2, "once at the start and once when it was back")
        #expect(await stand.problems() == [])
        await close([only])
    }

    @Test(arguments: [false, true]) func noMoreSessionsAreOpenedThanTheTokenAllows(isHidden: Bool) async throws {
        stand.shim.limitSessions(of: one, to: 4, isHidden: isHidden)
        let only = try await stand.signer(one, sessions: 16)
        stand.shim.knee(of: one, milliseconds: 2, width: 16)
        await stand.enqueue(400)
        #expect(await stand.run([only]) == nil)
        #expect(await stand.problems() == [])
        #expect(stand.shim.peak(of: one) <= 3, "one of four stays logged in")
        #expect(only.width <= 3)
        #expect(stand.state(of: one) == "up")
        await close([only])
    }

    @Test func sessionsDroppedAgainAndAgainLoseNothing() async throws {
        let only = try await stand.signer(one)
        let logins = stand.shim.count("C_Login", of: one)
        let rules = stand.lab.folder + "/dropped.rules"
        for round in 1...5 {
            try "drop \(one) after 7 # round \(round)\n".write(toFile: rules, atomically: true, encoding: .utf8)
            #expect(stand.shim.readRules(rules) == nil)
            await stand.enqueue(40)
            #expect(await stand.run([only]) == nil)
        }
        #expect(stand.shim.count("C_Login", of: one) == logins + 5, "each loss costs one login")
        #expect(await stand.problems() == [])
        await close([only])
    }

    @Test func whenOneOfTwoTokensDiesTheOtherSignsTheRest() async throws {
        let (dying, healthy) = (try await stand.signer(one, sessions: 4), try await stand.signer(two, sessions: 4))
        for label in [one, two] { stand.shim.knee(of: label, milliseconds: 2, width: 4) }
        await stand.enqueue(300)
        let stand = stand
        async let run = stand.run([dying, healthy])
        while stand.shim.count("C_Sign", of: one) < 40 { try await Task.sleep(for: .milliseconds(1)) }
        let before = stand.shim.count("C_Sign", of: two)
        stand.shim.remove(one, .deviceRemoved)
        #expect(await run == nil)
        #expect(stand.shim.count("C_Sign", of: two) - before >= 150)
        #expect(stand.state(of: one) == "away")
        #expect(stand.state(of: two) == "up")
        #expect(await stand.problems() == [])
        await close([dying, healthy])
    }

    private func close(_ signers: [TokenSigner]) async {
        for signer in signers { await signer.close() }
    }

    private func metric(_ name: String, _ token: String) -> Double {
        let text = String(decoding: stand.metrics.prometheusText(), as: UTF8.self)
        let line = text.split(separator: "\n").first { $0.hasPrefix("\(name){token=\"\(token)\"} ") }
        return line.flatMap { Double($0.split(separator: " ").last!) } ?? 0
    }
}
