internal import CAdES
public import CMS
internal import DER
public import FoundationEssentials
public import LibCrypto

/// The hot path of signing: everything of a CAdES signature that depends only on certificate, chain and algorithm, encoded once.
///
/// Per signature only the document digest, the signing time, the signature value and the timestamp token differ. They are put into a
/// copy of what was prepared, and the lengths around them are written anew, so they are right for every size. The octets are those of
/// `CAdESSignature.encode`, from which the template is cut. A value: share it freely between threads.
public struct SignatureTemplate: Sendable {
    public let certificate: Certificate
    public let algorithm: SignatureAlgorithm

    /// The content of SignedData in front of signerInfos.
    private let front: [UInt8]
    /// For the years 1950 to 2049.
    private let utc: SignerTemplate
    /// For all other years, in which the time takes two octets more.
    private let generalized: SignerTemplate

    /// - Parameters:
    ///   - chain: Certificates that go into each signature beside the signer's.
    ///   - signatureAlgorithm: Must fit the certificate's key, else this throws and nothing was made.
    public init(certificate: Certificate, chain: [Certificate], signatureAlgorithm: SignatureAlgorithm) throws(SignatureTemplateError) {
        guard signatureAlgorithm.fits(certificate.publicKey) else {
            throw SignatureTemplateError(certificate: certificate.subject, algorithm: signatureAlgorithm.name)
        }
        self.certificate = certificate
        algorithm = signatureAlgorithm
        func cut(_ time: Date) -> (front: [UInt8], signer: SignerTemplate) {
            let digest = [UInt8](repeating: 0, count: signatureAlgorithm.digest.function.byteCount)
            let signature = CAdESSignature.encode(
                certificate: certificate, chain: chain, algorithm: signatureAlgorithm, documentDigest: digest, signingTime: time,
                signature: [])
            do { return try SignerTemplate.cut(signature) } catch { preconditionFailure("our own encoding cannot be read: \(error)") }
        }
        (front, utc) = cut(Date(timeIntervalSince1970: 0))
        generalized = cut(Self.firstGeneralizedTime).signer
    }

    /// What the key signs: the digest of the signed attributes, or the attributes themselves (`SignatureAlgorithm.input`).
    ///
    /// - Parameters:
    ///   - documentDigest: By the algorithm's digest.
    ///   - signingTime: Whole seconds are written; give the same to `assemble`.
    public func dataToBeSigned(documentDigest: [UInt8], signingTime: Date) -> [UInt8] {
        let time = DERTime(signingTime)
        let signer = time.tag == .utcTime ? utc : generalized
        var attributes = signer.attributes
        signer.patch(&attributes, at: 0, documentDigest, time)
        return algorithm.input(of: attributes)
    }

    /// A whole B-B signature: detached, one ContentInfo.
    ///
    /// - Parameter signature: Over `dataToBeSigned` of the same digest and time, in the algorithm's form (ECDSA: DER).
    public func assemble(documentDigest: [UInt8], signingTime: Date, signature: [UInt8]) -> [UInt8] {
        assemble(documentDigest, signingTime, signature, token: nil)
    }

    /// A whole B-T signature: the same with a timestamp token over `signature`, put in octet for octet.
    public func assemble(documentDigest: [UInt8], signingTime: Date, signature: [UInt8], timeStampToken: [UInt8]) -> [UInt8] {
        assemble(documentDigest, signingTime, signature, token: timeStampToken)
    }

    private func assemble(_ documentDigest: [UInt8], _ signingTime: Date, _ signature: [UInt8], token: [UInt8]?) -> [UInt8] {
        let time = DERTime(signingTime)
        let signer = time.tag == .utcTime ? utc : generalized

        // The content lengths, from the inside out
        let attribute = Self.timeStampType.count + DERLength.elementCount(token?.count ?? 0)
        let unsigned = DERLength.elementCount(attribute)
        let signerInfo =
            signer.front.count + DERLength.elementCount(signature.count) + (token == nil ? 0 : DERLength.elementCount(unsigned))
        let signerInfos = DERLength.elementCount(signerInfo)
        let signedData = front.count + DERLength.elementCount(signerInfos)
        let explicit = DERLength.elementCount(signedData)
        let contentInfo = Self.signedDataType.count + DERLength.elementCount(explicit)

        var bytes: [UInt8] = []
        bytes.reserveCapacity(DERLength.elementCount(contentInfo))
        DERLength.append(.sequence, contentInfo, to: &bytes)
        bytes += Self.signedDataType
        DERLength.append(.context(0), explicit, to: &bytes)
        DERLength.append(.sequence, signedData, to: &bytes)
        bytes += front
        DERLength.append(.set, signerInfos, to: &bytes)
        DERLength.append(.sequence, signerInfo, to: &bytes)
        let signerStart = bytes.count
        bytes += signer.front
        DERLength.append(.octetString, signature.count, to: &bytes)
        bytes += signature
        if let token {
            DERLength.append(.context(1), unsigned, to: &bytes)
            DERLength.append(.sequence, attribute, to: &bytes)
            bytes += Self.timeStampType
            DERLength.append(.set, token.count, to: &bytes)
            bytes += token
        }
        signer.patch(&bytes, at: signerStart + signer.attributesStart, documentDigest, time)
        return bytes
    }

    private static let signedDataType = ObjectIdentifier.signedData.encoded
    private static let timeStampType = ObjectIdentifier.signatureTimeStamp.encoded
    /// 2050-01-01
    private static let firstGeneralizedTime = Date(timeIntervalSince1970: 2_524_608_000)
}

/// A certificate whose key cannot sign with an algorithm.
public struct SignatureTemplateError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The certificate's subject.
    public let certificate: String
    /// The algorithm's name.
    public let algorithm: String

    public var description: String { "the key of \(certificate) cannot sign with \(algorithm)" }
}
