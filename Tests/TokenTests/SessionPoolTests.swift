import Glibc
import OperatingSystem
import PKCS11
import Testing

@Suite(.enabled(if: TokenLab.isAvailable)) struct SessionPoolTests {
    let lab = TokenLab.shared
    let shim = try! FaultShim(path: TokenLab.shared.module.path)
    let digest = [UInt8](repeating: 0x5A, count: 32)

    /// Goal: no session is ever with two callers, and the lanes run beside each other. Method: eight callers on three lanes count how many
    /// of them hold a session at once; SoftHSM itself answers CKR_OPERATION_ACTIVE where two use one session.
    @Test func eightCallersShareThreeSessions() async throws {
        let pool = SessionPool(token: try lab.token(.signing), sessionsMax: 3)
        let holders = Locked((now: 0, peak: 0))
        let digest = digest
        let signatures = try await withThrowingTaskGroup(of: [[UInt8]].self) { group in
            for _ in 0..<8 {
                group.addTask {
                    var all: [[UInt8]] = []
                    for _ in 0..<10 {
                        all += try await pool.run { (session: borrowing Session) throws(PKCS11Error) in
                            holders.withLock { $0 = ($0.now + 1, max($0.peak, $0.now + 1)) }
                            defer { holders.withLock { $0.now -= 1 } }
                            let key = try session.keyPair(id: TokenLab.p256)
                            var batch: [[UInt8]] = []
                            for _ in 0..<5 { batch.append(try session.sign(digest.span, with: .ecdsa, key: key)) }
                            return batch
                        }
                    }
                    return all
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(signatures.count == 8 * 10 * 5)
        #expect(signatures.allSatisfy { $0.count == 64 })
        #expect(Set(signatures).count == signatures.count, "ECDSA with a fresh nonce gives no signature twice")
        let peak = holders.withLock { $0.peak }
        #expect((2...3).contains(peak), "the three lanes ran beside each other: \(peak)")
        await pool.close()
    }

    ///     test                              pool
    ///     signs once                        opens a session
    ///     all sessions are closed
    ///     signs again                       SESSION_HANDLE_INVALID -> restore: keeper, one C_Login -> session, key -> body again
    @Test func sessionsClosedBehindOurBackComeBack() async throws {
        let token = try lab.token(.lostSessions)
        let pool = SessionPool(token: token, sessionsMax: 2)
        let before = lab.logins(.lostSessions)
        let digest = digest
        for round in 1...3 {
            let signature = try await pool.run { (session: borrowing Session) throws(PKCS11Error) in
                try session.sign(digest.span, with: .ecdsa, key: session.keyPair(id: TokenLab.p256))
            }
            #expect(signature.count == 64)
            #expect(lab.logins(.lostSessions) == before + round - 1, "each loss costs one login")
            lab.closeSessions(of: .lostSessions)
        }
        await pool.close()
        token.close()
    }

    @Test func aFaultThatPassesIsRetriedAndOneThatStaysIsThrown() async throws {
        let token = try lab.token(.faults)
        let pool = SessionPool(token: token, sessionsMax: 1)
        let digest = digest
        let sign = { @Sendable (session: borrowing Session) throws(PKCS11Error) -> Int in
            try session.sign(digest.span, with: .ecdsa, key: session.keyPair(id: TokenLab.p256)).count
        }
        lab.failSignatures(of: .faults, with: .deviceRemoved, after: 0, times: 2)
        #expect(try await pool.run(sign) == 64)

        lab.failSignatures(of: .faults, with: .deviceRemoved, after: 0, times: 3)
        let error = await #expect(throws: PKCS11Error.self) { try await pool.run(sign) }
        #expect(error?.fault == .returned(.deviceRemoved, by: "C_Sign"))
        #expect(try await pool.run(sign) == 64, "and afterwards it goes on")

        lab.failSignatures(of: .faults, with: ReturnValue(rawValue: 0x68), after: 0, times: 1)
        let stop = await #expect(throws: PKCS11Error.self) { try await pool.run(sign) }
        #expect(stop?.advice == .stop, "what is not a loss is not repeated")
        #expect(try await pool.run(sign) == 64)
        await pool.close()
        token.close()
    }

    @Test func aClosedPoolTakesNothing() async throws {
        let pool = SessionPool(token: try lab.token(.signing), sessionsMax: 2)
        await pool.close()
        let error = await #expect(throws: PKCS11Error.self) {
            try await pool.run { (_: borrowing Session) throws(PKCS11Error) in 1 }
        }
        #expect(error?.fault == .closed)
    }

    // MARK: - What a code advises

    private let sign = { @Sendable (session: borrowing Session) throws(PKCS11Error) -> Int in
        try session.sign([UInt8](repeating: 0x5A, count: 32).span, with: .ecdsa, key: session.keyPair(id: TokenLab.p256)).count
    }

    /// `retry`: after short pauses, on the same session, so many times and no more.
    @Test func whatMaySucceedLaterIsRepeatedOnTheSameSession() async throws {
        let label = TokenLab.Label.retries.rawValue
        let token = try lab.token(.retries)
        let losses = Locked(0)
        let pool = SessionPool(
            token: token, sessionsMax: 1, retryPauses: [.milliseconds(1), .milliseconds(2)], onLoss: { _ in losses.withLock { $0 += 1 } })
        #expect(try await pool.run(sign) == 64)
        let opened = shim.count("C_OpenSession", of: label)
        shim.fail("C_Sign", of: label, with: .hostMemory, times: 2)
        #expect(try await pool.run(sign) == 64)

        shim.fail("C_SignInit", of: label, with: .deviceMemory, times: 3)
        let error = await #expect(throws: PKCS11Error.self) { try await pool.run(sign) }
        #expect(error?.fault == .returned(.deviceMemory, by: "C_SignInit"))
        #expect(try await pool.run(sign) == 64)
        #expect(shim.count("C_OpenSession", of: label) == opened, "the session stood all the time")
        #expect(losses.withLock { $0 } == 0)
        #expect(token.epoch == 0)

        // An operation that was left active is the session's matter: a new session, no new epoch.
        shim.fail("C_SignInit", of: label, with: .operationActive, times: 1)
        #expect(try await pool.run(sign) == 64)
        #expect(shim.count("C_OpenSession", of: label) == opened + 1)
        #expect(token.epoch == 0)
        shim.fail("C_SignInit", of: label, with: .operationActive, times: 2)
        #expect(try await pool.run(sign) == 64)
        #expect(token.epoch == 1, "a new session did not help, so the whole token is in doubt")
        #expect(lab.logins(.retries) == 1)
        await pool.close()
        token.close()
    }

    @Test func aTokenThatIsOutOfOrderIsNotUsedAgain() async throws {
        let label = TokenLab.Label.outOfOrder.rawValue
        let token = try lab.token(.outOfOrder)
        let pool = SessionPool(token: token, sessionsMax: 1)
        #expect(try await pool.run(sign) == 64)
        shim.fail("C_Sign", of: label, with: ReturnValue(rawValue: 0x1B6), times: 1)
        let error = await #expect(throws: PKCS11Error.self) { try await pool.run(sign) }
        #expect(error?.advice == .takeOutOfService)
        #expect(token.outOfService == error)
        let calls = shim.count("C_SignInit", of: label)
        await #expect(throws: PKCS11Error.self) { try await pool.run(sign) }
        #expect(shim.count("C_SignInit", of: label) == calls)
        await pool.close()
        token.close()
    }

    // MARK: - Width and sessions

    /// Goal: never more than `width` at once, from the first batch on, and as many as it is set to later. Method: slow signatures, counted; the
    /// first of them wait for each other, so that it does not matter how soon a lane has its thread.
    @Test func theWidthHoldsAndMayBeSet() async throws {
        let label = TokenLab.Label.narrow.rawValue
        let token = try lab.token(.narrow)
        let pool = SessionPool(token: token, sessionsMax: 6, width: 2)
        shim.slow("C_SignInit", of: label, milliseconds: 3)
        let holders = Locked((now: 0, peak: 0))
        func peak(of callers: Int, reaching most: Int) async throws -> Int {
            holders.withLock { $0.peak = 0 }
            let end = ContinuousClock.now + .seconds(20)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<callers {
                    group.addTask {
                        for _ in 0..<6 {
                            _ = try await pool.run { (session: borrowing Session) throws(PKCS11Error) in
                                holders.withLock { $0 = ($0.now + 1, max($0.peak, $0.now + 1)) }
                                defer { holders.withLock { $0.now -= 1 } }
                                while holders.withLock({ $0.peak }) < most, ContinuousClock.now < end { usleep(500) }
                                return try sign(session)
                            }
                        }
                    }
                }
                try await group.waitForAll()
            }
            return holders.withLock { $0.peak }
        }
        #expect(try await peak(of: 12, reaching: 2) == 2)
        pool.width = 6
        #expect(try await peak(of: 12, reaching: 6) == 6)
        pool.width = 1
        #expect(try await peak(of: 12, reaching: 1) == 1)
        pool.width = 99
        #expect(pool.width == 6)
        let rests = pool.restCount
        #expect(try await peak(of: 3, reaching: 3) == 3)
        #expect(pool.restCount > rests, "three callers leave lanes without work")
        await pool.close()
        token.close()
    }

    /// The token gives three sessions, one of them the keeper's; its info does not say so. Eight lanes want one each.
    @Test func aLaneThatGetsNoSessionGivesItsWorkAway() async throws {
        let label = TokenLab.Label.shortage.rawValue
        let token = try lab.token(.shortage)
        let ceilings = Locked<[Int]>([])
        let pool = SessionPool(
            token: token, sessionsMax: 8, retryPauses: [.milliseconds(1)],
            onShortage: { error, ceiling in
                #expect(error.returnValue == .sessionCount)
                ceilings.withLock { $0.append(ceiling) }
            })
        shim.limitSessions(of: label, to: 3, isHidden: true)
        #expect(try await pool.run(sign) == 64)
        try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<40 { group.addTask { try await pool.run(sign) } }
            for try await count in group { #expect(count == 64) }
        }
        #expect(pool.ceiling == 2)
        #expect(pool.width == pool.ceiling)
        #expect(ceilings.withLock { $0.min() } == pool.ceiling)
        #expect(shim.openSessions(of: label) <= 3)

        shim.limitSessions(of: label, to: nil)
        pool.liftCeiling()
        #expect(pool.width == 8)
        try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<40 { group.addTask { try await pool.run(sign) } }
            for try await count in group { #expect(count == 64) }
        }
        #expect(pool.ceiling == 8)
        await pool.close()
        #expect(shim.openSessions(of: label) == 1)
        token.close()
    }

    /// Where not even one session is to be had, the work fails after a few tries, and the pool is good when there is one.
    @Test func withoutAnySessionTheWorkFailsInTheEnd() async throws {
        let label = TokenLab.Label.noSession.rawValue
        let token = try lab.token(.noSession)
        let pool = SessionPool(token: token, sessionsMax: 4, retryPauses: [.milliseconds(1), .milliseconds(1)])
        shim.limitSessions(of: label, to: 1, isHidden: true)
        for _ in 0..<2 {
            let error = await #expect(throws: PKCS11Error.self) { try await pool.run(sign) }
            #expect(error?.fault == .returned(.sessionCount, by: "C_OpenSession"))
        }
        shim.limitSessions(of: label, to: nil)
        #expect(try await pool.run(sign) == 64)
        await pool.close()
        token.close()
    }

    /// Goal: whatever happens at once, each caller is answered and the pool is well afterwards. Method: sixteen callers sign while the width
    /// jumps, the token gives more or fewer sessions, drops all of them, and asks for patience; by numbers that are the same each time.
    @Test func nothingIsLostInAStorm() async throws {
        let label = TokenLab.Label.storm.rawValue
        let token = try lab.token(.storm)
        let pool = SessionPool(token: token, sessionsMax: 8, retryPauses: [.microseconds(200), .milliseconds(1)])
        let answered = Locked((good: 0, bad: 0))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<16 {
                group.addTask {
                    for _ in 0..<60 {
                        do throws(PKCS11Error) {
                            let count = try await pool.run(sign)
                            answered.withLock { $0.good += count == 64 ? 1 : 0 }
                        } catch {
                            #expect(error.advice != .stop && error.advice != .takeOutOfService, "\(error)")
                            answered.withLock { $0.bad += 1 }
                        }
                    }
                }
            }
            group.addTask {
                var random = SimulatedToken.Generator(state: 20)
                while answered.withLock({ $0.good + $0.bad }) < 800 {
                    switch Int.random(in: 0..<6, using: &random) {
                    case 0: shim.limitSessions(of: label, to: Int.random(in: 1...10, using: &random), isHidden: true)
                    case 1: shim.limitSessions(of: label, to: nil)
                    case 2: lab.closeSessions(of: .storm)
                    case 3: shim.fail("C_Sign", of: label, with: .hostMemory, times: Int.random(in: 1...4, using: &random))
                    case 4: pool.liftCeiling()
                    default: pool.width = Int.random(in: 1...8, using: &random)
                    }
                    _ = try? await pool.run { (session: borrowing Session) throws(PKCS11Error) in session.epoch }
                }
            }
            try await group.waitForAll()
        }
        #expect(answered.withLock { $0.good + $0.bad } == 16 * 60)
        #expect(answered.withLock { $0.good } > 16 * 30, "\(answered.withLock { $0 })")
        shim.limitSessions(of: label, to: nil)
        shim.fail("C_Sign", of: label, with: .ok, times: 0)
        pool.liftCeiling()
        pool.width = 8
        for _ in 0..<20 { #expect(try await pool.run(sign) == 64) }
        await pool.close()
        #expect(shim.openSessions(of: label) == 1)
        token.close()
        #expect(shim.openSessions(of: label) == 0)
    }
}
