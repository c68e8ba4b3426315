public import DER

/// A typed set of values (RFC 5652, 5.3).
///
///     Attribute ::= SEQUENCE {
///         attrType    OBJECT IDENTIFIER,
///         attrValues  SET OF AttributeValue }
public struct Attribute: Sendable, Hashable {
    public let type: ObjectIdentifier
    /// Whole elements in the order of the file; their insides are not looked at.
    public let values: [[UInt8]]

    public init(_ type: ObjectIdentifier, _ values: [[UInt8]]) {
        self.type = type
        self.values = values
    }

    public init(reading der: inout DERReader, ordered: Bool = true) throws {
        self = try der.sequence { der in
            let type = try der.objectIdentifier()
            return Attribute(type, try der.setOf(ordered: ordered) { try $0.elementBytes() })
        }
    }

    public func write(to der: inout DERWriter) {
        der.sequence { der in
            der.objectIdentifier(type)
            der.setOf(values)
        }
    }

    public var encoded: [UInt8] { DERWriter.encode { write(to: &$0) } }
}
