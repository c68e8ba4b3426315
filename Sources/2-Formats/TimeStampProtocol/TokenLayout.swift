internal import CMS
internal import DER

/// Where the fields of a token stand in its octets: a ContentInfo with a SignedData. Found in one pass, in which everything is read by the
/// rules of DER and of its type as `SignedData` would, but nothing is copied. Ranges are of whole elements unless said otherwise.
struct TokenLayout {
    private(set) var version = 0
    /// The SET.
    private(set) var digestAlgorithms = 0..<0
    private(set) var contentType = 0..<0
    /// The content octets, nil in a detached signature.
    private(set) var content: Range<Int>?
    /// The content octets of the SET, empty when absent.
    private(set) var certificates = 0..<0
    private(set) var signerCount = 0
    /// The last one.
    private(set) var signer = SignerLayout()
    private var choices = CertificateKinds()
    private var hasOtherRevocationInfo = false

    init(reading der: inout DERReader) throws {
        try der.sequence { der in
            let start = der
            guard try der.objectIdentifierElement().equals(ObjectIdentifier.signedData.encoded) else {
                var again = start
                throw NotSignedData(contentType: try again.objectIdentifier())
            }
            try der.constructed(.context(0)) { try $0.sequence { try self.read(&$0) } }
        }
    }

    private mutating func read(_ der: inout DERReader) throws {
        version = try der.integer(upTo: 5)
        // Whoever made the token chose the order of these sets; only the hashed attributes must be in DER's (RFC 5652, 5.4)
        digestAlgorithms = try der.range { der in
            try der.eachOfSet(ordered: false) { _ = try AlgorithmPlace(reading: &$0) }
        }
        try der.sequence { der in
            contentType = try der.range { _ = try $0.objectIdentifierElement() }
            content = try der.optional(.context(0)) { der in
                let count = try der.content(.octetString).count
                return (der.offset - count)..<der.offset
            }
        }
        if der.nextTag == .context(0) {
            try der.constructed(.context(0)) { der in
                let start = der.offset
                while !der.isAtEnd { try choices.read(&der) }
                certificates = start..<der.offset
            }
        }
        if der.nextTag == .context(1) {
            hasOtherRevocationInfo = try der.setOf(.context(1), ordered: false) { try RevocationInfoChoice(reading: &$0).isOther }.contains(true)
        }
        try der.eachOfSet(ordered: false) { der in
            signer = try SignerLayout(reading: &der)
            signerCount += 1
        }
    }

    /// The version that RFC 5652, 5.1 wants for a content that is not data.
    var requiredVersion: Int {
        if choices.hasOther || hasOtherRevocationInfo { return 5 }
        return choices.hasAttributeCertificateV2 ? 4 : 3
    }

    private struct CertificateKinds {
        var hasOther = false
        var hasAttributeCertificateV2 = false

        mutating func read(_ der: inout DERReader) throws {
            switch der.nextTag {
            case DERTag.sequence, .context(0), .context(1): break
            case DERTag.context(2): hasAttributeCertificateV2 = true
            case DERTag.context(3): hasOther = true
            default: throw der.fault(.tagUnexpected)
            }
            _ = try der.element()
        }
    }
}

/// Where the fields of a SignerInfo stand (RFC 5652, 5.3).
struct SignerLayout {
    private(set) var version = 0
    /// The version that goes with the kind of `sid`.
    private(set) var requiredVersion = 0
    private(set) var sid = 0..<0
    private(set) var digestAlgorithm = AlgorithmPlace()
    /// Under the tag `[0]`; nil when absent.
    private(set) var attributes: Range<Int>?
    private(set) var signatureAlgorithm = AlgorithmPlace()
    /// The content octets.
    private(set) var signature = 0..<0
    private(set) var contentType = AttributePlace()
    private(set) var messageDigest = AttributePlace()
    private(set) var signingCertificate = AttributePlace()
    private(set) var signingCertificateV2 = AttributePlace()

    init() {}

    init(reading der: inout DERReader) throws {
        try der.sequence { try self.read(&$0) }
    }

    private mutating func read(_ der: inout DERReader) throws {
        version = try der.integer(upTo: 5)
        let keyIdentifier = DERTag.context(0, constructed: false)
        requiredVersion = der.nextTag == keyIdentifier ? 3 : 1
        let isKeyIdentifier = requiredVersion == 3
        sid = try der.range { der in
            if isKeyIdentifier {
                _ = try der.content(keyIdentifier)
            } else {
                try der.sequence { der in
                    _ = try der.element(.sequence)
                    _ = try der.element(.integer)
                }
            }
        }
        digestAlgorithm = try AlgorithmPlace(reading: &der)
        if der.nextTag == .context(0) {
            let start = der.fault(.valueInvalid)
            let attributes = try der.range { der in
                try der.eachOfSet(.context(0)) { der in try der.sequence { try readAttribute(&$0) } }
            }
            // SET SIZE (1..MAX)
            guard attributes.count > 2 else { throw start }
            self.attributes = attributes
        }
        signatureAlgorithm = try AlgorithmPlace(reading: &der)
        let count = try der.content(.octetString).count
        signature = (der.offset - count)..<der.offset
        if der.nextTag == .context(1) {
            let start = der.fault(.valueInvalid)
            guard try !der.setOf(.context(1), ordered: false, { try Attribute(reading: &$0, ordered: false) }).isEmpty else { throw start }
        }
    }

    private mutating func readAttribute(_ der: inout DERReader) throws {
        let type = try der.objectIdentifierElement()
        var values = 0
        var last = 0..<0
        try der.eachOfSet { der in
            last = try der.range { _ = try $0.element() }
            values += 1
        }
        if type.equals(ObjectIdentifier.messageDigest.encoded) {
            messageDigest.add(values, last: last)
        } else if type.equals(ObjectIdentifier.contentType.encoded) {
            contentType.add(values, last: last)
        } else if type.equals(ObjectIdentifier.signingCertificateV2.encoded) {
            signingCertificateV2.add(values, last: last)
        } else if type.equals(ObjectIdentifier.signingCertificate.encoded) {
            signingCertificate.add(values, last: last)
        }
    }
}
