/// OBJECT IDENTIFIER, kept as it is encoded (X.690, 8.19).
public struct ObjectIdentifier: Sendable, Hashable {
    /// Tag, length and content.
    public let encoded: [UInt8]

    /// From the arcs of a constant, such as `ObjectIdentifier(2, 5, 29, 15)`.
    ///
    /// - Precondition: two arcs at least, the first 0, 1 or 2, the second below 40 under 0 and 1.
    public init(_ arcs: UInt64...) {
        guard let identifier = ObjectIdentifier(arcs: arcs) else { preconditionFailure("no object identifier") }
        self = identifier
    }

    /// From dotted text, such as `"2.5.29.15"`. Nil for anything else, also for an arc beyond 64 bits or written with leading zeros.
    public init?(dotted text: String) {
        var arcs: [UInt64] = []
        for part in text.utf8.split(separator: 0x2E, omittingEmptySubsequences: false) {
            guard let first = part.first, part.count == 1 || first != 0x30, part.allSatisfy({ (0x30...0x39).contains($0) }),
                let arc = UInt64(Substring(part))
            else { return nil }
            arcs.append(arc)
        }
        self.init(arcs: arcs)
    }

    /// From a list of arcs. Nil when they are no object identifier.
    public init?(arcs: [UInt64]) {
        guard arcs.count >= 2, arcs[0] <= 2, arcs[0] == 2 || arcs[1] < 40, arcs[1] <= UInt64.max - 80 else { return nil }
        var content: [UInt8] = []
        for arc in [arcs[0] * 40 + arcs[1]] + arcs[2...] {
            var groups = [UInt8(arc & 0x7F)]
            var rest = arc >> 7
            while rest > 0 {
                groups.append(UInt8(rest & 0x7F) | 0x80)
                rest >>= 7
            }
            content += groups.reversed()
        }
        encoded = DERWriter.encode { $0.primitive(.objectIdentifier, content) }
    }

    /// Tag, length and content that a reader has checked.
    init(checked encoded: [UInt8]) {
        self.encoded = encoded
    }

    /// The arcs in decimal, joined by dots; arcs of any size.
    public var dotted: String {
        var parts: [String] = []
        var digits: [UInt8] = [0]  // of one arc, least significant first
        for octet in encoded[contentStart...] {
            Self.multiply(&digits, by: 128, adding: Int(octet & 0x7F))
            guard octet < 0x80 else { continue }
            if parts.isEmpty {
                // The first octets hold 40 times the first arc plus the second
                let isSmall = digits.count <= 2
                let value = isSmall ? digits.reversed().reduce(0) { $0 * 10 + Int($1) } : 80
                let top = min(value / 40, 2)
                parts.append(String(top))
                Self.subtract(top * 40, from: &digits)
            }
            parts.append(String(digits.reversed().map { Character(Unicode.Scalar(0x30 + $0)) }))
            digits = [0]
        }
        return parts.joined(separator: ".")
    }

    private var contentStart: Int { encoded[1] < 0x80 ? 2 : 2 + Int(encoded[1] & 0x7F) }

    private static func multiply(_ digits: inout [UInt8], by factor: Int, adding addend: Int) {
        var carry = addend
        for index in digits.indices {
            carry += Int(digits[index]) * factor
            digits[index] = UInt8(carry % 10)
            carry /= 10
        }
        while carry > 0 {
            digits.append(UInt8(carry % 10))
            carry /= 10
        }
    }

    private static func subtract(_ number: Int, from digits: inout [UInt8]) {
        var borrow = number
        for index in digits.indices where borrow > 0 {
            var digit = Int(digits[index]) - borrow % 10
            borrow /= 10
            if digit < 0 {
                digit += 10
                borrow += 1
            }
            digits[index] = UInt8(digit)
        }
        while digits.count > 1, digits.last == 0 { digits.removeLast() }
    }
}

extension ObjectIdentifier: CustomStringConvertible {
    public var description: String { dotted }
}
