/// The key usage bits of a certificate (RFC 5280, 4.2.1.3).
public struct KeyUsage: OptionSet, Sendable, Hashable {
    /// OpenSSL's layout: the first octet of the BIT STRING is the low byte, the second one the high byte.
    public let rawValue: UInt32

    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    public static let digitalSignature = KeyUsage(rawValue: 0x80)
    /// Also called contentCommitment.
    public static let nonRepudiation = KeyUsage(rawValue: 0x40)
    public static let keyEncipherment = KeyUsage(rawValue: 0x20)
    public static let dataEncipherment = KeyUsage(rawValue: 0x10)
    public static let keyAgreement = KeyUsage(rawValue: 0x08)
    public static let keyCertSign = KeyUsage(rawValue: 0x04)
    public static let crlSign = KeyUsage(rawValue: 0x02)
    public static let encipherOnly = KeyUsage(rawValue: 0x01)
    public static let decipherOnly = KeyUsage(rawValue: 0x8000)
}
