import CMS
import Foundation
import JSON
import SigningModel
import Testing

/// docs/schemas/result.schema.json: what is written reads as itself, and nothing else does.
@Suite struct ResultTests {
    static let signer = SignerSummary(
        subject: "CN=A \"quoted\" signer,O=Tanba", serial: "0a01", iin: "880101300123", bin: "990140000012",
        certificateSHA256: [UInt8](repeating: 0xAB, count: 32))
    static let timestamp = TimestampSummary(authority: "demo", time: Date(timeIntervalSince1970: 1_772_366_400.125), serial: "0f")
    static let source = SourcePosition(topic: "demo.jobs", partition: Partition(3), offset: Offset(123))
    static let signed = JobResult(
        of: Samples.job, outcome: .signed(Signature(level: .bT, value: [0x30, 1, 0xFF]), signer: signer, timestamp: timestamp),
        source: source,
        worker: "w1")

    static let all: [JobResult] = [
        signed,
        JobResult(
            job: "j",
            outcome: .signed(
                Signature(level: .bB, value: []),
                signer: SignerSummary(subject: "", serial: "01", certificateSHA256: [UInt8](repeating: 0, count: 32)), timestamp: nil),
            digest: Samples.job.digest, source: source, worker: "w"),
        JobResult(of: Samples.job, outcome: .duplicate(of: Partition(3), Offset(7)), source: source, worker: "w1"),
        JobResult(of: Samples.job, outcome: .refused(.profileUnknown("x")), source: source, worker: "w1"),
        JobResult(of: Samples.refused("{")!, source: source, worker: "w1"),
        JobResult(of: Samples.refused(Samples.text(["x": "1"]))!, source: source, worker: "w1"),
    ]

    @Test(arguments: all) func whatIsWrittenReadsAsItself(_ result: JobResult) throws {
        let text = result.encoded()
        #expect(try JobResult.read(text) == result)
        try JSON.scan(text.span)
        #expect(!text.contains(0x0A))
        _ = try JSONSerialization.jsonObject(with: Data(text))
    }

    @Test func aSignedResultStandsAsItIsPublished() {
        #expect(
            String(decoding: Self.signed.encoded(), as: UTF8.self)
                == #"{"version":1,"job":"contracts/agreement-1.pdf","package":{"id":"contracts","index":0,"count":3},"document":{"id":"doc-1"},"outcome":"signed","signature":{"format":"CAdES","level":"B-T","value":"MAH/"},"signer":{"subject":"CN=A \"quoted\" signer,O=Tanba","serial":"0a01","iin":"880101300123","bin":"990140000012","certificateSHA256":"abababababababababababababababababababababababababababababababab"},"digest":{"algorithm":"sha256","value":"\#(Data(Samples.digest).base64EncodedString())"},"attributes":{"department": 7, "tags": ["a", "b"]},"timestamp":{"authority":"demo","time":"2026-03-01T12:00:00.125Z","serial":"0f"},"source":{"topic":"demo.jobs","partition":3,"offset":123},"worker":"w1"}"#
        )
    }

    @Test func aRecordThatIsNoJobHasNullForItsID() {
        let text = String(decoding: Self.all[4].encoded(), as: UTF8.self)
        #expect(text.contains(#""job":null,"#))
        #expect(text.contains(#""parameters":{"reason":"unexpected-end","offset":"1"}"#))
    }

    /// Each member taken away, doubled, and replaced by something of another kind.
    @Test(arguments: all) func nothingElseReads(_ result: JobResult) throws {
        let members = try #require(try JSONSerialization.jsonObject(with: Data(result.encoded())) as? [String: Any])
        func read(_ change: (inout [String: Any]) -> Void) -> JobResult? {
            var changed = members
            change(&changed)
            guard let data = try? JSONSerialization.data(withJSONObject: changed) else { return nil }
            return try? JobResult.read(Array(data))
        }
        #expect(read { _ in }?.source == result.source)
        for key in members.keys {
            let isOptional =
                ["package", "document", "attributes", "timestamp"].contains(key) || (key == "digest" && result.outcome.word == "refused")
            #expect((read { $0[key] = nil } != nil) == isOptional, "\(key)")
            for other: Any in [1.5, [1], NSNull()] {
                if key == "job", other is NSNull, result.outcome.word == "refused" { continue }
                #expect(read { $0[key] = other } == nil, "\(key)")
            }
        }
        #expect(read { $0["more"] = 1 } == nil)
        #expect(read { $0["outcome"] = "lost" } == nil)
        #expect(read { $0["version"] = 2 } == nil)
        for foreign in ["refusal", "signature", "duplicateOf", "signer"] where members[foreign] == nil {
            let donor = try #require(
                try Self.all.lazy.compactMap { try (JSONSerialization.jsonObject(with: Data($0.encoded())) as? [String: Any])?[foreign] }
                    .first)
            #expect(read { $0[foreign] = donor } == nil, "\(foreign)")
        }
    }

    @Test(arguments: [
        (#""level":"B-T""#, #""level":"B-X""#), (#""format":"CAdES""#, #""format":"PAdES""#), (#""serial":"0a01""#, #""serial":"0A01""#),
        (#""serial":"0f""#, #""serial":"f""#), ("abababab\"", "abab\""), ("\"MAH/\"", "\"MAH\""), ("00.125Z", "00.125"),
        ("\"partition\":3", "\"partition\":-1"),
        ("\"offset\":123", "\"offset\":1.0"), ("\"partition\":3", "\"partition\":2147483648"), ("\"topic\":\"demo.jobs\",", ""),
        ("{\"version\"", "{\"version\":1,\"version\""),
        ("\"tags\"", "\"department\""), ("sha256", "sha384"), ("\"worker\":\"w1\"}", "\"worker\":\"w1\"} x"),
    ])
    func aChangedTextIsRefused(_ from: String, _ to: String) throws {
        let text = String(decoding: Self.signed.encoded(), as: UTF8.self)
        try #require(text.contains(from))
        #expect(throws: JobResultError.self) { try JobResult.read(Array(text.replacing(from, with: to).utf8)) }
    }

    @Test func timesAreWrittenAsTheyAreRead() {
        var random = Seeded("timesAreWrittenAsTheyAreRead")
        let formatter = ISO8601DateFormatter()
        for _ in 0..<5000 {
            let time = Date(timeIntervalSince1970: Double(Int64.random(in: -62_135_596_800...253_402_300_799, using: &random)))
            let text = UTCTimestamp.text(time)
            // Before 15 October 1582 Foundation's calendar is the Julian one, and RFC 3339's is not
            if time.timeIntervalSince1970 >= -12_219_292_800 { #expect(text == formatter.string(from: time)) }
            #expect(UTCTimestamp.read(Array(text.utf8)) == time)
        }
        #expect(UTCTimestamp.text(Date(timeIntervalSince1970: 0.0004)) == "1970-01-01T00:00:00Z")
        #expect(UTCTimestamp.text(Date(timeIntervalSince1970: -0.001)) == "1969-12-31T23:59:59.999Z")
        #expect(UTCTimestamp.text(.distantFuture) == "4001-01-01T00:00:00Z")
        #expect(UTCTimestamp.text(Date(timeIntervalSince1970: 1e18)) == "9999-12-31T23:59:59.999Z")
        #expect(UTCTimestamp.text(Date(timeIntervalSince1970: -1e18)) == "0000-01-01T00:00:00Z")
    }
}
