import Foundation
import JSON
import SigningModel
import Testing

/// What docs/schemas says is what the code does.
@Suite struct PublishedSchemaTests {
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "docs/schemas")

    private static func object(_ file: String) throws -> [String: Any] {
        let data = try Data(contentsOf: folder.appending(path: file))
        try JSON.scan([UInt8](data).span)
        return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    }

    @Test func everyRefusalIsListedWithItsWords() throws {
        let page = try String(contentsOf: Self.folder.appending(path: "refusals.md"), encoding: .utf8)
        #expect(RefusalCode.all.count >= 15)
        for code in RefusalCode.all { #expect(page.contains("| `\(code.rawValue)` |"), "\(code) is not in refusals.md") }
        let listed = page.split(separator: "\n").filter { $0.hasPrefix("| `") }.count { $0.split(separator: "|").count >= 4 }
        #expect(listed == RefusalCode.all.count, "refusals.md lists a code that is not there")
        let sample = Refusal.profileUnknown("office")
        #expect(page.contains(sample.message.replacingOccurrences(of: "office", with: "{profile}")) && page.contains(sample.remedy))
    }

    @Test func aJobHasTheKeysOfItsSchema() throws {
        let schema = try Self.object("job.schema.json")
        let known = Set(try #require(schema["properties"] as? [String: Any]).keys)
        let required = try #require(schema["required"] as? [String])
        var full = Job.read(Array(Self.fullJob.utf8))
        guard case .job(let job) = full else {
            Issue.record("the full job is refused: \(full)")
            return
        }
        let written = try #require(try JSONSerialization.jsonObject(with: Data(job.encoded())) as? [String: Any])
        #expect(Set(written.keys) == known)
        for key in required {
            var short = try #require(try JSONSerialization.jsonObject(with: Data(Self.fullJob.utf8)) as? [String: Any])
            short[key] = nil
            full = Job.read([UInt8](try JSONSerialization.data(withJSONObject: short)))
            if case .job = full { Issue.record("a job without \(key) is taken") }
        }
        for key in known.subtracting(required) {
            var short = try #require(try JSONSerialization.jsonObject(with: Data(Self.fullJob.utf8)) as? [String: Any])
            short[key] = nil
            full = Job.read([UInt8](try JSONSerialization.data(withJSONObject: short)))
            if case .refused(let refused) = full { Issue.record("a job without \(key) is refused: \(refused.refusal)") }
        }
    }

    @Test func aResultHasNoKeyThatItsSchemaLacks() throws {
        let known = Set(try #require(try Self.object("result.schema.json")["properties"] as? [String: Any]).keys)
        guard case .job(let job) = Job.read(Array(Self.fullJob.utf8)) else { return }
        let source = SourcePosition(topic: "s.jobs", partition: Partition(1), offset: Offset(2))
        let outcomes: [JobResult.Outcome] = [
            .signed(
                Signature(level: .bT, value: [0x30, 0]),
                signer: SignerSummary(subject: "CN=x", serial: "01", certificateSHA256: Array(repeating: 0, count: 32)),
                timestamp: TimestampSummary(authority: "a", time: Date(timeIntervalSince1970: 0), serial: "01")),
            .refused(.profileUnknown("x")), .duplicate(of: Partition(1), Offset(0)),
        ]
        var seen: Set<String> = []
        for outcome in outcomes {
            let encoded = JobResult(of: job, outcome: outcome, source: source, worker: "w").encoded()
            seen.formUnion(try #require(try JSONSerialization.jsonObject(with: Data(encoded)) as? [String: Any]).keys)
        }
        #expect(seen == known)
    }

    private static let fullJob = """
        {"version":1,"job":"a","package":{"id":"p","index":0,"count":1},"document":{"id":"d","title":"t","name":"n","size":1},
        "digest":{"algorithm":"sha256","value":"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="},"profile":"x","expires":"2030-01-01T00:00:00Z",
        "attributes":{"a":1}}
        """
}
