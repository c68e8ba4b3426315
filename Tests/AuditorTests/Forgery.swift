import Auditor
import CAdES
import CMS
import FoundationEssentials
import LibCrypto
import SigningModel
import SigningTestKit
import TimeStampProtocol

/// A signature as a dishonest worker might make it. Everything that is not said to be wrong is right, and the result says of it what it
/// says itself, so that the one thing that is wrong is all that there is to find.
struct Forgery {
    /// Whose certificate is in it.
    var signer = TestPKI.shared.p256
    /// Whose key made the signature, if not the signer's.
    var key: PrivateKey?
    /// Of the document, if not the job's.
    var digest: [UInt8]?
    var signingTime = Date(timeIntervalSince1970: 1_790_000_000)
    /// Tokens over the octets they are given; each is made for the signature, or for what is wrong about it.
    var tokens: (_ signature: [UInt8]) throws -> [[UInt8]] = { _ in [] }
    /// What is done to the finished file.
    var change: (inout [UInt8]) -> Void = { _ in }
    /// What the result says, if not what is true.
    var level: Signature.Level?
    var timestamp: TimestampSummary??
    var summary: SignerSummary?

    static let time = Date(timeIntervalSince1970: 1_790_000_000)

    /// A good token over these octets.
    static func token(
        over octets: [UInt8], by authority: TestPKI.Identity = TestPKI.shared.authority, at time: Date = Forgery.time, serial: Int = 7
    ) throws -> [UInt8] {
        try LocalTimeStampAuthority(authority) { time }.token(MessageImprint(of: octets, by: .sha256), serialNumber: serial)
    }

    func outcome(for job: Job) throws -> JobResult.Outcome {
        let algorithm = SignatureAlgorithm.fitting(signer.certificate.publicKey, .sha256)!
        let documentDigest = digest ?? job.digest.value
        let attributes = CAdESSignature.signedAttributes(
            documentDigest: documentDigest, signingTime: signingTime, certificate: signer.certificate)
        let hash = DigestFunction.sha256.digest(attributes.encoded)
        let maker = key ?? signer.key
        let isRSA = if case .rsa = maker.publicKey.kind { true } else { false }
        let value = isRSA ? try maker.signPKCS1(digest: hash, function: .sha256) : try maker.signECDSA(digest: hash)
        let tokens = try tokens(value)
        var file = CAdESSignature.encode(
            certificate: signer.certificate, chain: [], algorithm: algorithm, documentDigest: documentDigest, signingTime: signingTime,
            signature: value, timeStampTokens: tokens)
        change(&file)
        let said = tokens.isEmpty ? nil : TimestampSummary(authority: "local", time: Self.time, serial: "07")
        let truth = SignerSummary(
            subject: signer.certificate.subject, serial: signer.certificate.serialNumberHex, certificateSHA256: signer.certificate.sha256)
        return .signed(
            Signature(level: level ?? (tokens.isEmpty ? .bB : .bT), value: file), signer: summary ?? truth,
            timestamp: timestamp ?? said)
    }
}

extension AuditLab {
    /// Replaces a signature, and audits.
    func audit(with forgery: Forgery, at place: (partition: Int, index: Int)) async throws -> AuditReport {
        var lab = self
        let outcome = try forgery.outcome(for: try job(of: place).job)
        try lab.change(place) { $0.outcome = outcome }
        return try await lab.audit()
    }
}
