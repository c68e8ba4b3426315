public import DER

/// The outermost element of a CMS file (RFC 5652, 3).
///
///     ContentInfo ::= SEQUENCE {
///         contentType  ContentType,
///         content      [0] EXPLICIT ANY DEFINED BY contentType }
public struct ContentInfo: Sendable, Hashable {
    public let contentType: ObjectIdentifier
    /// The whole element inside `[0]`, not looked at.
    public let content: [UInt8]

    public init(_ contentType: ObjectIdentifier, content: [UInt8]) {
        self.contentType = contentType
        self.content = content
    }

    /// Reads a whole file: nothing may follow.
    public init(der: [UInt8]) throws {
        self = try DERReader.read(der) { try ContentInfo(reading: &$0) }
    }

    public init(reading der: inout DERReader) throws {
        self = try der.sequence { der in
            let contentType = try der.objectIdentifier()
            return ContentInfo(contentType, content: try der.constructed(.context(0)) { try $0.elementBytes() })
        }
    }

    public func write(to der: inout DERWriter) {
        der.sequence { der in
            der.objectIdentifier(contentType)
            der.constructed(.context(0)) { $0.element(content) }
        }
    }
}
