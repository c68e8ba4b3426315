import Auditor
import CMS
import CertificateTrust
import FoundationEssentials
import LibCrypto
import SigningModel
import SigningTestKit
import Testing

/// A worker that lies: each lie about a signature is found, by its own name, though all that the result says fits it.
@Suite struct ForgeryTests {
    private static let pki = TestPKI.shared
    private static let stranger = try! TestPKI(
        notBefore: Date(timeIntervalSince1970: 1_577_836_800), notAfter: Date(timeIntervalSince1970: 2_208_988_800))

    /// A certificate of the trusted root, which ends in 2021.
    private static let expired: TestPKI.Identity = {
        let key = try! PrivateKey.generateEC(curve: "P-256")
        let builder = CertificateBuilder.documentSigner(
            DistinguishedName(commonName: "Signer of 2020"), notBefore: Date(timeIntervalSince1970: 1_577_836_800),
            notAfter: Date(timeIntervalSince1970: 1_609_459_200), serialNumber: [9])
        return TestPKI.Identity(key: key, certificate: try! builder.issued(to: key.publicKey, by: pki.root.certificate, with: pki.root.key))
    }()

    private static func stamped(_ tokens: @escaping ([UInt8]) throws -> [[UInt8]]) -> Forgery {
        var forgery = Forgery()
        forgery.tokens = tokens
        return forgery
    }

    private static func forged(_ change: (inout Forgery) -> Void) -> Forgery {
        var forgery = Forgery()
        change(&forgery)
        return forgery
    }

    /// Of a job of the profile without time-stamps, or with.
    private func codes(_ forgery: Forgery, atLevel level: Signature.Level) async throws -> [String] {
        let lab = try await AuditLab.honest()
        let place = try lab.place { if case .signed(let signature, _, _) = $0.outcome { signature.level == level } else { false } }
        let job = try lab.job(of: place)
        let report = try await lab.audit(with: forgery, at: place)
        for finding in report.findings where finding.code != .profileLevelMixed {
            #expect(finding.job == job.job.id && finding.partition == Partition(Int32(place.partition)) && finding.offset == job.record.offset)
        }
        return report.findings.map(\.code.rawValue)
    }

    @Test func anHonestForgeryIsNone() async throws {
        #expect(try await codes(Forgery(), atLevel: .bB) == [])
        #expect(try await codes(Self.stamped { [try Forgery.token(over: $0)] }, atLevel: .bT) == [])
        // Trusted as of its signing time: nothing says that the signature is younger
        #expect(
            try await codes(Self.forged { ($0.signer, $0.signingTime) = (Self.expired, Date(timeIntervalSince1970: 1_590_000_000)) }, atLevel: .bB)
                == [])
    }

    @Test func liesAboutTheSignature() async throws {
        let lies: [(String, Forgery, [String])] = [
            ("another key", Self.forged { $0.key = Self.stranger.p256.key }, ["signature-invalid"]),
            ("another document", Self.forged { $0.digest = Array(repeating: 7, count: 32) }, ["document-digest-differs"]),
            ("a digest of another length", Self.forged { $0.digest = [1] }, ["message-digest-length"]),
            ("cut off", Self.forged { $0.change = { $0.removeLast() } }, ["not-der"]),
            ("something behind it", Self.forged { $0.change = { $0.append(0) } }, ["not-der"]),
            ("nothing", Self.forged { $0.change = { $0 = [] } }, ["not-der"]),
            ("no CMS", Self.forged { $0.change = { $0 = [0x30, 0x03, 0x06, 0x01, 0x2A] } }, ["not-signed-data"]),
            ("before its certificate", Self.forged { $0.signingTime = Date(timeIntervalSince1970: 1) }, ["signing-time-outside-certificate"]),
        ]
        for (name, forgery, expected) in lies { #expect(try await codes(forgery, atLevel: .bB) == expected, "\(name)") }
    }

    @Test func liesAboutTheSigner() async throws {
        let lies: [(String, Forgery, [String])] = [
            ("of a root that nobody trusts", Self.forged { $0.signer = Self.stranger.p256 }, ["certificate-untrusted"]),
            ("an authority for time-stamps", Self.forged { $0.signer = Self.pki.authority }, ["certificate-purpose"]),
            ("the root itself", Self.forged { $0.signer = Self.pki.root }, ["certificate-purpose"]),
        ]
        for (name, forgery, expected) in lies { #expect(try await codes(forgery, atLevel: .bB) == expected, "\(name)") }
        // The time-stamp says when, and the certificate had ended by then
        let late = Self.forged {
            ($0.signer, $0.signingTime) = (Self.expired, Date(timeIntervalSince1970: 1_590_000_000))
            $0.tokens = { [try Forgery.token(over: $0)] }
        }
        #expect(try await codes(late, atLevel: .bT) == ["certificate-expired"])
    }

    @Test func liesAboutTheTimeStamp() async throws {
        let lies: [(String, Forgery, [String])] = [
            ("over something else", Self.stamped { [try Forgery.token(over: $0 + [0])] }, ["timestamp-imprint-differs"]),
            (
                "a second one over something else", Self.stamped { [try Forgery.token(over: $0), try Forgery.token(over: $0 + [0], serial: 8)] },
                ["timestamp-imprint-differs"]
            ),
            (
                "of an authority that nobody trusts", Self.stamped { [try Forgery.token(over: $0, by: Self.stranger.authority)] },
                ["timestamp-certificate-untrusted"]
            ),
            ("by a signer of documents", Self.stamped { [try Forgery.token(over: $0, by: Self.pki.p256)] }, ["timestamp-certificate-purpose"]),
            (
                "before its authority", Self.stamped { [try Forgery.token(over: $0, at: Date(timeIntervalSince1970: 1_000_000_000))] },
                ["timestamp-certificate-validity"]
            ),
            (
                "with another signature",
                Self.stamped { value in
                    var token = try Forgery.token(over: value)
                    token[token.count - 1] ^= 1
                    return [token]
                }, ["timestamp-signature-invalid"]
            ),
            ("no token", Self.stamped { _ in [[0x30, 0x00]] }, ["timestamp-not-der"]),
        ]
        for (name, forgery, expected) in lies { #expect(try await codes(forgery, atLevel: .bT) == expected, "\(name)") }
    }

    @Test func aTimeStampThatWasCut() async throws {
        // The result still says that it is there
        let said = Self.forged {
            $0.level = .bT
            $0.timestamp = TimestampSummary(authority: "local", time: Forgery.time, serial: "07")
        }
        #expect(Set(try await codes(said, atLevel: .bT)) == ["result-differs-from-signature", "profile-level-mixed"])
        // The result says nothing of it: only the others of its profile tell
        #expect(try await codes(Forgery(), atLevel: .bT) == ["profile-level-mixed"])
    }

    @Test func liesInTheResult() async throws {
        let certificate = Self.pki.p256.certificate
        func summary(subject: String? = nil, serial: String? = nil, hash: [UInt8]? = nil) -> Forgery {
            Self.forged {
                $0.summary = SignerSummary(
                    subject: subject ?? certificate.subject, serial: serial ?? certificate.serialNumberHex,
                    certificateSHA256: hash ?? certificate.sha256)
            }
        }
        for forgery in [
            summary(subject: "CN=Somebody else"), summary(serial: "ff"), summary(hash: Array(repeating: 0, count: 32)),
            Self.forged { $0.level = .bT }, Self.forged { $0.timestamp = TimestampSummary(authority: "x", time: Forgery.time, serial: "07") },
        ] { #expect(try await codes(forgery, atLevel: .bB) == ["result-differs-from-signature"]) }
        let token: ([UInt8]) throws -> [[UInt8]] = { [try Forgery.token(over: $0)] }
        for timestamp in [
            TimestampSummary(authority: "local", time: Forgery.time, serial: "08"),
            TimestampSummary(authority: "local", time: Forgery.time.addingTimeInterval(60), serial: "07"), nil,
        ] {
            let forgery = Self.forged { ($0.tokens, $0.timestamp) = (token, .some(timestamp)) }
            #expect(try await codes(forgery, atLevel: .bT) == ["result-differs-from-signature"])
        }
        let level = Self.forged { ($0.tokens, $0.level) = (token, .bB) }
        #expect(try await codes(level, atLevel: .bT) == ["result-differs-from-signature"])
    }

    /// Whatever octet of a signature is changed, it does not hold any more, or not at its level: the name of the attribute that holds the
    /// time-stamp is not signed, and with another name there is none.
    @Test func noOctetOfASignatureCanBeChanged() async throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("noOctetOfASignatureCanBeChanged: seed \(seed)")
        var random = SeededGenerator(seed: seed)
        let lab = try await AuditLab.honest()
        let judge = SignatureJudge(
            anchors: TrustAnchors([Self.pki.root.certificate]), timeStampAnchors: TrustAnchors([Self.pki.root.certificate]))
        for level in Signature.Level.allCases {
            let place = try lab.place { if case .signed(let signature, _, _) = $0.outcome { signature.level == level } else { false } }
            let digest = try lab.job(of: place).job.digest.value
            guard case .signed(let signature, _, _) = try JobResult.read(lab.results[place.partition][place.index].value!).outcome else { return }
            func holds(_ file: [UInt8]) -> Bool {
                if case .sound(let sound) = judge.judge(file, documentDigest: { _ in digest }) { sound.level == level.rawValue } else { false }
            }
            #expect(holds(signature.value))
            for index in signature.value.indices where index < 40 || Int.random(in: 0..<4, using: &random) == 0 {
                var file = signature.value
                file[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
                #expect(!holds(file), "octet \(index) of a \(level.rawValue) signature")
            }
        }
    }
}
