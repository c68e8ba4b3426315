import DER
import Foundation
import Testing

@Suite struct DERTimeTests {
    @Test(arguments: [
        ("500101000000Z", "1950-01-01T00:00:00Z"), ("700101000000Z", "1970-01-01T00:00:00Z"), ("000229120000Z", "2000-02-29T12:00:00Z"),
        ("491231235959Z", "2049-12-31T23:59:59Z"),
    ])
    func readsUTCTime(_ text: String, _ iso: String) throws {
        let encoded = DERWriter.encode { $0.primitive(.utcTime, Array(text.utf8)) }
        #expect(try DERReader.read(encoded) { try $0.utcTime() } == (try Date(iso, strategy: .iso8601)))
    }

    @Test(arguments: [
        "2601010000Z", "260101000000", "260101000000+0000", "260101000000z", "261301000000Z", "260001000000Z", "260100000000Z",
        "260229000000Z", "260101240000Z", "260101006000Z", "260101000060Z", "26010100000AZ", "26010100000/Z", "", "20260101000000Z",
    ])
    func refusesUTCTime(_ text: String) {
        let encoded = DERWriter.encode { $0.primitive(.utcTime, Array(text.utf8)) }
        let error = #expect(throws: DERError.self) { try DERReader.read(encoded) { try $0.utcTime() } }
        #expect(error?.code == .timeInvalid)
    }

    @Test(arguments: [
        ("20500101000000Z", "2050-01-01T00:00:00Z", 0), ("19491231235959Z", "1949-12-31T23:59:59Z", 0),
        ("20260131010203.5Z", "2026-01-31T01:02:03Z", 0.5), ("20260131010203.001Z", "2026-01-31T01:02:03Z", 0.001),
        ("24000229000000Z", "2400-02-29T00:00:00Z", 0), ("99991231235959Z", "9999-12-31T23:59:59Z", 0),
    ])
    func readsGeneralizedTime(_ text: String, _ iso: String, _ fraction: Double) throws {
        let encoded = DERWriter.encode { $0.primitive(.generalizedTime, Array(text.utf8)) }
        let date = try DERReader.read(encoded) { try $0.generalizedTime() }
        #expect(abs(date.timeIntervalSince(try Date(iso, strategy: .iso8601)) - fraction) < 1e-6)
    }

    @Test(arguments: [
        "20260131010203.Z", "20260131010203.50Z", "20260131010203.0Z", "20260131010203,5Z", "20260131010203.5", "202601310102Z",
        "20260131010203+0100", "20260131010203.5+0100", "21000229000000Z", "20260131010203.5xZ", "260131010203Z",
    ])
    func refusesGeneralizedTime(_ text: String) {
        let encoded = DERWriter.encode { $0.primitive(.generalizedTime, Array(text.utf8)) }
        let error = #expect(throws: DERError.self) { try DERReader.read(encoded) { try $0.generalizedTime() } }
        #expect(error?.code == .timeInvalid)
    }

    @Test func theYearDecidesTheForm() throws {
        func encoded(_ iso: String) throws -> [UInt8] {
            let date = try Date(iso, strategy: .iso8601)
            return DERWriter.encode { $0.time(date) }
        }
        #expect(try encoded("2049-12-31T23:59:59Z") == [0x17, 13] + Array("491231235959Z".utf8))
        #expect(try encoded("2050-01-01T00:00:00Z") == [0x18, 15] + Array("20500101000000Z".utf8))
        #expect(try encoded("1950-01-01T00:00:00Z") == [0x17, 13] + Array("500101000000Z".utf8))
        #expect(try encoded("1949-12-31T23:59:59Z") == [0x18, 15] + Array("19491231235959Z".utf8))
    }

    @Test func fractionsAreDroppedDownwards() {
        #expect(DERWriter.encode { $0.time(Date(timeIntervalSince1970: 0.999)) } == [0x17, 13] + Array("700101000000Z".utf8))
        #expect(DERWriter.encode { $0.time(Date(timeIntervalSince1970: -0.001)) } == [0x17, 13] + Array("691231235959Z".utf8))
    }

    /// Foundation's calendar is the judge over all years that DER can write.
    @Test func agreesWithFoundationsCalendar() throws {
        var random = SeededRandom()
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = .gmt
        for _ in 0..<5_000 {
            // From 1600: Foundation's calendar turns Julian before 1582
            let date = Date(timeIntervalSince1970: Double(Int64.random(in: -11_676_096_000..<253_402_300_800, using: &random)))
            let encoded = DERWriter.encode { $0.time(date) }
            let isUTC = encoded[0] == 0x17
            #expect(try DERReader.read(encoded) { try isUTC ? $0.utcTime() : $0.generalizedTime() } == date, "\(random)")
            let parts = calendar.dateComponents([.year, .month, .day, .hour, .minute, .second], from: date)
            let numbers = [parts.month!, parts.day!, parts.hour!, parts.minute!, parts.second!]
            let rest = numbers.map { ($0 < 10 ? "0" : "") + String($0) }.joined() + "Z"
            #expect(String(decoding: encoded, as: UTF8.self).hasSuffix(rest), "\(date) \(random)")
            #expect(isUTC == (1950...2049).contains(parts.year!), "\(random)")
        }
    }
}
