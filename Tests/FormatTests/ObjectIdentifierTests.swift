import DER
import Testing

@Suite struct ObjectIdentifierTests {
    @Test(arguments: [
        ("0.0", "060100"), ("1.2.840.113549.1.7.2", "06092A864886F70D010702"), ("2.5.29.15", "0603551D0F"), ("2.999.3", "0603883703"),
        ("1.39", "06014F"), ("2.0", "060150"), ("2.39", "060177"), ("2.40", "060178"), ("2.47", "06017F"), ("2.48", "06028100"),
        ("1.2.398.3.10.1.3.3", "06082A830E030A010303"), ("2.18446744073709551535", "060A81FFFFFFFFFFFFFFFF7F"),
    ])
    func readsAndWrites(_ dotted: String, _ hex: String) throws {
        let identifier = try #require(ObjectIdentifier(dotted: dotted))
        #expect(identifier.encoded == bytes(hex))
        #expect(identifier.dotted == dotted)
        #expect(try DERReader.read(bytes(hex)) { try $0.objectIdentifier() } == identifier)
    }

    @Test(arguments: [
        "", "1", "3.1", "0.40", "1.40", "1.2.", ".1.2", "1..2", "1.02", "1.-2", "1.+2", "1. 2", "1.2a", "1.18446744073709551616",
    ])
    func refuses(_ dotted: String) {
        #expect(ObjectIdentifier(dotted: dotted) == nil)
    }

    @Test func arcsOfAnySizeCanBeRead() throws {
        // The example of ITU-T X.667: UUID f81d4fae-7dec-11d0-a765-00a0c91e6bf6 as an arc
        let encoded = bytes("06146983F09DA7EBCFDEE0C7A1A7B2C0948CC8F9D776")
        let identifier = try DERReader.read(encoded) { try $0.objectIdentifier() }
        #expect(identifier.dotted == "2.25.329800735698586629295641978511506172918")
    }

    @Test func roundTrips() throws {
        var random = SeededRandom()
        for _ in 0..<2_000 {
            let top = UInt64.random(in: 0...2, using: &random)
            let second = top < 2 ? UInt64.random(in: 0..<40, using: &random) : UInt64.random(in: 0..<100_000, using: &random)
            let rest = (0..<Int.random(in: 0...8, using: &random)).map { _ in
                UInt64.random(in: 0 ... .max, using: &random) >> UInt64.random(in: 0..<64, using: &random)
            }
            let identifier = try #require(ObjectIdentifier(arcs: [top, second] + rest))
            #expect(identifier.dotted == ([top, second] + rest).map(String.init).joined(separator: "."), "\(random)")
            #expect(ObjectIdentifier(dotted: identifier.dotted) == identifier, "\(random)")
            #expect(try DERReader.read(identifier.encoded) { try $0.objectIdentifier() } == identifier, "\(random)")
        }
    }
}
