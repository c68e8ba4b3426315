import Foundation
import OperatingSystem
import Testing

/// Tokens and keys that do not fit: one clear error, nothing signed, and a PIN is tried once.
@Suite struct TokenProblemTests {
    /// A module of OpenSC that writes down the calls it passes on.
    private static let spy = ["/usr/lib/x86_64-linux-gnu/pkcs11-spy.so", "/usr/lib/aarch64-linux-gnu/pkcs11-spy.so"].first { Files.exists($0) }

    @Test(.enabled(if: spy != nil, "SKIPPED: the count of PIN attempts; opensc's pkcs11-spy.so is not there"))
    func aWrongPINIsTriedOnce() async throws {
        let stand = try ProgramStand { text in
            let module = String(text.firstMatch(of: /module: "([^"]+)"/)!.1)
            return text.replacing("\"\(module)\"", with: "\"\(Self.spy!)\"")
                .replacing(/pin: "[^"]+"/, with: "pin: env:WRONG_PIN")
                .replacing("    environment:\n", with: "    environment:\n      PKCS11SPY: \(module)\n      PKCS11SPY_OUTPUT: \"SPY\"\n")
        }
        let spied = stand("spied.txt")
        try stand.write(String(decoding: stand.read("tanba.yaml"), as: UTF8.self).replacing("\"SPY\"", with: "\"\(spied)\""), to: "tanba.yaml")
        let pin = "1234-not-the-pin"
        try stand.writeDocuments(3)
        let ended = try await stand.sign(environment: ["WRONG_PIN": pin])
        #expect(ended.status == 3, "\(ended)")
        #expect(ended.errors.contains("CKR_PIN_INCORRECT"), "\(ended)")
        #expect(ended.errors.contains("main"), "the token is named: \(ended)")
        #expect(!(ended.output + ended.errors).contains(pin))
        let calls = String(decoding: try Files.read(spied, atMost: 1 << 24), as: UTF8.self)
        #expect(calls.matches(of: /\d+: C_Login\n/).count == 1)
        #expect(try stand.signatures() == [])
    }

    @Test func aPINThatCannotBeReadIsNoPIN() async throws {
        let stand = try ProgramStand { $0.replacing(/pin: "[^"]+"/, with: "pin: file:/nonexistent/pin") }
        try stand.writeDocuments(1)
        let ended = try await stand.sign()
        #expect(ended.status == 2, "\(ended)")
        #expect(ended.errors.contains("the PIN of token main cannot be read"), "\(ended)")
        #expect(ended.errors.contains("/nonexistent/pin"))
    }

    /// A PIN in the configuration is refused, and not shown.
    @Test func aPINInTheConfigurationIsRefused() async throws {
        let stand = try ProgramStand { $0.replacing(/pin: "[^"]+"/, with: "pin: \"987654\"") }
        let ended = try await stand.sign()
        #expect(ended.status == 2, "\(ended)")
        #expect(ended.errors.contains("tokens.pin of main must say where the PIN is"), "\(ended)")
        #expect(!ended.errors.contains("987654"))
    }

    @Test func aPINMayComeFromTheEnvironment() async throws {
        let stand = try ProgramStand { $0.replacing(/pin: "[^"]+"/, with: "pin: env:SIGNER_PIN") }
        try stand.writeDocuments(1)
        let pin = String(decoding: try Files.read(stand("token/pin"), atMost: 100), as: UTF8.self)
        let ended = try await stand.sign(environment: ["SIGNER_PIN": pin.trimmingCharacters(in: .newlines)])
        #expect(ended.status == 0, "\(ended)")
    }

    @Test func keyAndCertificateMustFit() async throws {
        // Both P-256: only the key tells them apart
        let stand = try ProgramStand { $0.replacing("/pki/p256.pem", with: "/pki/tsa.pem") }
        try stand.writeDocuments(1)
        let ended = try await stand.sign()
        #expect(ended.status == 2, "\(ended)")
        #expect(
            ended.errors.contains("profile p256-b: token main: the key 02 is not the one of the certificate of CN=Demo time-stamping authority"),
            "\(ended)")
        #expect(try stand.signatures() == [])
        // Of another kind
        let other = try ProgramStand { $0.replacing("/pki/p256.pem", with: "/pki/rsa2048.pem") }
        try other.writeDocuments(1)
        let otherEnded = try await other.sign()
        #expect(otherEnded.status == 2, "\(otherEnded)")
        #expect(otherEnded.errors.contains("the key 02"), "\(otherEnded)")
    }

    @Test func aKeyOrTokenThatIsNotThereIsNamed() async throws {
        let key = try ProgramStand { $0.replacing("key: \"02\"", with: "key: \"77\"") }
        try key.writeDocuments(1)
        let noKey = try await key.sign()
        #expect(noKey.status == 2, "\(noKey)")
        #expect(noKey.errors.contains("77"), "\(noKey)")
        let token = try ProgramStand { $0.replacing("label: tanba-demo", with: "label: somewhere-else") }
        try token.writeDocuments(1)
        let noToken = try await token.sign()
        #expect(noToken.status == 3, "\(noToken)")
        #expect(noToken.errors.contains("somewhere-else"), "\(noToken)")
        let module = try ProgramStand { $0.replacing(/module: "[^"]+"/, with: "module: /nonexistent/module.so") }
        try module.writeDocuments(1)
        let noModule = try await module.sign()
        #expect(noModule.status == 3, "\(noModule)")
        #expect(noModule.errors.contains("/nonexistent/module.so"), "\(noModule)")
    }
}
