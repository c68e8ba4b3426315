import CMS
import Foundation
import LibCrypto
import Log
import Metrics
import OperatingSystem
import PKCS11
import SigningPipeline
import Testing

@testable import TokenSigner

/// How a token makes each algorithm, on keys of a SoftHSM 2 token; OpenSSL is the judge. And what is said where something does not fit.
/// One after the other: the last signer of the one token logs out under the feet of whoever signs beside it.
@Suite(.serialized, .enabled(if: TokenLab.isAvailable)) struct SigningMethodTests {
    let lab = TokenLab.shared

    struct Case: CustomTestStringConvertible, Sendable {
        let key: String
        let id: [UInt8]
        let algorithm: SignatureAlgorithm
        /// For `openssl pkeyutl`; with -rawin it takes the message and not its digest.
        var options: [String] = []
        var testDescription: String { "\(algorithm) by \(key)" }
    }

    static let cases: [Case] = {
        var cases = [Case(key: "ed25519", id: [6], algorithm: .ed25519, options: ["-rawin"])]
        for digest in [DigestAlgorithm.sha256, .sha384, .sha512] {
            let pss = ["rsa_padding_mode:pss", "rsa_pss_saltlen:\(digest.function.byteCount)", "rsa_mgf1_md:\(digest)", "digest:\(digest)"]
            cases += [
                Case(
                    key: "rsa", id: TokenLab.rsa, algorithm: .rsaPKCS1(digest),
                    options: ["-pkeyopt", "rsa_padding_mode:pkcs1", "-pkeyopt", "digest:\(digest)"]),
                Case(key: "rsa", id: TokenLab.rsa, algorithm: .rsaPSS(digest), options: pss.flatMap { ["-pkeyopt", $0] }),
                Case(key: "p256", id: TokenLab.p256, algorithm: .ecdsa(digest)), Case(key: "p384", id: [4], algorithm: .ecdsa(digest)),
                Case(key: "p521", id: [5], algorithm: .ecdsa(digest)),
            ]
        }
        return cases
    }()

    @Test(arguments: cases) func signsAsOpenSSLVerifies(_ wanted: Case) throws {
        let method = try #require(SigningMethod.making(wanted.algorithm))
        let certificate = try certificate(wanted.key)
        let message = Array("Келісім №1".utf8)
        let input = wanted.algorithm.input(of: message)
        let signature = try sign(input, method, id: wanted.id)
        #expect(wanted.algorithm.isValid(signature: signature, overMessage: message, by: certificate.publicKey))
        #expect(!wanted.algorithm.isValid(signature: signature, overMessage: message + [0], by: certificate.publicKey))
        #expect(try isTakenByOpenSSL(signature, input, wanted.key, wanted.options))
        #expect(try !isTakenByOpenSSL(signature, wanted.algorithm.input(of: [1]), wanted.key, wanted.options))
    }

    /// Many signatures of one key: short numbers and high bits in ECDSA, salts in PSS.
    @Test func everySignatureOfManyIsRight() throws {
        let kinds: [(String, [UInt8], SignatureAlgorithm)] = [
            ("p521", [5], .ecdsa(.sha512)), ("p384", [4], .ecdsa(.sha384)), ("ed25519", [6], .ed25519),
        ]
        for (key, id, algorithm) in kinds {
            let method = try #require(SigningMethod.making(algorithm))
            let publicKey = try certificate(key).publicKey
            for round in 0..<60 {
                let input = algorithm.input(of: [UInt8(round)])
                #expect(algorithm.isValid(signature: try sign(input, method, id: id), ofInput: input, by: publicKey), "\(key) \(round)")
            }
        }
    }

    /// A mechanism by number gets the digest as it is: without DigestInfo in RSA's case, which OpenSSL verifies as bare data.
    @Test func aMechanismByNumberSignsTheDigestAsItIs() throws {
        let digest = DigestFunction.sha256.digest([7])
        let bare = try #require(SigningMethod.making(.rsaPKCS1(.sha256), by: .number(Mechanism.rsaPKCS.rawValue)))
        let signature = try sign(digest, bare, id: TokenLab.rsa)
        #expect(try isTakenByOpenSSL(signature, digest, "rsa", ["-pkeyopt", "rsa_padding_mode:pkcs1"]))
        #expect(try !isTakenByOpenSSL(signature, digest, "rsa", ["-pkeyopt", "rsa_padding_mode:pkcs1", "-pkeyopt", "digest:sha256"]))
        // Which is no signature of CMS, so that it would not leave
        #expect(!SignatureAlgorithm.rsaPKCS1(.sha256).isValid(signature: signature, ofInput: digest, by: try certificate("rsa").publicKey))
        // What answers r and s becomes DER.
        let curve = try #require(SigningMethod.making(.ecdsa(.sha256), by: .number(Mechanism.ecdsa.rawValue)))
        let other = try sign(digest, curve, id: TokenLab.p256)
        #expect(SignatureAlgorithm.ecdsa(.sha256).isValid(signature: other, ofInput: digest, by: try certificate("p256").publicKey))
    }

    // MARK: - What fits

    @Test func whatTheTokenOffersIsChosen() throws {
        let offered = try lab.token(.methods).slot.mechanisms()
        for wanted in Self.cases {
            let type = try keyType(wanted.id)
            let method = try SigningMethod.choose(
                wanted.algorithm, by: wanted.algorithm.mechanism, for: certificate(wanted.key), key: ("key", type), offered: offered)
            #expect(method.takes(type))
            #expect(offered.contains(method.mechanism))
        }
    }

    @Test func whatDoesNotFitIsNamed() throws {
        let rsa = try certificate("rsa")
        let p256 = try certificate("p256")
        func refusal(
            _ algorithm: SignatureAlgorithm, _ choice: MechanismChoice? = nil, for certificate: Certificate, _ type: KeyType,
            _ offered: [Mechanism] = [.rsaPKCS, .rsaPKCSPSS, .ecdsa]
        ) -> (reason: String, remedy: String)? {
            do throws(SigningMethod.Refusal) {
                _ = try SigningMethod.choose(algorithm, by: choice, for: certificate, key: ("key 0a", type), offered: offered)
                return nil
            } catch { return (error.reason, error.remedy) }
        }
        #expect(refusal(.rsaPSS(.sha256), for: rsa, .rsa) == nil)
        #expect(refusal(.rsaPKCS1(.sha256), .number(0x8000_0001), for: rsa, .rsa, [Mechanism(rawValue: 0x8000_0001)]) == nil)
        // GOST's, say: whose type only the vendor knows
        #expect(refusal(.ecdsa(.sha256), .number(0x8000_0001), for: p256, KeyType(rawValue: 0x30), [Mechanism(rawValue: 0x8000_0001)]) == nil)

        let absent = try #require(refusal(.rsaPSS(.sha256), .rsaPSS, for: rsa, .rsa, [.rsaPKCS, .ecdsa]))
        #expect(
            absent.reason
                == "the token has no mechanism CKM_RSA_PKCS_PSS, by which key 0a would sign rsa-pss-sha256 for the certificate of \(rsa)")
        #expect(absent.remedy.hasSuffix("for such a key the token has CKM_RSA_PKCS"))
        let alone = try #require(refusal(.rsaPKCS1(.sha256), for: rsa, .rsa, [.ecdsa]))
        #expect(alone.remedy.hasPrefix("use a key on another token"))
        let vendors = try #require(refusal(.rsaPKCS1(.sha256), .number(0x8000_0002), for: rsa, .rsa))
        #expect(vendors.reason.contains("CKM 0x80000002"))
        let type = try #require(refusal(.ecdsa(.sha384), for: p256, .rsa))
        #expect(type.reason == "key 0a is of type RSA and cannot sign ecdsa-sha384 for the certificate of \(p256) by CKM_ECDSA")
        let kind = try #require(refusal(.rsaPSS(.sha512), .rsaPSS, for: p256, .ec))
        #expect(kind.reason.contains("rsa-pss-sha512 for the certificate of \(p256), whose key is of kind EC P-256"))
    }

    // MARK: - The signer

    private func start(
        _ key: String, _ id: [UInt8], digest: DigestAlgorithm? = nil, mechanism: MechanismChoice? = nil
    ) async throws -> TokenSigner {
        let settings = TokenSettings(
            name: "hsm-1", module: lab.module.path, label: "methods", pin: Secret(Array(TokenLab.pin.utf8)), sessions: 2)
        let token = TokenRegistry(log: .silent, metrics: Metrics()).token(settings)
        return try await TokenSigner.start(
            token, key: id, certificate: certificate(key), use: digest.map { TokenSigner.Use($0, mechanism) })
    }

    @Test(arguments: cases) func theSignerSignsByWhatItsProfileAsksFor(_ wanted: Case) async throws {
        let signer = try await start(wanted.key, wanted.id, digest: wanted.algorithm.digest, mechanism: wanted.algorithm.mechanism)
        let inputs = (0..<5).map { wanted.algorithm.input(of: [UInt8($0)]) }
        let signatures = try await signer.sign(inputs, with: wanted.algorithm)
        for (signature, input) in zip(signatures, inputs) {
            #expect(wanted.algorithm.isValid(signature: signature, ofInput: input, by: signer.certificate.publicKey))
        }
        await signer.close()
    }

    /// Nothing asked for: the key proves itself all the same, whatever its kind.
    @Test(arguments: [("rsa", TokenLab.rsa), ("p256", TokenLab.p256), ("p384", [4]), ("p521", [5]), ("ed25519", [6])])
    func aKeyOfEveryKindProvesItself(_ key: String, _ id: [UInt8]) async throws {
        let signer = try await start(key, id)
        #expect(signer.isIn)
        await signer.close()
    }

    @Test(arguments: [
        ("rsa", TokenLab.rsa, DigestAlgorithm.sha256, MechanismChoice.ecdsa, "with digest sha256 and mechanism ecdsa"),
        ("ed25519", [6], .sha256, .eddsa, "with digest sha256 and mechanism eddsa"),
        ("p256", TokenLab.p256, .sha384, .number(0x8000_0001), "no mechanism CKM 0x80000001, by which the key 02 would sign ecdsa-sha384"),
        ("p384", TokenLab.p256, .sha384, .rsaPSS, "with digest sha384 and mechanism rsa-pss"),
        ("rsa", [4], .sha512, .rsaPSS, "the key 04 is of type EC and cannot sign rsa-pss-sha512"),
    ])
    func aProfileThatDoesNotFitIsRefusedAtStart(
        _ key: String, _ id: [UInt8], _ digest: DigestAlgorithm, _ mechanism: MechanismChoice, _ reason: String
    ) async throws {
        let error = await #expect(throws: SignerError.self) { try await start(key, id, digest: digest, mechanism: mechanism) }
        let said = error?.reason ?? ""
        #expect(said.contains(reason), "\(said)")
        #expect(said.contains("CN=Token test \(key)"), "\(said)")
        #expect(error?.isPermanent == true && error?.isMisfit == true && error?.token == "hsm-1")
    }

    // MARK: - Tools

    private func certificate(_ name: String) throws -> Certificate { try Certificate(der: lab.file("\(name).der")) }

    private func keyType(_ id: [UInt8]) throws -> KeyType {
        let session = try lab.token(.methods).openSession()
        return try session.keyPair(id: id).type
    }

    private func sign(_ input: [UInt8], _ method: SigningMethod, id: [UInt8]) throws -> [UInt8] {
        let session = try lab.token(.methods).openSession()
        let key = try session.keyPair(id: id)
        #expect(method.takes(key.type))
        let answer = try session.sign(method.input(input).span, with: method.mechanism, parameters: method.parameters, key: key)
        return try #require(method.signature(answer))
    }

    private func isTakenByOpenSSL(_ signature: [UInt8], _ input: [UInt8], _ key: String, _ options: [String]) throws -> Bool {
        let name = lab.folder + "/" + UUID().uuidString
        defer { for suffix in [".sig", ".in"] { try? FileManager.default.removeItem(atPath: name + suffix) } }
        try Data(signature).write(to: URL(fileURLWithPath: name + ".sig"))
        try Data(input).write(to: URL(fileURLWithPath: name + ".in"))
        let files = ["-pubin", "-inkey", "\(lab.folder)/\(key).pub", "-in", name + ".in", "-sigfile", name + ".sig"]
        do { try TokenLab.run("openssl", ["pkeyutl", "-verify"] + files + options) } catch { return false }
        return true
    }
}
