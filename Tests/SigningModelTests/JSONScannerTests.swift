import Foundation
import JSON
import Testing

/// What the scanner takes and refuses, alone and beside Foundation.
@Suite struct JSONScannerTests {
    private func fault(_ bytes: [UInt8]) -> JSONError? {
        do throws(JSONError) {
            try JSON.scan(bytes.span)
            return nil
        } catch {
            return error
        }
    }

    private func fault(_ text: String) -> JSONError? { fault(Array(text.utf8)) }

    @Test(arguments: [
        "0", "-0", "-0.0e-0", "10", "1.5", "1E+2", "1e5", "123456789012345678901234567890", "\"\"", "\"a\"", "true", "false", "null", "{}",
        "[]",
        " \t\r\n{ \"a\" : [ 1 , 2 ] } \n", #""\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00""#, "\"é😀\u{7f}\"", #"{"a":1,"A":2,"":3}"#,
        #"{"a":{"a":{"a":1}},"b":{"a":1}}"#, #"{"a":[{"a":1},{"a":1}]}"#, #""\u0000""#,
    ])
    func accepts(_ text: String) { #expect(fault(text) == nil) }

    @Test(arguments: [
        ("", JSONError.Code.unexpectedEnd, 0), ("  ", .unexpectedEnd, 2), ("{", .unexpectedEnd, 1), ("[1", .unexpectedEnd, 2),
        ("{\"a\"", .unexpectedEnd, 4), ("{\"a\":", .unexpectedEnd, 5), ("\"a", .unexpectedEnd, 2), ("tru", .unexpectedEnd, 3),
        ("-", .unexpectedEnd, 1), ("1.", .unexpectedEnd, 2), ("1e", .unexpectedEnd, 2), (#""\"#, .unexpectedEnd, 2),
        (#""\u12"#, .unexpectedEnd, 5),
        ("[1,]", .unexpectedByte, 3), ("{\"a\":1,}", .unexpectedByte, 7), ("{,}", .unexpectedByte, 1), ("[1 2]", .unexpectedByte, 3),
        ("{a:1}", .unexpectedByte, 1), ("{\"a\" 1}", .unexpectedByte, 5), ("'a'", .unexpectedByte, 0), ("NaN", .unexpectedByte, 0),
        ("+1", .unexpectedByte, 0), (".5", .unexpectedByte, 0), ("trUe", .unexpectedByte, 2), ("/**/1", .unexpectedByte, 0),
        ("\u{b}1", .unexpectedByte, 0),
        ("\u{a0}1", .unexpectedByte, 0), ("[}", .unexpectedByte, 1), ("{]", .unexpectedByte, 1), ("[1}", .unexpectedByte, 2),
        ("01", .badNumber, 1), ("-a", .badNumber, 1), ("1.e5", .badNumber, 2), ("1e+x", .badNumber, 3), ("-01", .badNumber, 2),
        ("1 2", .trailingBytes, 2), ("{}x", .trailingBytes, 2), ("1\0", .trailingBytes, 1), ("0x10", .trailingBytes, 1),
        ("\u{feff}1", .byteOrderMark, 0), ("\"\u{1f}\"", .controlCharacter, 1), ("\"a\n\"", .controlCharacter, 2),
        (#""\x41""#, .badEscape, 1), (#""\u12g4""#, .badEscape, 5), (#""\U0041""#, .badEscape, 1),
        (#""\ud800""#, .loneSurrogate, 1), (#""\udc00""#, .loneSurrogate, 1), (#""\ud800\ud800""#, .loneSurrogate, 1),
        (#""\ud800x""#, .loneSurrogate, 1),
        (#""\udc00\ud800""#, .loneSurrogate, 1), (#""\ud83d\u0041""#, .loneSurrogate, 1), (#""\ud83d\n""#, .loneSurrogate, 1),
        (#"{"a":1,"a":2}"#, .doubledKey, 7), (#"{"a":1,"\u0061":2}"#, .doubledKey, 7), (#"{"b":{"é":1,"\u00E9":2}}"#, .doubledKey, 13),
        (#"[{"x":[{"k":1,"z":0,"k":1}]}]"#, .doubledKey, 20), (#"{"😀":1,"\uD83D\uDE00":1}"#, .doubledKey, 10),
    ])
    func refuses(_ text: String, _ code: JSONError.Code, _ offset: Int) {
        #expect(fault(text) == JSONError(code, at: offset), "\(text)")
    }

    @Test func nestingHasABound() {
        func nested(_ depth: Int, _ open: String, _ inside: String, _ close: String) -> String {
            String(repeating: open, count: depth) + inside + String(repeating: close, count: depth)
        }
        for (open, inside, close) in [("[", "", "]"), ("{\"a\":", "1", "}")] {
            #expect(fault(nested(16, open, inside, close)) == nil)
            #expect(fault(nested(17, open, inside, close)) == JSONError(.tooDeep, at: open.utf8.count * 16))
            #expect(fault(nested(100_000, open, inside, close))?.code == .tooDeep)
        }
    }

    @Test func everyPairAndTripleOfLeadBytesIsJudgedAsSwiftJudgesUTF8() {
        for lead in UInt8(0x80)...0xFF {
            for second in UInt8.min...0xFF where second != UInt8(ascii: "\"") && second != UInt8(ascii: "\\") && second >= 0x20 {
                for tail: [UInt8] in [[], [0x80], [0xBF, 0x80], [0x80, 0xC0], [0x41]] {
                    let inside = [lead, second] + tail
                    let isValid = String(validating: inside, as: UTF8.self) != nil
                    let found = fault([UInt8(ascii: "\"")] + inside + [UInt8(ascii: "\"")])
                    #expect((found == nil) == isValid, "\(inside)")
                    if let found { #expect(found.code == .notUTF8) }
                }
            }
        }
        // A sequence that the text cuts off
        for cut: [UInt8] in [[0xC3], [0xE2, 0x82], [0xF0, 0x9F, 0x98]] { #expect(fault([UInt8(ascii: "\"")] + cut)?.code == .notUTF8) }
        // UTF-16, which Foundation takes
        #expect(fault([0x22, 0, 0x61, 0, 0x22, 0])?.code == .controlCharacter)
        #expect(fault([0xFE, 0xFF, 0, 0x31])?.code == .unexpectedByte)
    }

    @Test(arguments: [2, 8, 9, 10, 500, 8000]) func aDoubledKeyIsFoundAmongMany(_ count: Int) {
        var random = Seeded("aDoubledKeyIsFoundAmongMany")
        var keys = (0..<count).map { "\"k\($0)\"" }.shuffled(using: &random)
        #expect(fault("{" + keys.map { $0 + ":0" }.joined(separator: ",") + "}") == nil)
        let (from, to) = (random.below(count), random.below(count))
        guard from != to else { return }
        keys[to] = random.chance(2) ? keys[from] : keys[from].replacing("k", with: #"\u006b"#)
        #expect(fault("{" + keys.map { $0 + ":0" }.joined(separator: ",") + "}")?.code == .doubledKey)
    }

    @Test func whatBothAcceptReadsAsFoundationReadsIt() throws {
        var documents = RandomJSON(Seeded("whatBothAcceptReadsAsFoundationReadsIt"))
        for _ in 0..<3000 {
            let text = documents.document()
            let tree = try JSONTree.read(text)
            #expect(JSONTree.byFoundation(text) == tree, "\(String(decoding: text, as: UTF8.self))")
        }
    }

    /// Damaged documents: nothing traps, the two ways of reading agree, and what the scanner accepts Foundation reads alike.
    @Test func damagedDocumentsAreNeverTakenForOthers() throws {
        var documents = RandomJSON(Seeded("damagedDocumentsAreNeverTakenForOthers"))
        let favourites = Array("\"\\{}[],:0-+.eEu \n\u{0}tfn".utf8) + [0xC3, 0xA9, 0xED, 0xEF, 0xBB, 0xBF, 0xFF]
        var accepted = 0
        for _ in 0..<20_000 {
            var text = documents.document()
            for _ in 0...documents.random.below(3) where !text.isEmpty {
                let at = documents.random.below(text.count)
                switch documents.random.below(4) {
                case 0: text.remove(at: at)
                case 1: text.insert(favourites.randomElement(using: &documents.random)!, at: at)
                case 2: text[at] = favourites.randomElement(using: &documents.random)!
                default: text.removeSubrange(at...)
                }
            }
            guard fault(text) == nil else { continue }
            accepted += 1
            let tree = try JSONTree.read(text)
            let shown = String(decoding: text, as: UTF8.self)
            // Foundation refuses a number beyond Double, which is JSON nevertheless
            if let other = JSONTree.byFoundation(text) {
                #expect(other == tree, "\(shown)")
            } else {
                #expect(shown.contains(/[eE]/), "\(shown)")
            }
        }
        #expect(accepted > 100)
    }

    @Test func integersAreTakenOnlyWhereTheyAreOnes() throws {
        func integer(_ text: String) throws(JSONError) -> Int64 {
            let bytes = Array(text.utf8)
            var scanner = JSONScanner()
            let value = try scanner.integer(bytes.span)
            try scanner.endDocument(bytes.span)
            return value
        }
        for value: Int64 in [0, 1, -1, 42, .max, .min, .max - 1, .min + 1] { #expect(try integer(String(value)) == value) }
        #expect(try integer("-0") == 0)
        for text in [
            "1.0", "1e2", "-0.0", "9223372036854775808", "-9223372036854775809", "99999999999999999999", "\"1\"", "true", "null", "[1]",
        ] {
            #expect(throws: JSONError(.otherKind, at: 0), "\(text)") { try integer(text) }
        }
    }

    @Test func controlCharactersAreSeenHoweverTheyAreWritten() throws {
        func hasControl(_ text: String) throws -> Bool {
            let bytes = Array("\"\(text)\"".utf8)
            var scanner = JSONScanner()
            let direct = try scanner.string(bytes.span).hasControlCharacters
            var skipping = JSONScanner()
            _ = try skipping.skipValue(bytes.span)
            #expect(skipping.hasSkippedControlCharacters == direct)
            return direct
        }
        for text in [#"\n"#, #"\t"#, #"\u0000"#, #"\u001f"#, #"\u007f"#, #"\u0085"#, "\u{7f}", "\u{80}", "\u{9f}", "a\u{85}b"] {
            #expect(try hasControl(text), "\(text)")
        }
        for text in ["", "a", " ", #"\u0020"#, #"\\n"#, "\u{a0}", #"\u00a0"#, "é", "\u{2028}", "😀"] {
            #expect(try !hasControl(text), "\(text)")
        }
    }

    @Test func namesAreFoundHoweverTheyAreWritten() throws {
        let names = JSONNames(["job", "document", "digest"])
        func index(_ text: String) throws -> Int? {
            let bytes = Array(text.utf8)
            var scanner = JSONScanner()
            return names.index(of: try scanner.string(bytes.span), in: bytes.span)
        }
        #expect(try index(#""job""#) == 0)
        #expect(try index(#""di\u0067est""#) == 2)
        #expect(try index(#""jobs""#) == nil)
        #expect(try index(#""Job""#) == nil)
        #expect(try index(#""""#) == nil)
    }
}
