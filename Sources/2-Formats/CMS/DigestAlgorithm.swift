public import DER
public import LibCrypto

/// A hash function with the identifiers that CMS gives it.
///
/// A value, not a case: another module may define one (GOST's Streebog, say), put it into its own `KnownAlgorithms`, and everything
/// that reads and writes signatures works with it. Two are equal when name and identifier are.
public struct DigestAlgorithm: Sendable {
    /// As jobs and configuration spell it, such as `sha256`.
    public let name: String
    public let oid: ObjectIdentifier
    public let function: DigestFunction
    /// The AlgorithmIdentifier as it is written.
    public let identifier: [UInt8]

    /// - Parameter parameters: what is written after the identifier; SHA-2 has nothing there (RFC 5754, 2). Reading takes absent and NULL.
    public init(name: String, oid: ObjectIdentifier, parameters: [UInt8]? = nil, function: DigestFunction) {
        self.name = name
        self.oid = oid
        self.function = function
        identifier = AlgorithmIdentifier(oid, parameters: parameters).encoded
    }

    /// One of the standard algorithms, by its name (`sha256`) or its dotted object identifier.
    public init?(named name: String) {
        guard let found = KnownAlgorithms.standard.digest(named: name) else { return nil }
        self = found
    }

    public static let sha256 = DigestAlgorithm(name: "sha256", oid: ObjectIdentifier(2, 16, 840, 1, 101, 3, 4, 2, 1), function: .sha256)
    public static let sha384 = DigestAlgorithm(name: "sha384", oid: ObjectIdentifier(2, 16, 840, 1, 101, 3, 4, 2, 2), function: .sha384)
    public static let sha512 = DigestAlgorithm(name: "sha512", oid: ObjectIdentifier(2, 16, 840, 1, 101, 3, 4, 2, 3), function: .sha512)
}

// MARK: Hashable

extension DigestAlgorithm: Hashable, CustomStringConvertible {
    public static func == (left: DigestAlgorithm, right: DigestAlgorithm) -> Bool {
        left.name == right.name && left.identifier == right.identifier
    }

    public func hash(into hasher: inout Swift.Hasher) { hasher.combine(name) }

    public var description: String { name }
}
