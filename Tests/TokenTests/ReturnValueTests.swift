import PKCS11
import Testing

@Suite struct ReturnValueTests {
    @Test func everyCodeHasANameOfItsOwnAndASentence() {
        #expect(ReturnValue.all.count > 90)
        #expect(Set(ReturnValue.all.map(\.name)).count == ReturnValue.all.count)
        for value in ReturnValue.all {
            #expect(value.name.hasPrefix("CKR_"))
            #expect(value.sentence.hasSuffix("."), "\(value)")
        }
    }

    @Test func namesStandAtTheStandardsNumbers() {
        #expect(ReturnValue(rawValue: 0xA0).name == "CKR_PIN_INCORRECT")
        #expect(ReturnValue(rawValue: 0xB3).name == "CKR_SESSION_HANDLE_INVALID")
        #expect(ReturnValue(rawValue: 0x101).name == "CKR_USER_NOT_LOGGED_IN")
        #expect(ReturnValue(rawValue: 0x1B8).name == "CKR_PIN_TOO_WEAK")
        #expect(ReturnValue(rawValue: 0x200).name == "CKR_FUNCTION_REJECTED")
    }

    @Test func anUnknownCodeSurvives() {
        let value = ReturnValue(rawValue: 0x8000_0815)
        #expect(value.name == "CKR 0x80000815 (vendor-defined)")
        #expect(value.advice == .reopenSession)
        #expect(ReturnValue(rawValue: 0x7777).name == "CKR 0x7777 (unknown)")
    }

    /// What decides whether a PIN is sent again, whether a batch is repeated and whether a person is called.
    @Test func adviceOnTheCodesThatMatterMost() {
        let expected: [(UInt, Advice)] = [
            (0xA0, .takeOutOfService), (0xA4, .takeOutOfService), (0xA3, .takeOutOfService), (0x102, .takeOutOfService),
            (0xB3, .reopenSession), (0xB0, .reopenSession), (0x32, .reopenSession), (0xE0, .reopenSession), (0x60, .reopenSession),
            (0x82, .reopenSession), (0x190, .reopenSession), (0x30, .reopenSession), (0x5, .reopenSession), (0x101, .logInAgain),
            (0xB1, .retry), (0x70, .stop), (0x63, .stop), (0x7, .stop), (0x68, .stop),
        ]
        for (code, advice) in expected { #expect(ReturnValue(rawValue: code).advice == advice, "\(ReturnValue(rawValue: code))") }
    }
}
