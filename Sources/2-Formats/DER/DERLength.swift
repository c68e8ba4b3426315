/// The length octets of DER (X.690, 10.1).
public enum DERLength {
    /// The length octets for a content of `length` octets, 1 to 5 of them.
    ///
    /// - Precondition: not negative and below 4 GiB.
    public static func octets(_ length: Int) -> [UInt8] {
        var octets: [UInt8] = []
        append(length, to: &octets)
        return octets
    }

    /// How many octets a whole element takes whose content has `length` of them.
    @inlinable
    public static func elementCount(_ length: Int) -> Int {
        if length < 0x80 { return length + 2 }
        if length < 0x100 { return length + 3 }
        if length < 0x1_0000 { return length + 4 }
        return length < 0x100_0000 ? length + 5 : length + 6
    }

    /// Appends a tag and the length octets for a content of `length` octets.
    @inlinable
    public static func append(_ tag: DERTag, _ length: Int, to bytes: inout [UInt8]) {
        bytes.append(tag.rawValue)
        append(length, to: &bytes)
    }

    @inlinable
    static func append(_ length: Int, to bytes: inout [UInt8]) {
        precondition(length >= 0 && length <= 0xFFFF_FFFF)
        if length < 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: length))
            return
        }
        let octets = elementCount(length) - length - 2
        bytes.append(0x80 | UInt8(truncatingIfNeeded: octets))
        for index in stride(from: octets - 1, through: 0, by: -1) { bytes.append(UInt8(truncatingIfNeeded: length >> (8 * index))) }
    }
}
