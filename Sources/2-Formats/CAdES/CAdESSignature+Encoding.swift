public import CMS
internal import DER
public import FoundationEssentials
public import LibCrypto

/// The plain writing of a CAdES baseline signature: clear, allocating, tens of microseconds. The hot path is `SignatureTemplate`, which
/// gives the same octets.
extension CAdESSignature {
    /// The attributes that a B-B signature covers (EN 319 122-1, 6.3): content type, message digest, signing time, signing certificate.
    ///
    /// What is signed is their `encoded`, or its digest: `SignatureAlgorithm.input(of:)`.
    ///
    /// - Parameter documentDigest: by the digest of the signature's algorithm.
    public static func signedAttributes(documentDigest: [UInt8], signingTime: Date, certificate: Certificate) -> SignedAttributes {
        let signingCertificate = SigningCertificateV2([ESSCertIDv2(sha256Of: certificate)])
        return SignedAttributes([
            Attribute(.contentType, [ObjectIdentifier.data.encoded]),
            Attribute(.messageDigest, [DERWriter.encode { $0.octetString(documentDigest) }]),
            Attribute(.signingTime, [DERWriter.encode { $0.time(signingTime) }]),
            Attribute(.signingCertificateV2, [DERWriter.encode { signingCertificate.write(to: &$0) }]),
        ])
    }

    /// A whole detached signature: ContentInfo with SignedData, B-B without and B-T with timestamp tokens.
    ///
    /// - Parameters:
    ///   - chain: Certificates that go in beside the signer's; one given twice goes in once.
    ///   - signature: Over the encoded signed attributes, as the algorithm takes them in and in its form (ECDSA: DER).
    ///   - timeStampTokens: Each a whole ContentInfo, put in octet for octet.
    public static func encode(
        certificate: Certificate, chain: [Certificate], algorithm: SignatureAlgorithm, documentDigest: [UInt8], signingTime: Date,
        signature: [UInt8], timeStampTokens: [[UInt8]] = []
    ) -> [UInt8] {
        let digestAlgorithm = identifier(algorithm.digest.identifier)
        let signer = SignerInfo(
            sid: .issuerAndSerialNumber(IssuerAndSerialNumber(of: certificate)), digestAlgorithm: digestAlgorithm,
            signedAttributes: signedAttributes(documentDigest: documentDigest, signingTime: signingTime, certificate: certificate),
            signatureAlgorithm: identifier(algorithm.identifier), signature: signature,
            unsignedAttributes: timeStampTokens.map { Attribute(.signatureTimeStamp, [$0]) })
        let signedData = SignedData(
            digestAlgorithms: [digestAlgorithm], encapContentInfo: EncapsulatedContentInfo(.data),
            certificates: Set([certificate] + chain).map { CertificateChoice(certificate: $0.der) }, signerInfos: [signer])
        let content = DERWriter.encode { signedData.write(to: &$0) }
        return DERWriter.encode { ContentInfo(.signedData, content: content).write(to: &$0) }
    }

    /// An algorithm's own encoding is always one AlgorithmIdentifier.
    private static func identifier(_ encoded: [UInt8]) -> AlgorithmIdentifier {
        guard let identifier = try? DERReader.read(encoded, { try AlgorithmIdentifier(reading: &$0) }) else {
            preconditionFailure("an algorithm whose identifier is no AlgorithmIdentifier")
        }
        return identifier
    }
}
