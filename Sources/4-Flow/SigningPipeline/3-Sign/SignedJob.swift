import CMS
import FoundationEssentials
import LibCrypto
import SignatureTemplate
import SigningModel

/// A job with its signature value, which was checked with the certificate's public key.
struct SignedJob: Sendable {
    let validated: ValidatedJob
    /// The key that signed it.
    let key: SigningKey
    let signingTime: Date
    let signature: [UInt8]

    fileprivate init(validated: ValidatedJob, key: SigningKey, signingTime: Date, signature: [UInt8]) {
        self.validated = validated
        self.key = key
        self.signingTime = signingTime
        self.signature = signature
    }
}

extension SigningKey {
    /// Signs jobs with one call of the signer.
    ///
    /// - Parameter now: the signing time of all of them.
    /// - Throws: `SignerError`, also when the certificate is not valid now: that is the signer's matter, not the job's.
    func sign(_ jobs: [ValidatedJob], at now: Date) async throws(SignerError) -> [SignedJob] {
        let certificate = signer.certificate
        guard certificate.notBefore <= now, now <= certificate.notAfter else {
            throw SignerError(
                token: certificate.subject, reason: "the certificate is valid from \(certificate.notBefore) to \(certificate.notAfter), not now",
                remedy: "renew it and restart with the new certificate; the jobs wait", isPermanent: false)
        }
        let inputs = jobs.map { template.dataToBeSigned(documentDigest: $0.job.digest.value, signingTime: now) }
        let signatures = try await signer.sign(inputs, with: algorithm)
        precondition(signatures.count == jobs.count, "a signer gave another number of signatures than it was asked for")
        return zip(jobs, signatures).map { SignedJob(validated: $0, key: self, signingTime: now, signature: $1) }
    }
}
