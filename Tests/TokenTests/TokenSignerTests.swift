import CMS
import LibCrypto
import Log
import Metrics
import OperatingSystem
import PKCS11
import SigningPipeline
import Testing

@testable import TokenSigner

@Suite(.enabled(if: TokenLab.isAvailable)) struct TokenSignerTests {
    let lab = TokenLab.shared
    let metrics = Metrics()

    func settings(_ label: TokenLab.Label, sessions: Int = 2, pin: String = TokenLab.pin) -> TokenSettings {
        TokenSettings(name: "t-\(label)", module: lab.module.path, label: label.rawValue, pin: Secret(Array(pin.utf8)), sessions: sessions)
    }

    func open(_ label: TokenLab.Label, sessions: Int = 2) -> SharedToken {
        TokenRegistry(log: .silent, metrics: metrics).token(settings(label, sessions: sessions))
    }

    func certificate(_ name: String) throws -> Certificate { try Certificate(der: lab.file("\(name).der")) }

    /// Different digests, so that an answer in the wrong place shows.
    func digests(_ count: Int, _ function: DigestFunction = .sha256) -> [[UInt8]] {
        (0..<count).map { function.digest([UInt8($0 & 255), UInt8($0 >> 8)]) }
    }

    @Test func signaturesStandInTheOrderOfTheirDigestsAndOpenSSLTakesThem() async throws {
        let token = open(.signing)
        for (name, id) in [("rsa", TokenLab.rsa), ("p256", TokenLab.p256)] {
            let signer = try await TokenSigner.start(token, key: id, certificate: certificate(name))
            let algorithm = try #require(SignatureAlgorithm.fitting(signer.certificate.publicKey, .sha256))
            let digests = digests(40)
            let signatures = try await signer.sign(digests, with: algorithm)
            #expect(signatures.count == 40)
            for (signature, digest) in zip(signatures, digests) {
                #expect(algorithm.isValid(signature: signature, ofInput: digest, by: signer.certificate.publicKey))
            }
            #expect(try lab.opensslAccepts(signatures[7], digest: digests[7], key: name))
            #expect(try !lab.opensslAccepts(signatures[7], digest: digests[8], key: name))
        }
    }

    @Test(arguments: [DigestAlgorithm.sha256, .sha384, .sha512]) func everyDigestOfTheStandardIsSigned(digest: DigestAlgorithm) async throws {
        let token = open(.signing)
        for (name, id) in [("rsa", TokenLab.rsa), ("p256", TokenLab.p256)] {
            let signer = try await TokenSigner.start(token, key: id, certificate: certificate(name))
            let algorithm = try #require(SignatureAlgorithm.fitting(signer.certificate.publicKey, digest))
            #expect(try await signer.sign(digests(2, digest.function), with: algorithm).count == 2)
        }
    }

    @Test func theCertificateMayLieOnTheToken() async throws {
        let token = open(.signing)
        let signer = try await TokenSigner.start(token, key: TokenLab.p256)
        #expect(try signer.certificate == certificate("p256"))
        let error = await #expect(throws: SignerError.self) { try await TokenSigner.start(token, key: TokenLab.rsa) }
        #expect(error?.reason == "no certificate with the id 01 lies on the token")
        #expect(error?.isPermanent == true)
    }

    @Test func ofSeveralCertificatesTheOneThatMatchesIsTaken() async throws {
        let signer = try await TokenSigner.start(open(.renewed), key: TokenLab.p256)
        #expect(try signer.certificate == certificate("p256"))
    }

    @Test(arguments: [("other", TokenLab.p256, "02"), ("rsa", TokenLab.p256, "02"), ("p256", TokenLab.rsa, "01")])
    func aKeyAndACertificateThatDoNotMatchAreNamed(certificate name: String, key: [UInt8], id: String) async throws {
        let token = open(.signing)
        let certificate = try certificate(name)
        let error = await #expect(throws: SignerError.self) { try await TokenSigner.start(token, key: key, certificate: certificate) }
        #expect(error?.isPermanent == true)
        #expect(error?.token == "t-signing")
        #expect(error?.reason.contains("key \(id)") == true)
        #expect(error?.reason.contains("CN=Token test \(name)") == true, "\(String(describing: error))")
        #expect(error?.reason.contains(certificate.serialNumberHex) == true)
    }

    @Test func aMissingKeyIsNamed() async throws {
        let token = open(.signing)
        let error = await #expect(throws: SignerError.self) { try await TokenSigner.start(token, key: [0x77], certificate: certificate("p256")) }
        #expect(error?.reason == "the token has no private key with the id 77")
        #expect(error?.isPermanent == true)
    }

    /// Several profiles ask for one token at the same moment, each with the same wrong PIN: one attempt.
    @Test func aWrongPINIsTriedOnceForAllSigners() async throws {
        let registry = TokenRegistry(log: .silent, metrics: metrics)
        let settings = settings(.wrongPINShared, pin: "99999999")
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    let error = await #expect(throws: SignerError.self) {
                        try await TokenSigner.start(registry.token(settings), key: TokenLab.p256, certificate: certificate("p256"))
                    }
                    #expect(error?.isPermanent == true)
                    #expect(error?.reason.contains("CKR_PIN_INCORRECT") == true)
                    #expect(error?.description.contains("99999999") == false)
                }
            }
        }
        // Nor does a new registry try again.
        await #expect(throws: SignerError.self) {
            try await TokenSigner.start(TokenRegistry(log: .silent, metrics: metrics).token(settings), key: TokenLab.p256)
        }
        #expect(registry.report().map(\.state) == [.lockedOut])
        #expect(lab.logins(.wrongPINShared) == 1)
        #expect(metrics.gauge("tanba_token_healthy", help: TokenMetrics.healthyHelp, labels: ["token"]).value("t-wrongPINShared") == 0)
    }

    @Test func signersOfOneTokenShareOneLoginAndTheLastLogsOut() async throws {
        let registry = TokenRegistry(log: .silent, metrics: metrics)
        let settings = settings(.reopened)
        let token = registry.token(settings)
        #expect(registry.token(settings) === token)
        let first = try await TokenSigner.start(token, key: TokenLab.rsa, certificate: certificate("rsa"))
        let second = try await TokenSigner.start(token, key: TokenLab.p256, certificate: certificate("p256"))
        #expect(lab.logins(.reopened) == 1)
        await first.close()
        #expect(try await second.sign(digests(1), with: .ecdsa(.sha256)).count == 1)
        await second.close()
        let error = await #expect(throws: SignerError.self) { try await second.sign(digests(1), with: .ecdsa(.sha256)) }
        #expect(error?.reason == "the token is closed")

        let again = registry.token(settings)
        #expect(again !== token)
        let third = try await TokenSigner.start(again, key: TokenLab.p256, certificate: certificate("p256"))
        #expect(try await third.sign(digests(1), with: .ecdsa(.sha256)).count == 1)
        #expect(lab.logins(.reopened) == 2)
        await third.close()
    }

    /// Eight callers sign on three sessions while somebody closes all sessions again and again.
    @Test func eightCallersComeThroughLostSessions() async throws {
        let token = open(.lostSigner, sessions: 3)
        let signer = try await TokenSigner.start(token, key: TokenLab.p256, certificate: certificate("p256"))
        let digests = digests(8)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for caller in 0..<8 {
                group.addTask {
                    for round in 0..<12 {
                        if caller == 0, round % 4 == 3 { lab.closeSessions(of: .lostSigner) }
                        // A batch may lose its session more often than it is repeated; the pipeline then asks again, and so does this.
                        var signatures: [[UInt8]]?
                        for _ in 0..<20 where signatures == nil {
                            do throws(SignerError) { signatures = try await signer.sign(digests, with: .ecdsa(.sha256)) } catch {
                                #expect(!error.isPermanent, "\(error)")
                                try await signer.recover()
                            }
                        }
                        let signed = try #require(signatures)
                        for (signature, digest) in zip(signed, digests) {
                            #expect(signer.certificate.publicKey.verifyECDSA(signature: signature, digest: digest))
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(lab.logins(.lostSigner) >= 2)
        await signer.close()
    }

    /// After a reconnect a handle may denote another key (pkcs11-provider #495). No such signature may come out.
    @Test func aSignatureByAnotherKeyNeverLeaves() async throws {
        let token = open(.swapped)
        // Both keys are used, so that the shim knows them; the last one used is the one that is swapped.
        _ = try await TokenSigner.start(token, key: TokenLab.other, certificate: certificate("other"))
        let signer = try await TokenSigner.start(token, key: TokenLab.p256, certificate: certificate("p256"))
        lab.swapKeys(of: .swapped, true)
        // With the check off it does leave: what the check is there for.
        let careless = TokenSigner(signer, checks: .off)
        let wrong = try await careless.sign(digests(1), with: .ecdsa(.sha256))
        #expect(!signer.certificate.publicKey.verifyECDSA(signature: wrong[0], digest: digests(1)[0]))

        let error = await #expect(throws: SignerError.self) { try await signer.sign(digests(5), with: .ecdsa(.sha256)) }
        #expect(error?.reason.contains("CN=Token test p256") == true)
        #expect(error?.isPermanent == false)
        #expect(
            metrics.counter("tanba_token_wrong_signatures_total", help: TokenMetrics.wrongHelp, labels: ["token"]).value("t-swapped") == 1)
        lab.swapKeys(of: .swapped, false)
        try await signer.recover()
        #expect(try await signer.sign(digests(5), with: .ecdsa(.sha256)).count == 5)
    }

    @Test func signaturesAndHealthAreCounted() async throws {
        let token = open(.metrics, sessions: 1)
        let signer = try await TokenSigner.start(token, key: TokenLab.p256, certificate: certificate("p256"))
        let before = signatures("t-metrics")
        _ = try await signer.sign(digests(5), with: .ecdsa(.sha256))
        #expect(signatures("t-metrics") == before + 5)
        #expect(text.contains("tanba_token_healthy{token=\"t-metrics\"} 1\n"))

        lab.failSignatures(of: .metrics, with: .tokenNotPresent, after: 0, times: 3)
        let error = await #expect(throws: SignerError.self) { try await signer.sign(digests(1), with: .ecdsa(.sha256)) }
        #expect(error?.isPermanent == false)
        #expect(error?.remedy == "Put the token back.")
        #expect(text.contains("tanba_token_healthy{token=\"t-metrics\"} 0\n"))
        try await signer.recover()
        #expect(text.contains("tanba_token_healthy{token=\"t-metrics\"} 1\n"))
        _ = try await signer.sign(digests(1), with: .ecdsa(.sha256))
        // Four of them the proof
        #expect(text.contains("tanba_token_signature_seconds_count{token=\"t-metrics\"} \(Int(before) + 10)\n"))
        #expect(text.contains("tanba_token_width{token=\"t-metrics\"} 1\n"))
    }

    private var text: String { String(decoding: metrics.prometheusText(), as: UTF8.self) }
    private func signatures(_ token: String) -> Double {
        metrics.counter("tanba_token_signatures_total", help: TokenMetrics.signaturesHelp, labels: ["token"]).value(token)
    }
}
