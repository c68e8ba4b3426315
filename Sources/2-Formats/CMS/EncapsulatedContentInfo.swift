public import DER

/// What was signed, or only its type (RFC 5652, 5.2).
///
///     EncapsulatedContentInfo ::= SEQUENCE {
///         eContentType  ContentType,
///         eContent      [0] EXPLICIT OCTET STRING OPTIONAL }
public struct EncapsulatedContentInfo: Sendable, Hashable {
    public let contentType: ObjectIdentifier
    /// Nil in a detached signature.
    public let content: [UInt8]?

    public init(_ contentType: ObjectIdentifier, content: [UInt8]? = nil) {
        self.contentType = contentType
        self.content = content
    }

    public init(reading der: inout DERReader) throws {
        self = try der.sequence { der in
            let contentType = try der.objectIdentifier()
            return EncapsulatedContentInfo(contentType, content: try der.optional(.context(0)) { try $0.octetString() })
        }
    }

    public func write(to der: inout DERWriter) {
        der.sequence { der in
            der.objectIdentifier(contentType)
            if let content { der.constructed(.context(0)) { $0.octetString(content) } }
        }
    }
}
