import Testing

@testable import TokenSigner

/// PKCS#11 gives r and s as fixed fields, CMS wants a SEQUENCE of two INTEGERs in DER (RFC 3279, 2.2.3).
@Suite struct ECDSASignatureTests {
    static let high = [0x80] + [UInt8](repeating: 1, count: 31)
    static let low = [0x7F] + [UInt8](repeating: 1, count: 31)
    static let short = [0, 0] + [0x80] + [UInt8](repeating: 2, count: 29)
    static let one = [UInt8](repeating: 0, count: 31) + [1]

    @Test func numbersAreMinimalAndPositive() {
        #expect(derSequence(ofRAndS: Self.low + Self.low) == [0x30, 68, 0x02, 32] + Self.low + [0x02, 32] + Self.low)
        #expect(derSequence(ofRAndS: Self.high + Self.low) == [0x30, 69, 0x02, 33, 0] + Self.high + [0x02, 32] + Self.low)
        #expect(derSequence(ofRAndS: Self.short + Self.one) == [0x30, 36, 0x02, 31, 0] + Self.short[2...] + [0x02, 1, 1])
        #expect(derSequence(ofRAndS: [0, 0]) == [0x30, 6, 0x02, 1, 0, 0x02, 1, 0])
    }

    @Test func longCurvesTakeTheLongLength() throws {
        let number = [0x01] + [UInt8](repeating: 0xFF, count: 65)
        let der = try #require(derSequence(ofRAndS: number + number))
        #expect(der == [0x30, 0x81, 136, 0x02, 66] + number + [0x02, 66] + number)
    }

    @Test(arguments: [0, 1, 63, 65, 134]) func whatIsNoPairOfNumbersIsNone(count: Int) {
        #expect(derSequence(ofRAndS: [UInt8](repeating: 1, count: count)) == nil)
    }
}
