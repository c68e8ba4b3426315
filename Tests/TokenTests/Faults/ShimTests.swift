import Foundation
import OperatingSystem
import PKCS11
import Testing

/// The shim does what docs/fault-shim.md says; the tests of faults stand on it.
@Suite(.enabled(if: TokenLab.isAvailable)) struct ShimTests {
    let lab = TokenLab.shared
    let shim = try! FaultShim(path: TokenLab.shared.module.path)
    let digest = [UInt8](repeating: 0x5A, count: 32)

    func sign(_ session: borrowing Session) throws(PKCS11Error) -> Int {
        try session.sign(digest.span, with: .ecdsa, key: session.keyPair(id: TokenLab.p256)).count
    }

    func returned(_ body: () throws -> Void) -> ReturnValue? {
        do { try body() } catch { return (error as? PKCS11Error)?.returnValue }
        return nil
    }

    @Test func aFaultComesAfterSoManyCallsAndSoManyTimes() throws {
        let label = TokenLab.Label.shimCalls.rawValue
        let token = try lab.token(.shimCalls)
        let session = try token.openSession()
        #expect(try sign(session) == 64)
        let before = shim.count("C_SignInit", of: label)
        shim.fail("C_SignInit", of: label, with: .deviceRemoved, after: 2, times: 2)
        let answers = (0..<6).map { _ in returned { _ = try sign(session) } }
        #expect(answers == [nil, nil, .deviceRemoved, .deviceRemoved, nil, nil])
        #expect(shim.count("C_SignInit", of: label) == before + 6)

        // A signature whose answer is lost leaves no operation under way (PKCS#11, 5.13.2)
        shim.fail("C_Sign", of: label, with: .generalError, times: 1)
        #expect(returned { _ = try sign(session) } == .generalError)
        #expect(try sign(session) == 64)

        shim.fail("C_OpenSession", of: label, with: .functionNotSupported, times: nil)
        for _ in 0..<3 { #expect(returned { _ = try token.openSession() } == .functionNotSupported) }
        shim.fail("C_OpenSession", of: label, with: .ok, times: 0)
        _ = try token.openSession()
        #expect(shim.count("C_NoSuchFunction", of: label) == -1)
        token.close()
    }

    @Test func aLimitOfSessionsIsKeptAndShownOrHidden() throws {
        let label = TokenLab.Label.shimLimit.rawValue
        let token = try lab.token(.shimLimit)
        #expect(shim.openSessions(of: label) == 1)
        shim.limitSessions(of: label, to: 4)
        #expect(try token.info().sessionCountMax == 4)
        do {
            let first = try token.openSession()
            let second = try token.openSession()
            let third = try token.openSession()
            #expect(returned { _ = try token.openSession() } == .sessionCount)
            #expect(try sign(first) + sign(second) + sign(third) == 3 * 64)
        }
        _ = try token.openSession()
        shim.limitSessions(of: label, to: 1, isHidden: true)
        #expect(try token.info().sessionCountMax == nil)
        #expect(returned { _ = try token.openSession() } == .sessionCount)
        shim.limitSessions(of: label, to: nil)
        _ = try token.openSession()
        #expect(shim.openSessions(of: label) == 1)
        token.close()
    }

    @Test func aTokenThatIsRemovedIsInNoSlotAndItsSessionsAreVoid() throws {
        let label = TokenLab.Label.shimRemoved.rawValue
        let token = try lab.token(.shimRemoved)
        let session = try token.openSession()
        #expect(try sign(session) == 64)
        for value in [ReturnValue.tokenNotPresent, .deviceRemoved] {
            let slots = try lab.module.slots().count
            shim.remove(label, value)
            #expect(try lab.module.slots().count == slots - 1)
            #expect(returned { _ = try token.info() } == .tokenNotPresent)
            #expect(returned { _ = try sign(session) } == value)
            #expect(returned { _ = try token.openSession() } == .tokenNotPresent)
            shim.putBack(label)
            #expect(try lab.module.slots().count == slots)
            #expect(try token.info().label == label)
            #expect(returned { _ = try sign(session) } == .sessionHandleInvalid)
        }
        token.close()
    }

    /// Goal: a knee of 20 ms and 2 at once. Method: four threads, five signatures each: twenty take 10 turns of 20 ms, and each takes two
    /// turns; on two threads each takes one.
    @Test func pastTheKneeSignaturesWaitForEachOther() async throws {
        let label = TokenLab.Label.shimPace.rawValue
        let token = try lab.token(.shimPace)
        _ = try sign(token.openSession())
        shim.knee(of: label, milliseconds: 20, width: 2)
        defer { shim.knee(of: label, milliseconds: 0, width: 0) }
        for (threads, each) in [(2, 20.0), (4, 40.0)] {
            _ = shim.peak(of: label)
            let (times, ready, end) = (Locked<[Double]>([]), Locked(0), ContinuousClock.now + .seconds(20))
            let whole = await elapsed {
                await withTaskGroup(of: Void.self) { group in
                    for _ in 0..<threads {
                        group.addTask {
                            await onThread {
                                do {
                                    let session = try token.openSession()
                                    // All begin together, however late a thread comes
                                    ready.withLock { $0 += 1 }
                                    while ready.withLock({ $0 }) < threads, ContinuousClock.now < end { usleep(100) }
                                    for _ in 0..<5 {
                                        let start = ContinuousClock.now
                                        _ = try sign(session)
                                        times.withLock { $0.append((ContinuousClock.now - start) / .milliseconds(1)) }
                                    }
                                } catch { Issue.record(error) }
                            }
                        }
                    }
                }
            }
            let sorted = times.withLock { $0.sorted() }
            try #require(sorted.count == 5 * threads)
            #expect(sorted[sorted.count / 2] >= each * 0.9, "\(threads) threads: median of a signature \(sorted[sorted.count / 2]) ms")
            #expect(sorted[0] >= 19.5)
            #expect(whole >= 5 * each * 0.85, "\(threads) threads: \(whole) ms")
            #expect(shim.peak(of: label) == threads)
        }

        shim.knee(of: label, milliseconds: 0, width: 0)
        shim.slow("C_SignInit", of: label, milliseconds: 30)
        let slow = try await elapsed { _ = try sign(token.openSession()) }
        #expect(slow >= 30)
        shim.slow("C_SignInit", of: label, milliseconds: 0)
        token.close()
    }

    @Test func theFileOfRulesSaysTheSame() throws {
        let label = TokenLab.Label.shimRules.rawValue
        let path = lab.folder + "/shim.rules"
        func write(_ text: String) throws { try text.write(toFile: path, atomically: true, encoding: .utf8) }
        defer {
            try? FileManager.default.removeItem(atPath: path)
            _ = shim.readRules(path)
        }
        let token = try lab.token(.shimRules)
        let session = try token.openSession()
        #expect(try sign(session) == 64)

        try write("# a comment\n\nfail \(label) C_Sign CKR_DEVICE_ERROR after 1 times 1 # once\nfail \"\(label)\" C_Sign 0x32 after 1 times 1\n")
        #expect(shim.readRules(path) == nil)
        #expect((0..<3).map { _ in returned { _ = try sign(session) } } == [nil, ReturnValue(rawValue: 0x30), nil])
        // Read again, a rule that stands there still goes on counting
        try write("fail \"\(label)\" C_Sign 0x32 after 1 times 1\n")
        #expect(shim.readRules(path) == nil)
        #expect((0..<2).map { _ in returned { _ = try sign(session) } } == [.deviceRemoved, nil])

        try write("removed \(label) CKR_DEVICE_REMOVED\nsessions \(label) 7\nflags \(label) 0x20000\nslow \(label) C_Login 1\n")
        #expect(shim.readRules(path) == nil)
        #expect(returned { _ = try sign(session) } == .deviceRemoved)
        try write("sessions \(label) 7\nflags \(label) 0x20000\n")
        #expect(shim.readRules(path) == nil)
        #expect(try token.info().sessionCountMax == 7)
        #expect(try token.info().flags.contains(.userPINFinalTry))
        #expect(returned { _ = try sign(session) } == .sessionHandleInvalid)
        token.close()

        let fresh = try TokenLab.shared.fresh(.shimRules, shim, rules: path)
        let again = try fresh.openSession()
        try write("drop \(label) after 2\n")
        #expect(shim.readRules(path) == nil)
        #expect((0..<3).map { _ in returned { _ = try sign(again) } } == [nil, nil, .sessionHandleInvalid])
        fresh.close()

        try write("fail \(label) C_Nothing CKR_OK\nknee \(label) 20\nslow \(label)\nremoved \(label) CKR_NO\nwhatever \(label)\nswap\n")
        #expect(shim.readRules(path) == 1)
        try write("swap \(label)\nknee \(label) 20 0.5\n")
        #expect(shim.readRules(path) == 2)
    }

    /// Two copies of the shim before one module: each is told by itself, and finalising one leaves the other's sessions alone.
    @Test func aCopyIsAModuleOfItsOwn() throws {
        let (path, copy) = try lab.copyOfShim()
        let module = try Module.load(path: path)
        let label = TokenLab.Label.shimShared.rawValue
        #expect(copy.count("C_Initialize", of: "*") == 1)
        copy.fail("C_GetSlotList", of: "*", with: .generalError, times: nil)
        #expect(returned { _ = try module.slots() } == .generalError)
        #expect(try !lab.module.slots().isEmpty)
        copy.fail("C_GetSlotList", of: "*", with: .ok, times: 0)
        let token = try lab.token(.shimShared)
        let session = try token.openSession()
        #expect(try sign(session) == 64)
        // A label that is not there makes the module be initialised again, as long as nobody uses it
        #expect(throws: PKCS11Error.self) { try module.slot(label: "no such token") }
        #expect(copy.count("C_Finalize", of: "*") > 0)
        #expect(try sign(session) == 64)
        #expect(try Token(module: module, label: label).info().label == label)
        token.close()
    }
}

extension TokenLab {
    /// The token logged in anew, after its flags were cleared.
    func fresh(_ label: Label, _ shim: FaultShim, rules path: String) throws -> Token {
        try "".write(toFile: path, atomically: true, encoding: .utf8)
        #expect(shim.readRules(path) == nil)
        return try token(label)
    }

    /// A further copy of the shim: a module of its own, with its own rules and counts, before the same SoftHSM.
    ///
    /// - Returns: the path that `Module.load` takes in this process; no file has it any more.
    func copyOfShim() throws -> (path: String, shim: FaultShim) {
        let path = "\(folder)/faultshim-\(UUID().uuidString).so"
        try FileManager.default.copyItem(atPath: module.path, toPath: path)
        defer { try? FileManager.default.removeItem(atPath: path) }
        let shim = try FaultShim(path: path)
        shim.shareModule()
        return (path, shim)
    }
}

/// Runs the body on a thread of its own: it may block.
func onThread(_ body: @escaping @Sendable () -> Void) async {
    await withCheckedContinuation { continuation in
        let thread = Thread {
            body()
            continuation.resume()
        }
        thread.start()
    }
}

/// Milliseconds.
private func elapsed(_ body: () async throws -> Void) async rethrows -> Double {
    let start = ContinuousClock.now
    try await body()
    return (ContinuousClock.now - start) / .milliseconds(1)
}
