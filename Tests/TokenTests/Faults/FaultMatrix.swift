import PKCS11
import SigningPipeline
import TokenSigner

/// One fault: a CKR at a call, at one of two moments, until a while has passed.
struct FaultCase: Hashable, Sendable {
    enum Moment: String, CaseIterable, Sendable {
        /// From before the module is loaded.
        case start
        /// While jobs are signed, when what is asked of the token once must be asked again.
        case running
    }

    let value: ReturnValue
    let call: String
    let moment: Moment

    /// Each PKCS#11 function that a signer calls.
    static let calls = [
        "C_Initialize", "C_GetSlotList", "C_GetTokenInfo", "C_GetMechanismList", "C_OpenSession", "C_Login", "C_GetSessionInfo",
        "C_FindObjectsInit", "C_FindObjects", "C_FindObjectsFinal", "C_GetAttributeValue", "C_SignInit", "C_Sign", "C_CloseSession",
        "C_CloseAllSessions", "C_Logout",
    ]

    /// Every code of the standard but CKR_OK, at every call, at both moments; last, a code that a vendor has made up.
    static let all: [FaultCase] = (ReturnValue.all.filter { $0 != .ok } + [vendor]).flatMap { value in
        calls.flatMap { call in Moment.allCases.map { FaultCase(value: value, call: call, moment: $0) } }
    }

    static let vendor = ReturnValue(rawValue: 0x8000_0001)
}

extension FaultCase: CustomStringConvertible {
    var description: String { "\(value) at \(call), \(moment == .start ? "from the start" : "while jobs are signed")" }
}

/// What became of the token and the jobs.
struct FaultOutcome: Sendable {
    enum Fate: String, Sendable {
        /// The function was not called.
        case notCalled
        /// All jobs were signed though the fault stayed.
        case signed
        /// The jobs waited until the fault had ended, and were signed then.
        case waited
        /// Signing ended until the worker was started again; then the jobs were signed.
        case person
    }

    var fate: Fate
    /// The token's state while the fault lasted, when time had passed; `up` where nobody had to wait.
    var state: String
    /// What must not be: bad signatures, lost or doubled jobs, a run that does not end.
    var problems: [String]
}

extension FaultCase {
    /// How long the fault lasts, in the time of a clock that nobody waits for: some probes of the token fail.
    static let outage = Duration.seconds(1)
    private static let jobs = 6

    /// Meets the fault with a worker on the token with this label, which is nobody else's meanwhile.
    func run(on label: String) async -> FaultOutcome {
        do {
            let stand = try FaultStand()
            defer { stand.shim.closeSessions(of: label) }
            switch moment {
            case .start: return try await meetAtStart(stand, label)
            case .running: return try await meetRunning(stand, label)
            }
        } catch {
            return FaultOutcome(fate: .notCalled, state: "?", problems: ["\(error)"])
        }
    }

    private func meetAtStart(_ stand: FaultStand, _ label: String) async throws -> FaultOutcome {
        await stand.enqueue(2 * Self.jobs)
        let fault = Fault(self, stand, label)
        fault.begin(after: 0)
        do throws(SignerError) {
            let signer = try await stand.signer(label)
            return await fault.outcome(of: await stand.run([signer]), closing: signer)
        } catch {
            return await fault.outcome(of: error, closing: nil)
        }
    }

    private func meetRunning(_ stand: FaultStand, _ label: String) async throws -> FaultOutcome {
        await stand.enqueue(Self.jobs)
        let signer = try await stand.signer(label)
        if let error = await stand.run([signer]) { throw error }
        await stand.enqueue(Self.jobs)
        let fault = Fault(self, stand, label)
        switch call {
        case "C_SignInit", "C_Sign":
            fault.begin(after: Self.jobs / 2)
        case "C_CloseSession", "C_GetSessionInfo":
            // A session in doubt is closed, and the one that stays is asked whether it is logged in still
            stand.shim.fail("C_SignInit", of: label, with: .generalError, after: Self.jobs / 2, times: 1)
            fault.begin(after: 0)
        case "C_Initialize":
            fault.begin(after: 0)
            stand.shim.finalise()
        default:
            fault.begin(after: 0)
            stand.shim.closeSessions(of: label)
        }
        return await fault.outcome(of: await stand.run([signer]), closing: signer)
    }
}

/// One fault under way.
private final class Fault: Sendable {
    private let fault: FaultCase
    private let stand: FaultStand
    private let label: String
    /// The functions that are for no token are told of under "*"; each stand has its own shim, so no other hears it.
    private let place: String
    private let before: Int
    private let observed = Observed()

    private actor Observed {
        /// The token's state when the outage ended; nil while it has not.
        private(set) var state: String?
        func end(_ state: String) { self.state = self.state ?? state }
    }

    init(_ fault: FaultCase, _ stand: FaultStand, _ label: String) {
        self.fault = fault
        self.stand = stand
        self.label = label
        place = ["C_Initialize", "C_GetSlotList"].contains(fault.call) ? "*" : label
        before = stand.shim.count(fault.call, of: place)
    }

    func begin(after good: Int) {
        stand.shim.fail(fault.call, of: place, with: fault.value, after: good, times: nil)
        stand.clock.after(FaultCase.outage) { [self] in await end() }
    }

    private func end() async {
        await observed.end(stand.state(of: label))
        stand.shim.fail(fault.call, of: place, with: .ok, times: 0)
    }

    /// - Parameter error: what ended the run, or kept it from beginning.
    func outcome(of error: (any Error)?, closing signer: TokenSigner?) async -> FaultOutcome {
        let isOver = await observed.state != nil
        let state = stand.state(of: label)
        await signer?.close()
        let isCalled = stand.shim.count(fault.call, of: place) > before
        await end()
        var outcome = FaultOutcome(fate: isOver ? .waited : .signed, state: await observed.state ?? "?", problems: [])
        if let error {
            outcome.fate = .person
            outcome.state = state
            guard (error as? SignerError)?.isPermanent == true else {
                outcome.problems = ["the run ended with \(error)"]
                return outcome
            }
            if fault.call == "C_Login", stand.shim.count(fault.call, of: place) != before + 1 {
                outcome.problems.append("C_Login was called \(stand.shim.count(fault.call, of: place) - before) times")
            }
            // Nothing is lost and nothing bad was given out; and after a person has mended it, all is signed
            outcome.problems += await stand.problems(unsigned: await stand.unsigned)
            outcome.problems += await restart()
        } else {
            outcome.problems += await stand.problems()
        }
        if !isCalled { outcome.fate = .notCalled }
        return outcome
    }

    private func restart() async -> [String] {
        stand.shim.closeSessions(of: label)
        do {
            let again = try stand.restarted()
            let signer = try await again.signer(label)
            let error = await again.run([signer])
            await signer.close()
            return await again.problems() + (error.map { ["after a restart: \($0)"] } ?? [])
        } catch {
            return ["after a restart: \(error)"]
        }
    }
}
