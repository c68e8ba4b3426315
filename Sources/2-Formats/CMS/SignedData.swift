public import DER

/// What was signed, by whom, and the certificates for it (RFC 5652, 5.1).
///
///     SignedData ::= SEQUENCE {
///         version           CMSVersion,
///         digestAlgorithms  SET OF DigestAlgorithmIdentifier,
///         encapContentInfo  EncapsulatedContentInfo,
///         certificates      [0] IMPLICIT CertificateSet OPTIONAL,
///         crls              [1] IMPLICIT RevocationInfoChoices OPTIONAL,
///         signerInfos       SET OF SignerInfo }
public struct SignedData: Sendable, Hashable {
    public let version: Int
    public let digestAlgorithms: [AlgorithmIdentifier]
    public let encapContentInfo: EncapsulatedContentInfo
    /// In the order of the file. Empty when absent.
    public let certificates: [CertificateChoice]
    /// In the order of the file. Empty when absent.
    public let crls: [RevocationInfoChoice]
    public let signerInfos: [SignerInfo]

    /// With the version that the parts ask for.
    public init(
        digestAlgorithms: [AlgorithmIdentifier], encapContentInfo: EncapsulatedContentInfo, certificates: [CertificateChoice],
        crls: [RevocationInfoChoice] = [], signerInfos: [SignerInfo]
    ) {
        version = Self.version(encapContentInfo, certificates, crls, signerInfos)
        self.digestAlgorithms = digestAlgorithms
        self.encapContentInfo = encapContentInfo
        self.certificates = certificates
        self.crls = crls
        self.signerInfos = signerInfos
    }

    /// The version that RFC 5652, 5.1 wants for these parts. A file may say another in `version`; who reads it judges that.
    public var requiredVersion: Int { Self.version(encapContentInfo, certificates, crls, signerInfos) }

    /// Reads a whole file: a ContentInfo with a SignedData, and nothing after it. Throws `NotSignedData` for another content type.
    ///
    /// - Parameter order: which SETs must be in DER's order.
    public init(file: [UInt8], order: SetOrder = .everywhere) throws {
        self = try DERReader.read(file) { der in
            try der.sequence { der in
                let contentType = try der.objectIdentifier()
                guard contentType == .signedData else { throw NotSignedData(contentType: contentType) }
                return try der.constructed(.context(0)) { try SignedData(reading: &$0, order: order) }
            }
        }
    }

    /// - Parameter order: which SETs must be in DER's order.
    public init(reading der: inout DERReader, order: SetOrder = .everywhere) throws {
        self = try der.sequence { der in
            let ordered = order == .everywhere
            let version = try der.integer(upTo: 5)
            let digestAlgorithms = try der.setOf(ordered: ordered) { try AlgorithmIdentifier(reading: &$0) }
            let content = try EncapsulatedContentInfo(reading: &der)
            var certificates: [CertificateChoice] = []
            if der.nextTag == .context(0) {
                certificates = try der.setOf(.context(0), ordered: ordered) { try CertificateChoice(reading: &$0) }
            }
            var crls: [RevocationInfoChoice] = []
            if der.nextTag == .context(1) {
                crls = try der.setOf(.context(1), ordered: ordered) { try RevocationInfoChoice(reading: &$0) }
            }
            let signerInfos = try der.setOf(ordered: ordered) { try SignerInfo(reading: &$0, order: order) }
            return SignedData(
                version: version, digestAlgorithms: digestAlgorithms, encapContentInfo: content, certificates: certificates, crls: crls,
                signerInfos: signerInfos)
        }
    }

    public func write(to der: inout DERWriter) {
        der.sequence { der in
            der.integer(version)
            der.setOf(digestAlgorithms.map(\.encoded))
            encapContentInfo.write(to: &der)
            if !certificates.isEmpty { der.setOf(certificates.map(\.encoded), tag: .context(0)) }
            if !crls.isEmpty { der.setOf(crls.map(\.encoded), tag: .context(1)) }
            der.setOf(signerInfos.map { signer in DERWriter.encode { signer.write(to: &$0) } })
        }
    }

    private init(
        version: Int, digestAlgorithms: [AlgorithmIdentifier], encapContentInfo: EncapsulatedContentInfo,
        certificates: [CertificateChoice], crls: [RevocationInfoChoice], signerInfos: [SignerInfo]
    ) {
        self.version = version
        self.digestAlgorithms = digestAlgorithms
        self.encapContentInfo = encapContentInfo
        self.certificates = certificates
        self.crls = crls
        self.signerInfos = signerInfos
    }

    /// The cascade of RFC 5652, 5.1.
    private static func version(
        _ content: EncapsulatedContentInfo, _ certificates: [CertificateChoice], _ crls: [RevocationInfoChoice], _ signers: [SignerInfo]
    ) -> Int {
        if certificates.contains(where: { $0.kind == .other }) || crls.contains(where: \.isOther) { return 5 }
        if certificates.contains(where: { $0.kind == .attributeCertificateV2 }) { return 4 }
        if certificates.contains(where: { $0.kind == .attributeCertificateV1 }) || signers.contains(where: { $0.version == 3 })
            || content.contentType != .data
        {
            return 3
        }
        return 1
    }
}

/// A CMS file that holds something else than a signature.
public struct NotSignedData: Error, Sendable, Hashable, CustomStringConvertible {
    public let contentType: ObjectIdentifier

    public init(contentType: ObjectIdentifier) {
        self.contentType = contentType
    }

    public var description: String { "content type \(contentType) instead of signed data" }
}

/// Which SETs of a SignedData must stand in DER's order.
public enum SetOrder: Sendable, Hashable {
    /// All of them: a file that is DER throughout.
    case everywhere
    /// The signed attributes, which are hashed, and no other: RFC 5652 lets the rest be BER, and timestamp authorities do.
    case whereHashed
}
