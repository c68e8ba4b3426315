import CAdES
public import CMS
public import CertificateTrust
public import FoundationEssentials
public import LibCrypto
import TimeStampProtocol

/// Judges one signature from its bytes and trust anchors alone.
public struct SignatureJudge: Sendable {
    private let anchors: TrustAnchors
    private let timeStampAnchors: TrustAnchors

    /// - Parameters:
    ///   - anchors: whom signers' certificates must lead to.
    ///   - timeStampAnchors: whom authorities' certificates must lead to.
    public init(anchors: TrustAnchors, timeStampAnchors: TrustAnchors) {
        self.anchors = anchors
        self.timeStampAnchors = timeStampAnchors
    }

    /// A signature that holds, made by a certificate that was trusted as of its time-stamp or, without one, of its signing time.
    public struct Sound: Sendable {
        public let certificate: Certificate
        public let digest: DigestAlgorithm
        /// As the signer says.
        public let signingTime: Date
        /// Times and serial numbers of the time-stamps, in the order of the file.
        public let timeStamps: [(time: Date, serialNumberHex: String)]

        /// `B-B` or `B-T`.
        public var level: String { timeStamps.isEmpty ? "B-B" : "B-T" }
    }

    public enum Verdict: Sendable {
        case sound(Sound)
        /// Everything that is wrong with it: codes and sentences.
        case unsound([(code: String, sentence: String)])
    }

    /// - Parameters:
    ///   - der: a ContentInfo.
    ///   - digest: gives the document's hash by the algorithm that the signature names; nil when it cannot.
    public func judge(_ der: [UInt8], documentDigest digest: (DigestAlgorithm) -> [UInt8]?) -> Verdict {
        let verified: VerifiedCAdESSignature
        let signature: CAdESSignature
        do throws(CAdESViolations) {
            signature = try CAdESSignature(der: der)
            guard let documentDigest = digest(signature.algorithm.digest) else {
                return .unsound([("digest-algorithm-differs", "it is made with \(signature.algorithm.digest.name)")])
            }
            verified = try signature.verify(documentDigest: documentDigest) { authority, certificates, time in
                switch timeStampAnchors.judge(authority, with: certificates, as: .timeStamping, at: time) {
                case .trusted: nil
                case .refused(let refusal): refusal.description
                }
            }
        } catch {
            return .unsound(error.list.map { ($0.name, $0.detail) })
        }
        let asOf = verified.timeStamps.map(\.time).min() ?? signature.signingTime
        if case .refused(let refusal) = anchors.judge(signature.certificate, with: signature.certificates, as: .documentSigning, at: asOf) {
            return .unsound([(refusal.code.rawValue, refusal.sentence)])
        }
        return .sound(
            Sound(
                certificate: signature.certificate, digest: signature.algorithm.digest, signingTime: signature.signingTime,
                timeStamps: verified.timeStamps.map { ($0.time, $0.serialNumberHex) }))
    }
}
