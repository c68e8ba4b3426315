import OperatingSystem
import PKCS11
import Testing

@Suite(.enabled(if: TokenLab.isAvailable)) struct SessionPoolTests {
    let lab = TokenLab.shared
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
}
