import DER
import Testing

@Suite struct DERWriterTests {
    @Test(arguments: [
        (0, "00"), (0x7F, "7F"), (0x80, "8180"), (0xFF, "81FF"), (0x100, "820100"), (0xFFFF, "82FFFF"), (0x1_0000, "83010000"),
        (0xFF_FFFF, "83FFFFFF"), (0x100_0000, "8401000000"), (0xFFFF_FFFF, "84FFFFFFFF"),
    ])
    func lengthsAreMinimal(_ length: Int, _ hex: String) {
        #expect(DERLength.octets(length) == bytes(hex))
        #expect(DERLength.elementCount(length) == 1 + bytes(hex).count + length)
    }

    @Test(arguments: [
        (0, "020100"), (127, "02017F"), (128, "02020080"), (-1, "0201FF"), (-128, "020180"), (-129, "0202FF7F"),
        (Int.max, "02087FFFFFFFFFFFFFFF"), (Int.min, "02088000000000000000"),
    ])
    func integersAreMinimal(_ value: Int, _ hex: String) {
        #expect(DERWriter.encode { $0.integer(value) } == bytes(hex))
    }

    @Test(arguments: [
        ("", "020100"), ("00", "020100"), ("0000", "020100"), ("7F", "02017F"), ("80", "02020080"), ("00FF", "020200FF"),
        ("0001", "020101"), ("FFFFFFFFFFFFFFFF", "020900FFFFFFFFFFFFFFFF"),
    ])
    func magnitudesAreMinimal(_ magnitude: String, _ hex: String) {
        #expect(DERWriter.encode { $0.integer(magnitude: bytes(magnitude)) } == bytes(hex))
    }

    @Test func setsAreSorted() throws {
        let encoded = DERWriter.encode { $0.setOf([[0x04, 1, 9], [0x02, 1, 5], [0x02, 1, 3]]) }
        #expect(encoded == bytes("3109 020103 020105 040109"))
    }

    /// What the plain writer writes, the strict reader and `openssl asn1parse` take, whatever the shape.
    @Test func readerAndOpenSSLTakeWhatIsWritten() throws {
        var random = SeededRandom()
        var all: [[UInt8]] = []
        for _ in 0..<200 {
            let encoded = randomElement(depth: 0, &random)
            #expect(throws: Never.self, "\(random)") { try DERReader.read(encoded) { try $0.check() } }
            all.append(encoded)
        }
        let file = DERWriter.encode { $0.sequence { for element in all { $0.element(element) } } }
        let folder = try TemporaryFolder()
        let judged = try OpenSSL.run("asn1parse", "-inform", "DER", "-in", try folder.write(file, "tree.der"), "-noout")
        #expect(judged.status == 0, "\(judged.errors) \(random)")
    }

    /// One octet changed anywhere is either another well-formed encoding or an error, never a trap.
    @Test func damageIsAnError() {
        var random = SeededRandom()
        var refused = 0
        for _ in 0..<20_000 {
            var encoded = randomElement(depth: 0, &random)
            encoded[Int.random(in: 0..<encoded.count, using: &random)] = .random(in: 0...255, using: &random)
            if Bool.random(using: &random) { encoded.removeLast(Int.random(in: 0...encoded.count, using: &random)) }
            do { try DERReader.read(encoded) { try $0.check() } } catch { refused += 1 }
        }
        #expect(refused > 1_000, "\(random)")
    }

    private func randomElement(depth: Int, _ random: inout SeededRandom) -> [UInt8] {
        DERWriter.encode { writer in
            switch Int.random(in: 0..<(depth < 6 ? 9 : 7), using: &random) {
            case 0: writer.integer(Int.random(in: .min ... .max, using: &random))
            case 1: writer.octetString(random.bytes(0...300))
            case 2: writer.objectIdentifier(ObjectIdentifier(1, 2, UInt64.random(in: 0 ... .max, using: &random)))
            case 3: writer.boolean(.random(using: &random))
            case 4: writer.null()
            case 5: writer.utf8String("таңба")
            case 6: writer.integer(magnitude: random.bytes(0...20))
            case 7:
                writer.sequence { inside in
                    for _ in 0..<Int.random(in: 0...4, using: &random) { inside.element(randomElement(depth: depth + 1, &random)) }
                }
            default: writer.setOf((0..<Int.random(in: 0...4, using: &random)).map { _ in randomElement(depth: depth + 1, &random) })
            }
        }
    }
}
