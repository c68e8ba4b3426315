public import CMS
import LibCrypto
import SignatureTemplate
public import SigningModel

/// How the jobs of one profile name are signed: whose key, which algorithm, which level.
///
/// One template for each certificate, profile and digest is made here, once.
public struct SigningProfile: Sendable {
    /// The levels of ETSI EN 319 122-1 that the pipeline makes.
    public enum Level: Sendable {
        /// A signature alone.
        case baselineB
        /// With a signature time-stamp of this authority.
        case baselineT(any TimeStampAuthority)

        /// As results and configurations write it.
        public var name: Signature.Level {
            switch self {
            case .baselineB: .bB
            case .baselineT: .bT
            }
        }

        var authorityName: String? {
            if case .baselineT(let authority) = self { authority.name } else { nil }
        }
    }

    public let name: String
    public let signer: any DigestSigner
    public let algorithm: SignatureAlgorithm
    public let level: Level
    /// What every result of this profile says of its signer.
    public let signerSummary: SignerSummary
    let template: SignatureTemplate

    /// - Throws: `SigningProfileError` when the certificate's key cannot sign with this digest, or no template fits.
    public init(name: String, signer: any DigestSigner, digest: DigestAlgorithm, level: Level) throws(SigningProfileError) {
        let certificate = signer.certificate
        guard let algorithm = SignatureAlgorithm.fitting(certificate.publicKey, digest) else {
            throw SigningProfileError(
                profile: name,
                reason: "a key of kind \(certificate.publicKey.kind) (certificate of \(certificate.subject)) cannot sign with \(digest.name)",
                remedy: "choose another digest or another key for this profile")
        }
        self.name = name
        self.signer = signer
        self.algorithm = algorithm
        self.level = level
        signerSummary = SignerSummary(certificate)
        do {
            template = try SignatureTemplate(certificate: certificate, chain: signer.chain, signatureAlgorithm: algorithm)
        } catch {
            throw SigningProfileError(profile: name, reason: "\(error)", remedy: "check the certificate and chain of this profile")
        }
    }
}

extension SignerSummary {
    /// IIN and BIN stand where Kazakhstan's NCA writes them: `serialNumber=IIN…` and `OU=BIN…`.
    init(_ certificate: Certificate) {
        func number(_ prefix: String, in oid: String) -> String? {
            guard let text = certificate.subjectAttribute(oid), text.hasPrefix(prefix) else { return nil }
            let digits = text.dropFirst(prefix.count)
            return digits.utf8.count == 12 && digits.utf8.allSatisfy { (0x30...0x39).contains($0) } ? String(digits) : nil
        }
        self.init(
            subject: certificate.subject, serial: certificate.serialNumberHex, iin: number("IIN", in: "2.5.4.5"), bin: number("BIN", in: "2.5.4.11"),
            certificateSHA256: certificate.sha256)
    }
}

/// A profile whose parts do not fit.
public struct SigningProfileError: Error, CustomStringConvertible {
    public var profile: String
    public var reason: String
    public var remedy: String

    public var description: String { "profile \(profile): \(reason); \(remedy)" }
}
