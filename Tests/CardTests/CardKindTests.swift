import Testing

@testable import PCSC

@Suite struct CardKindTests {
    private static func bytes(_ text: String) -> [UInt8] { text.split(separator: " ").map { UInt8($0, radix: 16)! } }

    @Test(arguments: [
        ("3B 88 01 4B 41 5A 54 4F 4B 45 4E 82", "Kaztoken"),
        ("3B 3E 95 00 53 4F 4D 41 2D 63 30 30 37 2D 44 53 31 62", "Kazakhstan identity card"),
        ("3B DC 18 FF 81 91 FE 1F C3 80 73 C8 21 13 66 01 06 11 59 00 01 28", "JaCarta PKI"),
        ("3B D5 18 00 81 31 3A 7D 80 73 C8 21 10 30", "eToken PRO 72K"),
        // Exact lines come before the masks that cover them too
        ("3B FF 96 00 00 81 31 FE 43 80 31 80 65 B0 84 56 51 10 12 01 78 82 90 00 6A", "eToken 5300"),
        ("3B FF 96 00 00 81 31 FE 43 80 31 80 65 B0 85 59 56 FB 12 0F FE 82 90 00 00", "eToken 5110"),
        ("3B FF 96 00 00 81 31 FE 43 80 31 80 65 B0 84 65 66 FB 12 01 78 82 90 00 85", "eToken 5110+ FIPS"),
        // OpenSC's mask leaves the speed (third byte) and the check byte open
        ("3B FF 18 00 00 81 31 FE 43 80 31 80 65 B0 85 59 56 FB 12 0F FC 82 90 00 8C", "eToken 5110 or IDPrime 940"),
    ])
    func aKnownCardIsNamed(_ answerToReset: String, _ name: String) {
        #expect(CardKind.name(ofATR: Self.bytes(answerToReset)) == name)
        #expect(CardKind.text(forATR: Self.bytes(answerToReset)) == name)
    }

    @Test func anUnknownCardIsShownAsHex() {
        let answerToReset: [UInt8] = [0x3B, 0x88, 0x01, 0x4B, 0x41, 0x5A, 0x54, 0x4F, 0x4B, 0x45, 0x4E, 0x83]
        #expect(CardKind.name(ofATR: answerToReset) == nil)
        #expect(CardKind.text(forATR: answerToReset) == "card 3B 88 01 4B 41 5A 54 4F 4B 45 4E 83")
        #expect(CardKind.name(ofATR: Array(answerToReset.dropLast())) == nil)
        #expect(CardKind.text(forATR: []) == "card that does not answer")
    }

    /// Guards against a slip of the pen: each line is an ATR by ISO/IEC 7816-3, of the length that its own first bytes give, and
    /// where it has a check byte and no open digits, the check byte is right.
    @Test func everyLineOfTheTableIsAnATR() throws {
        #expect(CardKind.table.count > 10)
        for pattern in CardKind.table {
            #expect(!pattern.name.isEmpty)
            let bytes = pattern.bytes
            #expect(bytes.count == pattern.mask.count && zip(bytes, pattern.mask).allSatisfy { $0 & ~$1 == 0 }, "\(pattern.name)")
            try #require((2...33).contains(bytes.count), "\(pattern.name)")
            #expect(bytes[0] == 0x3B || bytes[0] == 0x3F, "\(pattern.name)")
            // T0 and each TDi: four bits that say which interface bytes follow, four of a number
            var index = 1
            var hasCheck = false
            var indicator: UInt8? = bytes[1]
            while let next = indicator {
                index += (next >> 4).nonzeroBitCount
                indicator = next & 0x80 == 0 ? nil : bytes[index]
                if let protocolByte = indicator, protocolByte & 0x0F != 0 { hasCheck = true }
            }
            let length = index + 1 + Int(bytes[1] & 0x0F) + (hasCheck ? 1 : 0)
            #expect(bytes.count == length, "\(pattern.name): \(CardKind.hex(bytes))")
            guard hasCheck, pattern.mask.allSatisfy({ $0 == 0xFF }) else { continue }
            #expect(bytes.dropFirst().reduce(0, ^) == 0, "\(pattern.name): \(CardKind.hex(bytes))")
        }
    }
}
