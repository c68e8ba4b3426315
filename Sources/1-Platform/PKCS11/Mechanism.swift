/// A CKM number: what a token can do with a key. Vendors add their own, so any number is a mechanism.
public struct Mechanism: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt

    public init(rawValue: UInt) { self.rawValue = rawValue }

    /// RSASSA-PKCS1-v1_5 over a DigestInfo that the caller has written; gives as many bytes as the modulus has.
    public static let rsaPKCS = Mechanism(rawValue: 0x1)
    /// ECDSA over a digest that the caller has computed; gives r and s, each as long as the curve's order, one after the other.
    public static let ecdsa = Mechanism(rawValue: 0x1041)
}

extension Mechanism: CustomStringConvertible {
    public var description: String {
        switch self {
        case .rsaPKCS: "CKM_RSA_PKCS"
        case .ecdsa: "CKM_ECDSA"
        default: "CKM 0x" + String(rawValue, radix: 16)
        }
    }
}
