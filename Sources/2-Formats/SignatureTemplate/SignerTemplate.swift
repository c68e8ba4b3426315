internal import CMS
internal import DER

/// The SignerInfo of a signature up to its value, and where digest and time stand in it.
struct SignerTemplate: Sendable {
    /// The content of SignerInfo in front of `signature`.
    let front: [UInt8]
    /// From the start of `front` to the signed attributes, which stand there under the tag `[0]`.
    let attributesStart: Int
    /// The signed attributes under the tag of SET, as they are hashed.
    let attributes: [UInt8]
    /// From the start of the attributes to the content of the message digest.
    private let digestStart: Int
    private let digestCount: Int
    /// From the start of the attributes to the content of the signing time.
    private let timeStart: Int

    /// Puts digest and time over those of the attributes, which start at `start` in `bytes`.
    func patch(_ bytes: inout [UInt8], at start: Int, _ digest: [UInt8], _ time: DERTime) {
        precondition(digest.count == digestCount, "a digest of another length than the algorithm's")
        var span = bytes.mutableSpan
        var at = start + digestStart
        for octet in digest {
            span[at] = octet
            at += 1
        }
        time.write(over: &span, at: start + timeStart)
    }

    /// Cuts a signature with one signer apart: the content of SignedData in front of signerInfos, and the signer.
    static func cut(_ signature: [UInt8]) throws -> (front: [UInt8], signer: SignerTemplate) {
        try DERReader.read(signature) { der in
            try der.sequence { der in
                _ = try der.objectIdentifier()
                return try der.constructed(.context(0)) { der in
                    try der.sequence { der in
                        let start = der.offset
                        _ = try der.integer()  // version
                        _ = try der.element(.set)  // digestAlgorithms
                        _ = try der.element(.sequence)  // encapContentInfo
                        _ = try der.element(.context(0))  // certificates
                        let front = Array(signature[start..<der.offset])
                        return (front, try der.constructed(.set) { try SignerTemplate(reading: &$0, of: signature) })
                    }
                }
            }
        }
    }

    private init(reading der: inout DERReader, of signature: [UInt8]) throws {
        self = try der.sequence { der in
            let start = der.offset
            _ = try der.integer()  // version
            _ = try der.element(.sequence)  // sid
            _ = try der.element(.sequence)  // digestAlgorithm
            let attributesStart = der.offset
            var digest = 0..<0
            var time = 0..<0
            _ = try der.setOf(.context(0)) { der in
                try der.sequence { der in
                    let type = try der.objectIdentifier()
                    let value = try der.constructed(.set) { der in
                        let count = try der.element().count
                        return (der.offset - count + 2)..<der.offset
                    }
                    if type == .messageDigest { digest = value }
                    if type == .signingTime { time = value }
                }
            }
            let attributes = [DERTag.set.rawValue] + signature[(attributesStart + 1)..<der.offset]
            _ = try der.element(.sequence)  // signatureAlgorithm
            let front = Array(signature[start..<der.offset])
            _ = try der.element(.octetString)  // signature
            return SignerTemplate(
                front: front, attributesStart: attributesStart - start, attributes: attributes,
                digestStart: digest.lowerBound - attributesStart, digestCount: digest.count, timeStart: time.lowerBound - attributesStart)
        }
    }

    private init(front: [UInt8], attributesStart: Int, attributes: [UInt8], digestStart: Int, digestCount: Int, timeStart: Int) {
        self.front = front
        self.attributesStart = attributesStart
        self.attributes = attributes
        self.digestStart = digestStart
        self.digestCount = digestCount
        self.timeStart = timeStart
    }
}
