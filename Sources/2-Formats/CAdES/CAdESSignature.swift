public import CMS
internal import DER
public import FoundationEssentials
public import LibCrypto

/// A detached CAdES baseline signature that is built as it must be (EN 319 122-1, 6.3; RFC 5652): one signer, DER throughout, whose
/// attributes, algorithms and certificates belong together.
///
/// Nothing cryptographic has been verified yet, and the certificate is anyone's.
public struct CAdESSignature: Sendable {
    /// The whole file.
    public let der: [UInt8]
    /// The signer's certificate, which the signature binds by its hash.
    public let certificate: Certificate
    /// All certificates in the file, the signer's too, in its order.
    public let certificates: [Certificate]
    public let algorithm: SignatureAlgorithm
    /// Of the document, by `algorithm.digest`, as the signer says.
    public let messageDigest: [UInt8]
    /// As the signer says; within the validity of the certificate.
    public let signingTime: Date
    public let signedAttributes: SignedAttributes
    public let signatureValue: [UInt8]
    /// Each a whole ContentInfo, octet for octet; not looked at. Empty at B-B.
    public let timeStampTokens: [[UInt8]]

    /// Reads and examines a file. Throws every rule it breaks at once; a file that is not even DER breaks just that one.
    public init(der: [UInt8], algorithms: KnownAlgorithms = .standard) throws(CAdESViolations) {
        let signedData: SignedData
        do {
            signedData = try SignedData(file: der)
        } catch {
            throw CAdESViolations([CAdESViolation(reading: error)])
        }
        var examination = Examination(algorithms: algorithms)
        let findings = examination.run(signedData)
        guard let findings, examination.violations.isEmpty else { throw CAdESViolations(examination.violations) }
        self.der = der
        certificate = findings.signer
        certificates = findings.certificates
        algorithm = findings.algorithm
        messageDigest = findings.messageDigest
        signingTime = findings.signingTime
        signedAttributes = findings.signedAttributes
        signatureValue = findings.signatureValue
        timeStampTokens = findings.timeStampTokens
    }
}

extension CAdESViolation {
    /// What a reader threw.
    init(reading error: any Error) {
        switch error {
        case let error as DERError where error.code == .setNotInOrder: self.init(.setNotInOrder, "at octet \(error.offset)")
        case let error as DERError: self.init(.notDER, "\(error.code.rawValue) at octet \(error.offset)")
        default: self.init(.notSignedData, "\(error)")
        }
    }
}
