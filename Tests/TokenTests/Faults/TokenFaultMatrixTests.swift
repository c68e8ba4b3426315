import Foundation
import OperatingSystem
import PKCS11
import Testing
import TokenSigner

/// Each CKR of the standard at each PKCS#11 call that Tanba makes, met by a pipeline. Runs in a process of its own (Deploy/suites/token-faults),
/// where the lab has nothing but tokens for it, and leaves the table of docs/token-faults.md in the file that TANBA_TOKEN_FAULTS names.
@Suite(.enabled(if: TokenLab.isAvailable && TokenLab.matrixTable != nil)) struct TokenFaultMatrixTests {
    @Test(.timeLimit(.minutes(6))) func noBadSignatureAndNoLostJobWhateverTheTokenAnswers() async throws {
        let queue = Locked(FaultCase.all[...])
        let outcomes = Locked<[FaultCase: FaultOutcome]>([:])
        await withTaskGroup(of: Void.self) { group in
            for label in TokenLab.matrixLabels {
                group.addTask {
                    while let fault = queue.withLock({ $0.popFirst() }) {
                        let outcome = await fault.run(on: label)
                        outcomes.withLock { $0[fault] = outcome }
                    }
                }
            }
        }
        let measured = outcomes.withLock { $0 }
        try #require(measured.count == FaultCase.all.count)
        for fault in FaultCase.all {
            let outcome = try #require(measured[fault])
            #expect(outcome.problems.isEmpty, "\(fault): \(outcome.problems)")
            // A person is called only where the program cannot help itself, and then says so
            let isForPerson = [.takeOutOfService, .stop].contains(fault.value.advice) || fault.call == "C_Login" && fault.moment == .start
            #expect(outcome.fate != .person || isForPerson, "\(fault)")
            #expect(outcome.fate != .person || outcome.state != "up", "\(fault)")
            #expect(outcome.fate != .waited || ["away", "failing"].contains(outcome.state), "\(fault): \(outcome.state)")
        }
        for call in FaultCase.calls {
            #expect(measured.contains { $0.key.call == call && $0.value.fate != .notCalled }, "\(call) is not called any more")
        }
        let path = try #require(TokenLab.matrixTable)
        try FaultTable(outcomes: measured).markdown.write(toFile: path, atomically: true, encoding: .utf8)
    }

    /// A call that Tanba makes and the matrix does not know would go unmeasured.
    @Test func noOtherFunctionIsCalled() async throws {
        let stand = try FaultStand()
        let label = TokenLab.matrixCalls
        await stand.enqueue(10)
        let signer = try await stand.signer(label)
        #expect(await stand.run([signer]) == nil)
        stand.shim.closeSessions(of: label)
        await stand.enqueue(10)
        #expect(await stand.run([signer]) == nil)
        await signer.close()
        #expect(await stand.problems() == [])
        let others = [
            "C_GetInfo", "C_GetSlotInfo", "C_GetMechanismInfo", "C_WaitForSlotEvent", "C_InitToken", "C_InitPIN", "C_SetPIN",
            "C_GetOperationState", "C_SetOperationState", "C_CreateObject", "C_CopyObject", "C_DestroyObject", "C_GetObjectSize",
            "C_SetAttributeValue", "C_EncryptInit", "C_DecryptInit", "C_DigestInit", "C_SignUpdate", "C_SignFinal", "C_SignRecoverInit",
            "C_VerifyInit", "C_Verify", "C_GenerateKey", "C_GenerateKeyPair", "C_WrapKey", "C_UnwrapKey", "C_DeriveKey", "C_SeedRandom",
            "C_GenerateRandom",
        ]
        #expect(others.filter { stand.shim.count($0, of: "*") != 0 } == [])
    }
}
