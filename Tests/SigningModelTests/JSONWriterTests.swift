import Foundation
import JSON
import Testing

/// What the writer and Base64 give, read back by Foundation and by the scanner.
@Suite struct JSONWriterTests {
    @Test func writesWhatItSays() {
        var json = JSONWriter(capacity: 0)
        json.beginObject()
        json.key("a")
        json.integer(-12)
        json.key("b")
        json.beginArray()
        json.string("x\"\\\u{8}\u{c}\n\r\t\u{0}\u{1f}\u{7f}é😀/")
        json.boolean(true)
        json.null()
        json.beginObject()
        json.endObject()
        json.beginArray()
        json.endArray()
        json.number(1.5)
        json.endArray()
        json.key("c")
        json.raw(Array(#"{"k": 1}"#.utf8))
        json.key("d")
        json.base64([0, 255, 16].span)
        json.endObject()
        #expect(
            String(decoding: json.finish(), as: UTF8.self)
                == "{\"a\":-12,\"b\":[\"x\\\"\\\\\\b\\f\\n\\r\\t\\u0000\\u001f\u{7f}é😀/\",true,null,{},[],1.5],\"c\":{\"k\": 1},\"d\":\"AP8Q\"}"
        )
    }

    @Test func integersComeBack() throws {
        var random = Seeded("integersComeBack")
        let edges: [Int64] = [0, 9, 10, 99, 100, -1, -10, .max, .min, 999_999_999_999_999_999, 1_000_000_000_000_000_000]
        for value in edges + (0..<1000).map({ _ in Int64.random(in: .min ... .max, using: &random) >> Int64(random.below(63)) }) {
            var json = JSONWriter()
            json.integer(value)
            #expect(String(decoding: json.finish(), as: UTF8.self) == String(value))
        }
    }

    @Test func everyStringComesBack() throws {
        var random = Seeded("everyStringComesBack")
        for _ in 0..<2000 {
            var text = ""
            for _ in 0..<random.below(40) {
                let bound = [0x20, 0x80, 0x800, 0x1_0000, 0x11_0000].randomElement(using: &random)!
                if let scalar = Unicode.Scalar(UInt32(random.below(bound))) { text.unicodeScalars.append(scalar) }
            }
            var json = JSONWriter()
            json.string(text)
            // Compared by scalars: == on strings would take é for e and an accent
            guard case .string(let read) = try JSONTree.read(json.finish()) else { throw JSONError(.otherKind, at: 0) }
            #expect(Array(read.unicodeScalars) == Array(text.unicodeScalars))
        }
    }

    @Test func base64IsFoundations() {
        var random = Seeded("base64IsFoundations")
        for count in 0..<400 {
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            let text = Base64.encode(bytes)
            #expect(String(decoding: text, as: UTF8.self) == Data(bytes).base64EncodedString())
            #expect(text.count == Base64.encodedCount(count))
            #expect(Base64.decode(text.span) == bytes)
        }
        // Every sextet in every place
        var all: [UInt8] = []
        for value in 0..<64 {
            for place in 0..<4 {
                let group = value << (18 - 6 * place)
                all += [UInt8(group >> 16), UInt8(group >> 8 & 255), UInt8(group & 255)]
            }
        }
        #expect(String(decoding: Base64.encode(all), as: UTF8.self) == Data(all).base64EncodedString())
    }

    @Test(arguments: [
        "A", "AA", "AAA", "A===", "AA=", "AAA=A", "AA==AAAA", "AB==", "AAB=", "AA A", "AAA\n", "AAAA\n", "-_AA", "====", "=AAA", "AA=A",
        "AAA\0", "ÄAA",
    ])
    func base64HasOneTextForItsBytes(_ text: String) { #expect(Base64.decode(Array(text.utf8).span) == nil) }
}
