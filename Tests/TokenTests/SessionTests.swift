import Foundation
import PKCS11
import Testing

@Suite(.enabled(if: TokenLab.isAvailable)) struct SessionTests {
    let lab = TokenLab.shared
    let digest = (0..<32).map { UInt8($0 * 7 + 1) }
    /// DigestInfo of RFC 8017, 9.2, note 1: SHA-256.
    let digestInfo: [UInt8] = [
        0x30, 0x31, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20,
    ]

    @Test func signaturesOfBothKeysAreWhatOpenSSLTakes() throws {
        let token = try lab.token(.signing)
        let session = try token.openSession()
        let rsa = try session.keyPair(id: TokenLab.rsa)
        #expect(rsa.type == .rsa)
        #expect(rsa.label == "rsa")
        let signature = try session.sign((digestInfo + digest).span, with: .rsaPKCS, key: rsa)
        #expect(signature.count == 256)
        #expect(try lab.opensslAccepts(signature, digest: digest, key: "rsa"))
        #expect(try !lab.opensslAccepts(signature, digest: digest.reversed(), key: "rsa"))

        let raw = try session.sign(digest.span, with: .ecdsa, key: session.keyPair(id: TokenLab.p256))
        #expect(raw.count == 64)
    }

    @Test(arguments: PSSParameters.Hash.allCases) func aPSSSignatureIsWhatOpenSSLTakes(hash: PSSParameters.Hash) throws {
        let session = try lab.token(.signing).openSession()
        let key = try session.keyPair(id: TokenLab.rsa)
        let digest = [UInt8](repeating: 0xA5, count: hash.byteCount)
        let signature = try session.sign(digest.span, with: .rsaPKCSPSS, parameters: .pss(PSSParameters(hash)), key: key)
        #expect(signature.count == 256)
        let options = ["rsa_padding_mode:pss", "rsa_pss_saltlen:\(hash.byteCount)", "digest:\(hash)"]
        #expect(try lab.opensslAccepts(signature, digest: digest, key: "rsa", options: options))
        #expect(try !lab.opensslAccepts(signature, digest: digest.map { ~$0 }, key: "rsa", options: options))
        // Without parameters the mechanism does not begin, and the session is good for the next call.
        let error = #expect(throws: PKCS11Error.self) { try session.sign(digest.span, with: .rsaPKCSPSS, key: key) }
        #expect(error?.advice == .stop)
    }

    @Test func certificatesAreReadById() throws {
        let session = try lab.token(.signing).openSession()
        #expect(try session.certificates(id: TokenLab.p256) == [lab.file("p256.der")])
        #expect(try session.certificates(id: TokenLab.rsa).isEmpty)
    }

    @Test func aKeyThatIsNotThereIsNamed() throws {
        let session = try lab.token(.signing).openSession()
        let error = #expect(throws: PKCS11Error.self) { try session.keyPair(id: [0xAB, 0x01]) }
        #expect(error?.fault == .keyNotFound(id: [0xAB, 0x01]))
        #expect(error?.description.contains("ab01") == true)
    }

    /// A private key is invisible without login; this must look like a lost login and not like a missing key.
    @Test func aKeyThatIsHiddenIsNotMissing() throws {
        let token = try Token(module: lab.module, label: TokenLab.Label.loggedOut.rawValue)
        let session = try token.openSession()
        let error = #expect(throws: PKCS11Error.self) { try session.keyPair(id: TokenLab.p256) }
        #expect(error?.returnValue == .userNotLoggedIn)
        #expect(error?.advice == .logInAgain)
    }

    @Test func anErrorNamesFunctionCodeAndAdvice() throws {
        let session = try lab.token(.signing).openSession()
        let key = try session.keyPair(id: TokenLab.p256)
        let error = #expect(throws: PKCS11Error.self) { try session.sign(digest.span, with: Mechanism(rawValue: 0x8000_1234), key: key) }
        #expect(error?.fault == .returned(.mechanismInvalid, by: "C_SignInit"))
        #expect(error?.advice == .stop)
        #expect(error?.description == "C_SignInit returned CKR_MECHANISM_INVALID: The token does not have the mechanism.")
    }
}
