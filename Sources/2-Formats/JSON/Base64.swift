/// Base64 of RFC 4648, 4: the standard alphabet, padded; read strictly, so that every sequence of bytes has exactly one text.
public enum Base64 {
    /// The length of the text for so many bytes.
    public static func encodedCount(_ byteCount: Int) -> Int { (byteCount + 2) / 3 * 4 }

    public static func encode(_ bytes: [UInt8]) -> [UInt8] {
        var text = [UInt8](repeating: 0, count: encodedCount(bytes.count))
        var output = text.mutableSpan
        encode(bytes.span, to: &output, at: 0)
        return text
    }

    /// Writes the text of `bytes` from `start` on. Precondition: there is room for it.
    public static func encode(_ bytes: Span<UInt8>, to output: inout MutableSpan<UInt8>, at start: Int) {
        let pairs = pairs.span
        var (at, to) = (0, start)
        while bytes.count - at >= 3 {
            // Cut to a known length, so that one check of bounds covers the group
            let group = bytes.extracting(at..<(at + 3))
            let bits = Int(group[0]) << 16 | Int(group[1]) << 8 | Int(group[2])
            let letters = UInt32(pairs[bits >> 12]) | UInt32(pairs[bits & 0xFFF]) << 16
            precondition(to >= 0 && to <= output.count &- 4)
            for index in 0..<4 { output[to &+ index] = UInt8(truncatingIfNeeded: letters >> UInt32(8 * index)) }
            at += 3
            to += 4
        }
        guard at < bytes.count else { return }
        let (first, second) = (Int(bytes[at]), at + 1 < bytes.count ? Int(bytes[at + 1]) : 0)
        let head = pairs[first << 4 | second >> 4]
        output[to] = UInt8(truncatingIfNeeded: head)
        output[to + 1] = UInt8(truncatingIfNeeded: head >> 8)
        output[to + 2] = at + 1 < bytes.count ? UInt8(truncatingIfNeeded: pairs[(second & 15) << 8]) : UInt8(ascii: "=")
        output[to + 3] = UInt8(ascii: "=")
    }

    /// The bytes of `text`, or nil unless the text is exactly what ``encode(_:)`` writes: with its padding, without white space, the
    /// bits that stand for nothing zero (RFC 4648, 3.5).
    public static func decode(_ text: Span<UInt8>) -> [UInt8]? {
        guard text.count % 4 == 0 else { return nil }
        var padding = 0
        if text.count > 0, text[text.count - 1] == UInt8(ascii: "=") { padding = text[text.count - 2] == UInt8(ascii: "=") ? 2 : 1 }
        let sextets = sextets.span
        // The high bit of any sextet says that a letter was none
        var seen: UInt32 = 0
        var leftOver: UInt32 = 0
        let bytes = [UInt8](capacity: text.count / 4 * 3) { output in
            for group in 0..<(text.count / 4) {
                let used = group == text.count / 4 - 1 ? 4 - padding : 4
                let letters = text.extracting((group * 4)..<(group * 4 + 4))
                let (a, b) = (UInt32(sextets[Int(letters[0])]), UInt32(sextets[Int(letters[1])]))
                let c = used > 2 ? UInt32(sextets[Int(letters[2])]) : 0
                let d = used > 3 ? UInt32(sextets[Int(letters[3])]) : 0
                seen |= a | b | c | d
                let word = a << 18 | b << 12 | c << 6 | d
                output.append(UInt8(truncatingIfNeeded: word >> 16))
                if used > 2 { output.append(UInt8(truncatingIfNeeded: word >> 8)) }
                if used > 3 { output.append(UInt8(truncatingIfNeeded: word)) }
                leftOver = used == 4 ? 0 : word & (used == 3 ? 0xFF : 0xFFFF)
            }
        }
        return seen & 0x80 == 0 && leftOver == 0 ? bytes : nil
    }

    /// For each twelve bits their two letters, the first in the low byte.
    private static let pairs: [UInt16] = (0..<4096).map { UInt16(alphabet[$0 >> 6]) | UInt16(alphabet[$0 & 63]) << 8 }

    /// For each byte its sextet, or 0x80 where it is no letter.
    private static let sextets: [UInt8] = {
        var table = [UInt8](repeating: 0x80, count: 256)
        for (value, letter) in alphabet.enumerated() { table[Int(letter)] = UInt8(value) }
        return table
    }()

    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
}
