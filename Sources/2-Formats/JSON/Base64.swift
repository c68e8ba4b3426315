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
        var (at, to) = (0, start)
        while bytes.count - at >= 14 {
            // Cut to known lengths, so that one check of bounds covers each group, and each word is one load
            let group = bytes.extracting(at..<(at + 14))
            let letters = eightLetters(SIMD2(sextets(group, from: 0), sextets(group, from: 6)))
            precondition(to >= 0 && to <= output.count &- 16)
            for index in 0..<8 { output[to &+ index] = UInt8(truncatingIfNeeded: letters[0] >> UInt64(56 - 8 * index)) }
            for index in 0..<8 { output[to &+ 8 &+ index] = UInt8(truncatingIfNeeded: letters[1] >> UInt64(56 - 8 * index)) }
            at += 12
            to += 16
        }
        while at < bytes.count {
            let count = min(3, bytes.count - at)
            var word: UInt64 = 0
            for index in 0..<count { word |= UInt64(bytes[at + index]) << UInt64(40 - 8 * index) }
            let letters = eightLetters(SIMD2(word, 0))[0]
            for index in 0..<4 {
                output[to + index] = index <= count ? UInt8(truncatingIfNeeded: letters >> UInt64(56 - 8 * index)) : UInt8(ascii: "=")
            }
            at += count
            to += 4
        }
    }

    /// The bytes of `text`, or nil unless the text is exactly what ``encode(_:)`` writes: with its padding, without white space, the
    /// bits that stand for nothing zero (RFC 4648, 3.5).
    public static func decode(_ text: Span<UInt8>) -> [UInt8]? {
        guard text.count % 4 == 0 else { return nil }
        var padding = 0
        if text.count > 0, text[text.count - 1] == UInt8(ascii: "=") { padding = text[text.count - 2] == UInt8(ascii: "=") ? 2 : 1 }
        var isValid = true
        let bytes = [UInt8](capacity: text.count / 4 * 3) { output in
            for group in 0..<(text.count / 4) {
                let used = group == text.count / 4 - 1 ? 4 - padding : 4
                var word: UInt32 = 0
                for index in 0..<used {
                    let value = sextet(text[group * 4 + index])
                    if value > 63 { isValid = false }
                    word |= UInt32(value & 63) << UInt32(18 - 6 * index)
                }
                for index in 0..<(used - 1) { output.append(UInt8(truncatingIfNeeded: word >> UInt32(16 - 8 * index))) }
                // With one or two letters of padding 2 or 4 bits are left over
                if used < 4, word & (used == 3 ? 0xFF : 0xFFFF) != 0 { isValid = false }
            }
        }
        return isValid ? bytes : nil
    }

    /// Six bytes as the low 48 bits of a word. Reads eight, as that is one load.
    @inline(__always) private static func sextets(_ bytes: Span<UInt8>, from: Int) -> UInt64 {
        var word: UInt64 = 0
        for index in 0..<8 { word = word << 8 | UInt64(bytes[from &+ index]) }
        return word >> 16
    }

    /// Eight letters, the first in the highest byte, for the low 48 bits of each word; all bytes of the words are worked on at once.
    @inline(__always) private static func eightLetters(_ words: SIMD2<UInt64>) -> SIMD2<UInt64> {
        typealias Words = SIMD2<UInt64>
        var v = (words &<< 8 & Words(repeating: 0x00FF_FFFF_0000_0000)) | (words & Words(repeating: 0x00FF_FFFF))
        v = (v &<< 4 & Words(repeating: 0x0FFF_0000_0FFF_0000)) | (v & Words(repeating: 0x0000_0FFF_0000_0FFF))
        v = (v &<< 2 & Words(repeating: 0x3F00_3F00_3F00_3F00)) | (v & Words(repeating: 0x003F_003F_003F_003F))
        // Each byte is 0...63 now. The alphabet's five runs start at 0 A, 26 a, 52 0, 62 +, 63 /; adding 128 - start sets a byte's
        // high bit where it is in that run or a later one, and that makes a mask. No step carries into a neighbour
        let ones: UInt64 = 0x0101_0101_0101_0101
        func chosen(_ value: UInt64, from start: UInt64) -> Words {
            let bit = (v &+ Words(repeating: ones &* (128 - start))) & Words(repeating: ones &* 0x80)
            return (bit &- (bit &>> 7)) & Words(repeating: ones &* value)
        }
        return v &+ Words(repeating: ones &* 65) &+ chosen(6, from: 26) &- chosen(75, from: 52) &- chosen(15, from: 62)
            &+ chosen(3, from: 63)
    }

    /// The value of a letter, or 64 and more for a byte that is none.
    private static func sextet(_ letter: UInt8) -> UInt8 {
        switch letter {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): letter - UInt8(ascii: "A")
        case UInt8(ascii: "a")...UInt8(ascii: "z"): letter - UInt8(ascii: "a") + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): letter - UInt8(ascii: "0") + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: 255
        }
    }
}
