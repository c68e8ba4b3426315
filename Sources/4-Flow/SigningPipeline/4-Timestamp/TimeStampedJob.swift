import CMS
import FoundationEssentials
import LibCrypto
import SignatureTemplate
import SigningModel
import TimeStampProtocol

/// A job whose signature has the level of its profile: a finished CMS.
struct TimeStampedJob: Sendable {
    let signed: SignedJob
    /// nil at level B-B.
    let stamp: Stamp?
    /// The ContentInfo, DER.
    let contentInfo: [UInt8]

    fileprivate init(signed: SignedJob, stamp: Stamp?, contentInfo: [UInt8]) {
        self.signed = signed
        self.stamp = stamp
        self.contentInfo = contentInfo
    }
}

extension TimeStampedJob {
    /// Whether the signer's certificate was valid at the time of the stamp, as of which it is judged.
    var isWithinCertificate: Bool {
        guard let time = stamp?.token.time else { return true }
        let certificate = signed.key.signer.certificate
        return certificate.notBefore <= time && time <= certificate.notAfter
    }
}

extension SignedJob {
    /// Level B-B: nothing to ask for.
    func finishWithoutTimeStamp() -> TimeStampedJob {
        let contentInfo = key.template.assemble(
            documentDigest: validated.job.digest.value, signingTime: signingTime, signature: signature)
        return TimeStampedJob(signed: self, stamp: nil, contentInfo: contentInfo)
    }

    /// Level B-T: the imprint is the hash of the signature value's octets (EN 319 122-1, 5.3).
    func timeStamp(by authority: any TimeStampAuthority, isWanted: @Sendable () async -> Bool) async throws -> TimeStampedJob {
        let digest = key.algorithm.digest
        let stamp = try await authority.timeStamp(MessageImprint(algorithm: digest, digest: digest.function.digest(signature)), isWanted: isWanted)
        let contentInfo = key.template.assemble(
            documentDigest: validated.job.digest.value, signingTime: signingTime, signature: signature, timeStampToken: stamp.token.der)
        return TimeStampedJob(signed: self, stamp: stamp, contentInfo: contentInfo)
    }
}
