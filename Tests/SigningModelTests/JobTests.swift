import CMS
import Foundation
import LibCrypto
import SigningModel
import Testing

/// docs/schemas/job.schema.json, rule by rule.
@Suite struct JobTests {
    private func job(_ text: String) throws -> Job {
        guard case .job(let job) = Samples.read(text) else { throw JobRefused(refusal: Samples.refused(text)?.refusal) }
        return job
    }

    private struct JobRefused: Error { let refusal: Refusal? }

    private func code(_ text: String) -> String? { Samples.refused(text)?.refusal.code.rawValue }
    private func parameters(_ text: String) -> [String]? { Samples.refused(text)?.refusal.parameters.map(\.value) }

    @Test func whatIsWrittenReadsAsItself() throws {
        guard case .job(let job) = Job.read(Samples.job.encoded()) else { throw JobRefused(refusal: nil) }
        #expect(job == Samples.job)
        let least = try self.job(Samples.text())
        #expect(least.package == nil && least.document == nil && least.expires == nil && least.attributes == nil)
    }

    @Test func theOrderOfKeysAndTheirSpellingDoNotMatter() throws {
        let text = Samples.text(["version": "1", "job": #""j-1""#]).replacing("profile", with: #"pr\u006ffile"#)
        #expect(try job(text) == job(Samples.text()))
    }

    @Test(arguments: ["version", "job", "digest", "profile"]) func aFieldIsMissing(_ field: String) {
        let text = Samples.text([field: nil])
        #expect(code(text) == "job-field-missing")
        #expect(parameters(text) == [field])
        #expect(Samples.refused(text)?.id == (field == "job" ? nil : "j-1"))
    }

    @Test(arguments: [
        ("package", #"{"id":"p","index":0,"count":1}"#, ["id", "index", "count"]),
        ("document", #"{"id":"d","title":"t","name":"n","size":0}"#, ["id", "title", "name", "size"]),
    ])
    func partsAreWholeOrAbsent(_ part: String, _ whole: String, _ fields: [String]) throws {
        _ = try job(Samples.text([part: whole]))
        for field in fields {
            let cut = whole.replacing(try Regex("\"\(field)\":[^,}]*,?"), with: "").replacing(",}", with: "}")
            #expect(parameters(Samples.text([part: cut])) == ["\(part).\(field)"], "\(cut)")
            #expect(code(Samples.text([part: cut])) == "job-field-missing")
        }
        for other in ["null", "[]", "\"p\"", "1", "true"] {
            #expect(parameters(Samples.text([part: other])) == [part, "not-an-object"])
        }
        #expect(parameters(Samples.text([part: "{\"more\":1," + whole.dropFirst()])) == ["\(part).more"])
        #expect(code(Samples.text([part: "{\"id\":\"x\"," + whole.dropFirst()])) == "job-key-doubled")
    }

    @Test func theIndexIsBelowTheCount() throws {
        func package(_ index: String, _ count: String) -> String {
            Samples.text(["package": "{\"id\":\"p\",\"index\":\(index),\"count\":\(count)}"])
        }
        for (index, count) in [("0", "1"), ("2", "3"), ("9007199254740990", "9007199254740991")] { _ = try job(package(index, count)) }
        for (index, count) in [("1", "1"), ("3", "3"), ("4", "3"), ("-1", "3")] {
            #expect(parameters(package(index, count)) == ["package.index", "out-of-range"])
        }
        for count in ["0", "-1", "9007199254740992"] { #expect(parameters(package("0", count)) == ["package.count", "out-of-range"]) }
        for count in ["1.0", "1e2", "\"3\"", "null", "99999999999999999999"] {
            #expect(parameters(package("0", count)) == ["package.count", "not-an-integer"])
        }
    }

    @Test(arguments: ["job", "package.id", "document.id"]) func idsHaveOneTo1024Bytes(_ path: String) throws {
        func text(_ id: String) -> String {
            switch path {
            case "job": Samples.text(["job": "\"\(id)\""])
            case "package.id": Samples.text(["package": "{\"id\":\"\(id)\",\"index\":0,\"count\":1}"])
            default: Samples.text(["document": "{\"id\":\"\(id)\",\"title\":\"\",\"name\":\"\",\"size\":0}"])
            }
        }
        for id in [
            "x", "é", String(repeating: "x", count: 1024), String(repeating: "é", count: 512), String(repeating: #"\u00e9"#, count: 512),
        ] {
            _ = try job(text(id))
        }
        #expect(parameters(text("")) == [path, "empty"])
        for id in [
            String(repeating: "x", count: 1025), String(repeating: "é", count: 512) + "x", String(repeating: #"\u00e9"#, count: 513),
        ] {
            #expect(parameters(text(id)) == [path, "too-long"])
        }
    }

    @Test func noStringHasControlCharacters() {
        for control in [#"\n"#, #"\u0000"#, #"\u001b"#, "\u{7f}", "\u{85}", #"\u009f"#] {
            let places: KeyValuePairs = [
                "job": "\"a\(control)\"", "profile": "\"\(control)\"", "package": "{\"id\":\"\(control)\",\"index\":0,\"count\":1}",
                "document": "{\"id\":\"d\",\"title\":\"\(control)\",\"name\":\"\",\"size\":0}",
                "attributes": "{\"a\":[{\"b\":\"\(control)\"}]}",
            ]
            for (key, value) in places {
                #expect(Samples.refused(Samples.text([key: value]))?.refusal.parameters.last?.value == "control-character", "\(key)")
            }
            #expect(parameters(Samples.text(["attributes": "{\"\(control)\":1}"])) == ["attributes", "control-character"])
        }
    }

    @Test func digestsGoByNameOrIdentifier() throws {
        func digest(_ algorithm: String, _ count: Int) -> String {
            Samples.text(["digest": "{\"algorithm\":\"\(algorithm)\",\"value\":\"\(Data(count: count).base64EncodedString())\"}"])
        }
        let names: [(String, DigestAlgorithm)] = [
            ("sha256", .sha256), ("sha384", .sha384), ("sha512", .sha512), ("2.16.840.1.101.3.4.2.1", .sha256),
            ("2.16.840.1.101.3.4.2.2", .sha384), ("2.16.840.1.101.3.4.2.3", .sha512),
        ]
        for (name, algorithm) in names {
            let length = algorithm.function.byteCount
            #expect(try job(digest(name, length)).digest.algorithm == algorithm)
            for other in [0, 1, length - 1, length + 1, 2 * length] {
                #expect(code(digest(name, other)) == "digest-length")
                #expect(parameters(digest(name, other)) == [algorithm.name, String(length), String(other)])
            }
        }
        for name in ["md5", "SHA256", "sha-256", "sha1", "1.2.3", "1.3.14.3.2.26", "x", "", #"\n"#] {
            #expect(parameters(digest(name, 32)) == ["digest.algorithm", "unknown-algorithm"])
        }
        let hexadecimal = String(repeating: "ab", count: 32)
        #expect(parameters(Samples.text(["digest": "{\"algorithm\":\"sha256\",\"value\":\"\(hexadecimal)\"}"])) == ["sha256", "32", "48"])
        for value in ["\"AA\"", "\"AAA \"", "\"_-AA\"", "\"AB==\""] {
            #expect(
                parameters(Samples.text(["digest": "{\"algorithm\":\"sha256\",\"value\":\(value)}"])) == ["digest.value", "not-base64"])
        }
        #expect(parameters(Samples.text(["digest": #"{"algorithm":"sha256","value":7}"#])) == ["digest.value", "not-a-string"])
        #expect(parameters(Samples.text(["digest": #"{"algorithm":"sha256"}"#])) == ["digest.value"])
        // PHP writes \/ for a slash
        let slashes = Data(repeating: 0xFF, count: 32).base64EncodedString().replacing("/", with: #"\/"#)
        #expect(try job(Samples.text(["digest": "{\"algorithm\":\"sha256\",\"value\":\"\(slashes)\"}"])).digest.value.first == 0xFF)
    }

    @Test func expiresIsRFC3339InUTC() throws {
        let formatter = ISO8601DateFormatter()
        for text in [
            "2026-03-01T12:00:00Z", "1970-01-01T00:00:00Z", "2024-02-29T23:59:59Z", "2000-02-29T00:00:00Z", "9999-12-31T23:59:59Z",
        ] {
            #expect(try job(Samples.text(["expires": "\"\(text)\""])).expires == formatter.date(from: text))
        }
        let second = try job(Samples.text(["expires": #""2026-03-01T12:00:01Z""#])).expires!
        #expect(try job(Samples.text(["expires": #""2026-03-01T12:00:01+00:00""#])).expires == second)
        #expect(try abs(job(Samples.text(["expires": #""2026-03-01T12:00:01.25Z""#])).expires!.timeIntervalSince(second) - 0.25) < 1e-6)
        #expect(try job(Samples.text(["expires": #""2016-12-31T23:59:60Z""#])).expires == formatter.date(from: "2017-01-01T00:00:00Z"))
        for text in [
            "", "2026-03-01", "2026-03-01T12:00:00", "2026-03-01 12:00:00Z", "2026-03-01t12:00:00z", "2026-03-01T12:00Z",
            "2026-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-04-31T00:00:00Z", "2026-03-00T00:00:00Z",
            "2026-03-01T24:00:00Z", "2026-03-01T12:60:00Z", "2026-03-01T12:00:60Z", "2026-03-01T12:00:00+05:00",
            "2026-03-01T12:00:00-00:00",
            "2026-03-01T12:00:00+0000", "2026-03-01T12:00:00.Z", "2026-03-01T12:00:00ZZ", "+2026-3-01T12:00:00Z", "2026-03-01T12:00:00,5Z",
        ] {
            #expect(parameters(Samples.text(["expires": "\"\(text)\""])) == ["expires", "not-utc-time"], "\(text)")
        }
        #expect(parameters(Samples.text(["expires": "1772366400"])) == ["expires", "not-a-string"])
        #expect(parameters(Samples.text(["expires": "null"])) == ["expires", "not-a-string"])
    }

    @Test func attributesAreEchoedAsTheyStand() throws {
        let attributes = #"{ "a" : [1.50, "é\u00e9\/", {"x":null}] , "A":-0 }"#
        #expect(try job(Samples.text(["attributes": attributes])).attributes == Array(attributes.utf8))
        // A line break is white space between tokens; the result stays one line
        let broken = try job(Samples.text(["attributes": "{\n\"a\":\r\n\t1}"])).attributes
        #expect(broken == Array("{ \"a\":  \t1}".utf8))
        for other in ["null", "[]", "\"a\"", "1"] {
            #expect(parameters(Samples.text(["attributes": other])) == ["attributes", "not-an-object"])
        }
        let most = "{\"a\":\"\(String(repeating: "x", count: 4096 - 8))\"}"
        #expect(try job(Samples.text(["attributes": most])).attributes?.count == 4096)
        let more = Samples.text(["attributes": most.replacing("{", with: "{ ")])
        #expect(code(more) == "job-too-large")
        #expect(parameters(more) == ["attributes", "4097", "4096"])
        #expect(Samples.refused(more)?.id == "j-1")
    }

    @Test func aJobHasAtMost64KiB() throws {
        let least = Samples.text(["document": #"{"id":"d","title":"","name":"","size":0}"#])
        let room = 65_536 - least.utf8.count
        let most = least.replacing("\"title\":\"", with: "\"title\":\"" + String(repeating: "x", count: room))
        _ = try job(most)
        let more = most + " "
        #expect(code(more) == "job-too-large")
        #expect(parameters(more) == ["job", "65537", "65536"])
        #expect(Samples.refused(more)?.id == nil)
    }

    @Test func theVersionIsOne() {
        for version in ["0", "2", "-1", "9223372036854775807"] {
            // A newer version may have more keys: say that it is newer
            let text = Samples.text(["version": version, "urgency": "1"])
            #expect(code(text) == "version-unsupported")
            #expect(parameters(text) == [version, "1"])
            #expect(Samples.refused(text)?.id == "j-1")
        }
        for version in ["1.0", "\"1\"", "null", "true", "1e0"] {
            #expect(parameters(Samples.text(["version": version])) == ["version", "not-an-integer"])
        }
    }

    @Test func keysAreKnownAndStandOnce() {
        for key in ["urgency", "Job", "job ", "", "attribute"] {
            let text = Samples.text([key: "{\"a\":[1]}"])
            #expect(code(text) == "job-key-unknown")
            #expect(parameters(text) == [key])
            #expect(Samples.refused(text)?.id == "j-1")
        }
        let twice = Samples.text().dropLast() + ",\"profile\":\"other\"}"
        #expect(code(String(twice)) == "job-key-doubled")
        #expect(parameters(String(twice)) == ["profile"])
        #expect(Samples.refused(String(twice))?.id == "j-1")
        // Which of two ids is meant is in doubt
        let twoIDs = Samples.text().dropLast() + #","\u006aob":"j-1"}"#
        #expect(parameters(String(twoIDs)) == ["job"])
        #expect(Samples.refused(String(twoIDs))?.id == nil)
        // In attributes a key may be called as it likes, but not twice
        let inside = Samples.text(["attributes": #"{"x":{"job":1,"job":2}}"#])
        #expect(code(inside) == "job-key-doubled")
        #expect(Samples.refused(inside)?.id == "j-1")
        #expect(code(Samples.text(["digest": #"{"algorithm":"sha256","value":"","value":""}"#])) == "job-key-doubled")
        #expect(parameters(Samples.text(["digest": #"{"algorithm":"sha256","value":"","salt":""}"#])) == ["digest.salt"])
    }

    @Test func whatIsNoJSONIsMalformed() {
        func malformed(_ value: [UInt8]?) -> [String]? {
            guard case .refused(let unreadable) = Job.read(value), unreadable.refusal.code == .jobMalformed else { return nil }
            #expect(unreadable.id == nil && unreadable.package == nil && unreadable.digest == nil && unreadable.attributes == nil)
            return unreadable.refusal.parameters.map(\.value)
        }
        #expect(malformed(nil) == ["no-value", "0"])
        #expect(malformed([]) == ["unexpected-end", "0"])
        #expect(malformed(Array("null".utf8)) == ["not-an-object", "0"])
        #expect(malformed(Array("[]".utf8)) == ["not-an-object", "0"])
        #expect(malformed(Array("job".utf8)) == ["unexpected-byte", "0"])
        #expect(malformed(Array((Samples.text() + "x").utf8))?.first == "trailing-bytes")
        #expect(malformed(Array(Samples.text().dropLast().utf8))?.first == "unexpected-end")
        #expect(malformed([0xEF, 0xBB, 0xBF] + Array(Samples.text().utf8)) == ["byte-order-mark", "0"])
        #expect(malformed(Array(Samples.text().utf8.map { $0 == UInt8(ascii: "j") ? 0xFF : $0 }))?.first == "not-utf-8")
        #expect(malformed(Array(Samples.text(["attributes": String(repeating: "[", count: 17)]).utf8))?.first == "too-deep")
        #expect(malformed(Samples.text().utf16.flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] }) != nil)
    }

    /// Whatever happens to a job on the way, it is either read or refused, and an id that is echoed is the one that was sent.
    @Test func damagedJobsAreReadOrRefused() {
        var random = Seeded("damagedJobsAreReadOrRefused")
        let whole = Samples.job.encoded()
        for _ in 0..<20_000 {
            var text = whole
            for _ in 0...random.below(3) {
                let at = random.below(text.count)
                if random.chance(2) { text[at] = UInt8(random.below(256)) } else { text.remove(at: at) }
            }
            switch Job.read(text) {
            case .job(let job): #expect(Job.read(job.encoded()).isJob)
            case .refused(let unreadable):
                #expect(RefusalCode.all.contains(unreadable.refusal.code))
                if let id = unreadable.id { #expect((1...1024).contains(id.utf8.count)) }
            }
        }
    }

    @Test func theFingerprintIsOfIdAlgorithmDigestAndProfile() {
        let job = Samples.job
        let print = JobFingerprint(job)
        #expect(print.id.bytes == Array(DigestFunction.sha256.digest(Array(job.id.utf8)).prefix(16)))
        let content: [UInt8] = [6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1] + job.digest.value + Array("p256-t".utf8)
        #expect(print.content.bytes == Array(DigestFunction.sha256.digest(content).prefix(12)))
        #expect(JobIDDigest(bytes: print.id.bytes) == print.id)
        #expect(ContentDigest(bytes: print.content.bytes) == print.content)
        #expect(JobIDDigest(bytes: [1]) == nil && ContentDigest(bytes: []) == nil)
        var other = job
        (other.package, other.document, other.expires, other.attributes) = (nil, nil, nil, nil)
        #expect(JobFingerprint(other) == print)
        other.profile = "p256-b"
        #expect(JobFingerprint(other).id == print.id && JobFingerprint(other).content != print.content)
        other = job
        other.digest.value[0] ^= 1
        #expect(JobFingerprint(other).content != print.content)
        other = job
        other.id += "x"
        #expect(JobFingerprint(other).id != print.id && JobFingerprint(other).content == print.content)
    }
}

extension JobReading {
    var isJob: Bool { if case .job = self { true } else { false } }
}
