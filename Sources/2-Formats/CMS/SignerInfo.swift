public import DER

/// One signature and what it covers (RFC 5652, 5.3).
///
///     SignerInfo ::= SEQUENCE {
///         version             CMSVersion,
///         sid                 SignerIdentifier,
///         digestAlgorithm     DigestAlgorithmIdentifier,
///         signedAttrs         [0] IMPLICIT SignedAttributes OPTIONAL,
///         signatureAlgorithm  SignatureAlgorithmIdentifier,
///         signature           SignatureValue,  -- OCTET STRING
///         unsignedAttrs       [1] IMPLICIT UnsignedAttributes OPTIONAL }
public struct SignerInfo: Sendable, Hashable {
    public let version: Int
    public let sid: SignerIdentifier
    public let digestAlgorithm: AlgorithmIdentifier
    public let signedAttributes: SignedAttributes?
    public let signatureAlgorithm: AlgorithmIdentifier
    public let signature: [UInt8]
    /// In the order of the file. Empty when absent.
    public let unsignedAttributes: [Attribute]

    /// With the version that the identifier asks for.
    public init(
        sid: SignerIdentifier, digestAlgorithm: AlgorithmIdentifier, signedAttributes: SignedAttributes?,
        signatureAlgorithm: AlgorithmIdentifier, signature: [UInt8], unsignedAttributes: [Attribute] = []
    ) {
        version = sid.signerInfoVersion
        self.sid = sid
        self.digestAlgorithm = digestAlgorithm
        self.signedAttributes = signedAttributes
        self.signatureAlgorithm = signatureAlgorithm
        self.signature = signature
        self.unsignedAttributes = unsignedAttributes
    }

    public init(reading der: inout DERReader, order: SetOrder = .everywhere) throws {
        self = try der.sequence { der in
            let version = try der.integer(upTo: 5)
            let sid = try SignerIdentifier(reading: &der)
            let digestAlgorithm = try AlgorithmIdentifier(reading: &der)
            let signedAttributes = der.nextTag == .context(0) ? try SignedAttributes(reading: &der) : nil
            let signatureAlgorithm = try AlgorithmIdentifier(reading: &der)
            let signature = try der.octetString()
            var unsignedAttributes: [Attribute] = []
            if der.nextTag == .context(1) {
                let ordered = order == .everywhere
                let start = der.fault(.valueInvalid)
                unsignedAttributes = try der.setOf(.context(1), ordered: ordered) { try Attribute(reading: &$0, ordered: ordered) }
                // SET SIZE (1..MAX)
                guard !unsignedAttributes.isEmpty else { throw start }
            }
            return SignerInfo(
                version: version, sid: sid, digestAlgorithm: digestAlgorithm, signedAttributes: signedAttributes,
                signatureAlgorithm: signatureAlgorithm, signature: signature, unsignedAttributes: unsignedAttributes)
        }
    }

    public func write(to der: inout DERWriter) {
        der.sequence { der in
            der.integer(version)
            sid.write(to: &der)
            digestAlgorithm.write(to: &der)
            signedAttributes?.write(to: &der)
            signatureAlgorithm.write(to: &der)
            der.octetString(signature)
            if !unsignedAttributes.isEmpty { der.setOf(unsignedAttributes.map(\.encoded), tag: .context(1)) }
        }
    }

    private init(
        version: Int, sid: SignerIdentifier, digestAlgorithm: AlgorithmIdentifier, signedAttributes: SignedAttributes?,
        signatureAlgorithm: AlgorithmIdentifier, signature: [UInt8], unsignedAttributes: [Attribute]
    ) {
        self.version = version
        self.sid = sid
        self.digestAlgorithm = digestAlgorithm
        self.signedAttributes = signedAttributes
        self.signatureAlgorithm = signatureAlgorithm
        self.signature = signature
        self.unsignedAttributes = unsignedAttributes
    }
}
