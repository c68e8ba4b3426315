import CMS
import Foundation
import JSON
import Testing

@testable import SigningModel

/// docs/schemas says what the code does.
@Suite struct PublishedPagesTests {
    private let jobs: SchemaCheck
    private let results: SchemaCheck

    init() throws {
        jobs = try SchemaCheck("job.schema.json")
        results = try SchemaCheck("result.schema.json")
    }

    @Test func theExamplesAreWhatTheyShow() throws {
        try #require(jobs.examples.count >= 2 && results.examples.count >= 3)
        for example in jobs.examples {
            #expect(try jobs.fault(example) == nil)
            #expect(Job.read(Array(try JSONSerialization.data(withJSONObject: example))).isJob)
        }
        for example in results.examples {
            #expect(try results.fault(example) == nil)
            #expect(throws: Never.self) { try JobResult.read(Array(try JSONSerialization.data(withJSONObject: example))) }
        }
    }

    @Test func whatIsWrittenKeepsTheSchema() throws {
        #expect(try jobs.fault(Samples.job.encoded()) == nil)
        for result in ResultTests.all { #expect(try results.fault(result.encoded()) == nil) }
    }

    @Test func whatTheSchemaRefusesIsRefused() throws {
        for (changes, isJob) in [
            ([:], true), (["job": "\"\""], false), (["job": nil], false), (["more": "1"], false), (["version": "2"], false),
            (["expires": "\"x\""], false),
            (["digest": #"{"algorithm":"md5","value":""}"#], false), (["package": #"{"id":"p","index":0}"#], false),
            (["attributes": "[]"], false),
            (["document": #"{"id":"d","title":"","name":"","size":-1}"#], false), (["profile": "\"\\u0007\""], false),
            (["attributes": #"{"a":{"b":[]}}"#], true), (["package": #"{"id":"p","index":0,"count":1}"#], true),
        ] as [(KeyValuePairs<String, String?>, Bool)] {
            let text = Samples.text(changes)
            #expect((try jobs.fault(Array(text.utf8)) == nil) == isJob, "\(text)")
            #expect(Samples.read(text).isJob == isJob, "\(text)")
        }
    }

    @Test func refusalsAreListedAsTheyAreGiven() throws {
        let page = try SchemaCheck.page("refusals.md")
        let rows = page.split(separator: "\n").filter { $0.hasPrefix("| `") }.map { row in
            row.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
        }
        let listed = rows.filter { $0.count == 4 }
        #expect(listed.map { $0[0] } == RefusalCode.all.map { "`\($0.rawValue)`" })
        for (row, text) in zip(listed, RefusalText.table) {
            #expect(row[1] == text.parameters.map { "`\($0)`" }.joined(separator: ", "))
            #expect(row[2] == text.message)
            #expect(row[3] == text.remedy)
        }
        let words = rows.filter { $0.count == 2 }
        #expect(
            Dictionary(uniqueKeysWithValues: words.map { ($0[0], $0[1]) })
                == Dictionary(uniqueKeysWithValues: RefusalText.reasons.map { ("`\($0)`", $1) }))
    }

    /// Each function makes the refusal of its code, and its sentences leave no gap.
    @Test func everyRefusalCanBeMade() {
        let time = Date(timeIntervalSince1970: 1_800_000_000)
        let made: [Refusal] = [
            .jobMalformed(.noValue, at: 0), .jobKeyUnknown("a.b"), .jobKeyDoubled("a"), .jobFieldMissing("job"),
            .jobFieldInvalid("job", .empty),
            .jobTooLarge(part: .job, bytes: 65_537, limit: 65_536), .versionUnsupported(2), .profileUnknown("p"),
            .profileNotAllowed("p", in: "s"),
            .digestAlgorithmMismatch(profile: "p", expected: .sha256, actual: .sha512),
            .digestLength(algorithm: "sha256", expected: 32, actual: 31),
            .jobExpired(time, judged: time.addingTimeInterval(9.9), enqueued: time.addingTimeInterval(-50)),
            .misplaced(.wrongPartition, in: Partition(2)), .jobConflict(with: Partition(1), Offset(9)), .resultTooLarge(bytes: 262_145),
        ]
        #expect(made.map(\.code) == RefusalCode.all)
        for refusal in made {
            for sentence in [refusal.message, refusal.remedy] {
                #expect(!sentence.contains("{") && !sentence.contains("}") && sentence.hasSuffix("."), "\(sentence)")
            }
        }
        #expect(made[4].message == "The job's field job is not acceptable: it is empty.")
        #expect(made[11].parameters.map(\.value) == ["2027-01-15T08:00:00Z", "2027-01-15T08:00:09.900Z", "59"])
        #expect(
            made[12].message == "The record does not stand where its job belongs (partition 2): the key belongs into another partition.")
    }

    @Test func everyReasonHasAPhrase() {
        for problem in FieldProblem.allCases { #expect(RefusalText.reasons[problem.rawValue] != nil, "\(problem)") }
        for reason in Refusal.Misplacement.allCases { #expect(RefusalText.reasons[reason.rawValue] != nil, "\(reason)") }
        // These two are never why a record is malformed: a doubled key has its own code, another kind its field
        for code in JSONError.Code.allCases where code != .doubledKey && code != .otherKind {
            #expect(RefusalText.reasons[code.rawValue] != nil, "\(code)")
        }
    }

    @Test func whatACallerWroteIsMadeFitToBeShown() {
        let long = Refusal.profileUnknown(String(repeating: "é", count: 1000))
        #expect(long.parameters[0].value.utf8.count <= 256 && long.parameters[0].value.hasSuffix("é…"))
        #expect(Refusal.jobKeyUnknown("\u{1b}[31m\u{85}").parameters[0].value == "\u{FFFD}[31m\u{FFFD}")
        // A value with braces is not a template
        #expect(Refusal.profileUnknown("{reason}").message == "There is no signing profile {reason}.")
    }
}
