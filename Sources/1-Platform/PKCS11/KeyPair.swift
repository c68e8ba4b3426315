/// A key of a token, found by its CKA_ID: the handle of the private key, good within one epoch of its token.
public struct KeyPair: Hashable, Sendable {
    /// CKA_ID; a certificate on the token that belongs to the key has the same.
    public let id: [UInt8]
    /// CKA_LABEL, for people.
    public let label: String
    public let type: KeyType
    let privateKey: UInt
}

/// A CKK number.
public struct KeyType: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt
    public init(rawValue: UInt) { self.rawValue = rawValue }

    public static let rsa = KeyType(rawValue: 0x0)
    public static let ec = KeyType(rawValue: 0x3)
    /// Ed25519 and Ed448.
    public static let ecEdwards = KeyType(rawValue: 0x40)
}

extension KeyType: CustomStringConvertible {
    public var description: String {
        switch self {
        case .rsa: "RSA"
        case .ec: "EC"
        case .ecEdwards: "EC Edwards"
        default: "CKK 0x" + String(rawValue, radix: 16)
        }
    }
}
