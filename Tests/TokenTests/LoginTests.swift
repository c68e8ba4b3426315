import OperatingSystem
import PKCS11
import Testing

/// A token locks after a few wrong PINs, and then a person must come. So: one attempt, and none where the token is close to locking.
@Suite(.enabled(if: TokenLab.isAvailable)) struct LoginTests {
    let lab = TokenLab.shared

    @Test func aWrongPINReachesTheTokenOnce() throws {
        let token = try Token(module: lab.module, label: TokenLab.Label.wrongPIN.rawValue)
        for _ in 0..<3 {
            let error = #expect(throws: PKCS11Error.self) { try token.logIn(Secret(Array("000000".utf8))) }
            #expect(error?.fault == .returned(.pinIncorrect, by: "C_Login"))
            #expect(error?.advice == .takeOutOfService)
            #expect(!String(reflecting: error).contains("000000"), "no PIN in an error")
        }
        // The right one comes too late: out of service means until the program starts again.
        #expect(throws: PKCS11Error.self) { try token.logIn(Secret(Array(TokenLab.pin.utf8))) }
        #expect(throws: PKCS11Error.self) { try token.restore(after: 0) }
        let opened = #expect(throws: PKCS11Error.self) { _ = try token.openSession() }
        #expect(opened?.returnValue == .pinIncorrect)
        #expect(token.outOfService?.returnValue == .pinIncorrect)
        #expect(lab.logins(.wrongPIN) == 1)
        #expect(try token.info().flags.contains(.userPINCountLow))
    }

    @Test func theLastTryIsLeftToAPerson() throws {
        lab.setFlags(.userPINFinalTry, of: .finalTry)
        let token = try Token(module: lab.module, label: TokenLab.Label.finalTry.rawValue)
        let error = #expect(throws: PKCS11Error.self) { try token.logIn(Secret(Array(TokenLab.pin.utf8))) }
        #expect(error?.fault == .pinFinalTry)
        #expect(error?.remedy.isEmpty == false)
        #expect(lab.logins(.finalTry) == 0)
    }

    @Test func aLockedTokenIsNotTried() throws {
        lab.setFlags(.userPINLocked, of: .locked)
        let token = try Token(module: lab.module, label: TokenLab.Label.locked.rawValue)
        let error = #expect(throws: PKCS11Error.self) { try token.logIn(Secret(Array(TokenLab.pin.utf8))) }
        #expect(error?.fault == .pinLocked)
        #expect(lab.logins(.locked) == 0)
    }

    /// Some modules answer a wrong PIN with a code that does not say so. An unproven PIN has one attempt, whatever the answer was.
    @Test func aVagueAnswerToTheFirstLoginIsNotTriedAgain() throws {
        lab.failLogins(of: .vague, with: .generalError, times: 1)
        let token = try Token(module: lab.module, label: TokenLab.Label.vague.rawValue)
        for _ in 0..<2 {
            let error = #expect(throws: PKCS11Error.self) { try token.logIn(Secret(Array(TokenLab.pin.utf8))) }
            #expect(error?.fault == .returned(.generalError, by: "C_Login"))
        }
        #expect(lab.logins(.vague) == 1)
    }

    @Test func oneLoginServesAllSessions() async throws {
        let before = lab.logins(.shared)
        let token = try lab.token(.shared)
        let pool = SessionPool(token: token, sessionsMax: 4)
        try await withThrowingTaskGroup(of: KeyPair.self) { group in
            for _ in 0..<16 {
                group.addTask {
                    try await pool.run { (session: borrowing Session) throws(PKCS11Error) in try session.keyPair(id: TokenLab.p256) }
                }
            }
            for try await key in group { #expect(key.type == .ec) }
        }
        #expect(lab.logins(.shared) == before + 1)
        await pool.close()
        token.close()
    }
}
