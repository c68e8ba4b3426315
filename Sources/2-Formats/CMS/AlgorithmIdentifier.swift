public import DER

/// An algorithm and its parameters (RFC 5280, 4.1.1.2).
///
///     AlgorithmIdentifier ::= SEQUENCE {
///         algorithm   OBJECT IDENTIFIER,
///         parameters  ANY DEFINED BY algorithm OPTIONAL }
public struct AlgorithmIdentifier: Sendable, Hashable {
    public let algorithm: ObjectIdentifier
    /// The whole element, nil when absent.
    public let parameters: [UInt8]?

    public init(_ algorithm: ObjectIdentifier, parameters: [UInt8]? = nil) {
        self.algorithm = algorithm
        self.parameters = parameters
    }

    public init(reading der: inout DERReader) throws {
        self = try der.sequence { der in
            AlgorithmIdentifier(try der.objectIdentifier(), parameters: der.isAtEnd ? nil : try der.checkedElement())
        }
    }

    public func write(to der: inout DERWriter) {
        der.sequence { der in
            der.objectIdentifier(algorithm)
            if let parameters { der.element(parameters) }
        }
    }

    public var encoded: [UInt8] { DERWriter.encode { write(to: &$0) } }

    /// Whether parameters are absent or NULL: readers take both for hash functions (RFC 5754, 2) and many signature algorithms.
    public var hasNoParameters: Bool { parameters == nil || parameters == Self.null }

    /// The NULL that stands for "no parameters".
    public static let null: [UInt8] = [0x05, 0x00]
}
