public import DER

/// The attributes that a signature covers (RFC 5652, 5.3).
///
///     SignedAttributes ::= SET SIZE (1..MAX) OF Attribute
///
/// They are embedded under the tag `[0]` and hashed under the tag of SET (RFC 5652, 5.4). Both encodings are in DER's order:
/// verifiers that sort before they hash and those that hash what they received then agree.
public struct SignedAttributes: Sendable, Hashable {
    /// In DER's order.
    public let attributes: [Attribute]
    /// Under the tag of SET: what is hashed.
    public let encoded: [UInt8]

    public init(_ attributes: [Attribute]) {
        encoded = DERWriter.encode { $0.setOf(attributes.map(\.encoded)) }
        self.attributes = attributes.sorted { $0.encoded.lexicographicallyPrecedes($1.encoded) }
    }

    /// Reads them under the tag `[0]`; another order than DER's is refused.
    public init(reading der: inout DERReader) throws {
        var ahead = der
        let start = der.fault(.valueInvalid)
        attributes = try der.setOf(.context(0)) { try Attribute(reading: &$0) }
        guard !attributes.isEmpty else { throw start }
        var octets = try ahead.elementBytes()
        octets[0] = DERTag.set.rawValue
        encoded = octets
    }

    /// Writes them under the tag `[0]`.
    public func write(to der: inout DERWriter) {
        der.element([DERTag.context(0).rawValue] + encoded.dropFirst())
    }

    /// All attributes of a type; more than one is against RFC 5652, 5.3, but may be read.
    public func all(_ type: ObjectIdentifier) -> [Attribute] {
        attributes.filter { $0.type == type }
    }

    /// The value of an attribute that stands there exactly once with exactly one value.
    public func single(_ type: ObjectIdentifier) -> [UInt8]? {
        let found = all(type)
        guard found.count == 1, found[0].values.count == 1 else { return nil }
        return found[0].values[0]
    }
}
