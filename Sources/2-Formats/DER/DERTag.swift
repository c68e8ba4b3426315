/// The identifier octet of a DER element: class, construction and tag number in one octet (X.690, 8.1.2).
///
/// Only numbers below 31 exist here. The formats that Tanba reads use none above, and the reader refuses the long form.
public struct DERTag: RawRepresentable, Sendable, Hashable {
    public let rawValue: UInt8

    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// `[number]` of the context-specific class. Constructed stands for EXPLICIT tags and for IMPLICIT ones over SEQUENCE and SET,
    /// primitive for IMPLICIT ones over everything else.
    public static func context(_ number: UInt8, constructed: Bool = true) -> DERTag {
        precondition(number < 31, "tag numbers from 31 on need the long form, which is not supported")
        return DERTag(rawValue: 0x80 | (constructed ? 0x20 : 0) | number)
    }

    public var isConstructed: Bool { rawValue & 0x20 != 0 }
    public var isUniversal: Bool { rawValue & 0xC0 == 0 }

    public static let boolean = DERTag(rawValue: 0x01)
    public static let integer = DERTag(rawValue: 0x02)
    public static let bitString = DERTag(rawValue: 0x03)
    public static let octetString = DERTag(rawValue: 0x04)
    public static let null = DERTag(rawValue: 0x05)
    public static let objectIdentifier = DERTag(rawValue: 0x06)
    public static let enumerated = DERTag(rawValue: 0x0A)
    public static let utf8String = DERTag(rawValue: 0x0C)
    public static let utcTime = DERTag(rawValue: 0x17)
    public static let generalizedTime = DERTag(rawValue: 0x18)
    public static let sequence = DERTag(rawValue: 0x30)
    public static let set = DERTag(rawValue: 0x31)
}

extension DERTag: CustomStringConvertible {
    public var description: String {
        let hex = String(rawValue, radix: 16)
        return "0x" + (hex.count < 2 ? "0" : "") + hex
    }
}
