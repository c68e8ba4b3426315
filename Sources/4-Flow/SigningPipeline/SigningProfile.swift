public import CMS
import LibCrypto
import SignatureTemplate
public import SigningModel

/// How the jobs of one profile name are signed: whose keys, which algorithm, which level.
///
/// One template for each certificate, profile and digest is made here, once.
public struct SigningProfile: Sendable {
    /// The levels of ETSI EN 319 122-1 that the pipeline makes.
    public enum Level: Sendable {
        /// A signature alone.
        case baselineB
        /// With a signature time-stamp of one of these authorities.
        case baselineT(any TimeStampAuthority)

        /// As results and configurations write it.
        public var name: Signature.Level {
            switch self {
            case .baselineB: .bB
            case .baselineT: .bT
            }
        }

        var authority: (any TimeStampAuthority)? {
            if case .baselineT(let authority) = self { authority } else { nil }
        }
    }

    public let name: String
    /// Of documents and signed attributes.
    public let digest: DigestAlgorithm
    public let level: Level
    /// At least one; any of them may sign any job of the profile.
    let keys: [SigningKey]

    /// The signers, in the order they were given.
    public var signers: [any DigestSigner] { keys.map(\.signer) }

    /// - Parameters:
    ///   - signers: keys of one signer, each with its own certificate; the same key on several tokens, or several keys.
    ///   - mechanism: how the keys sign; nil for what fits each certificate's key.
    /// - Throws: `SigningProfileError` when a certificate's key cannot sign with this digest, or no template fits.
    public init(
        name: String, signers: [any DigestSigner], digest: DigestAlgorithm, mechanism: MechanismChoice? = nil, level: Level
    ) throws(SigningProfileError) {
        precondition(!signers.isEmpty)
        self.name = name
        self.digest = digest
        self.level = level
        var keys: [SigningKey] = []
        for (index, signer) in signers.enumerated() {
            keys.append(try SigningKey(index, signer, digest, mechanism, profile: name))
        }
        self.keys = keys
    }
}

/// A key of a profile, ready to sign: what it signs with, and the template of its certificate.
struct SigningKey: Sendable {
    /// Its place in the profile.
    let index: Int
    let signer: any DigestSigner
    let algorithm: SignatureAlgorithm
    let template: SignatureTemplate
    /// What every result made with this key says of its signer.
    let summary: SignerSummary

    fileprivate init(
        _ index: Int, _ signer: any DigestSigner, _ digest: DigestAlgorithm, _ mechanism: MechanismChoice?, profile: String
    ) throws(SigningProfileError) {
        let certificate = signer.certificate
        guard let algorithm = SignatureAlgorithm.fitting(certificate.publicKey, digest, by: mechanism) else {
            throw SigningProfileError(
                profile: profile,
                reason: "\(signer.name): a key of kind \(certificate.publicKey.kind) (certificate of \(certificate.subject)) cannot sign with "
                    + (mechanism.map { "mechanism \($0) and " } ?? "") + "digest \(digest.name)",
                remedy: "choose another digest, mechanism or key for this profile")
        }
        self.index = index
        self.signer = signer
        self.algorithm = algorithm
        summary = SignerSummary(certificate)
        do {
            template = try SignatureTemplate(certificate: certificate, chain: signer.chain, signatureAlgorithm: algorithm)
        } catch {
            throw SigningProfileError(profile: profile, reason: "\(error)", remedy: "check the certificate and chain of this profile")
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

    public init(profile: String, reason: String, remedy: String) {
        self.profile = profile
        self.reason = reason
        self.remedy = remedy
    }

    public var description: String { "profile \(profile): \(reason); \(remedy)" }
}
