/// Swift source without what is not code: comments and the contents of string literals are left out, lines stay where they are.
struct SwiftCode {
    let lines: [String]

    var isEmpty: Bool { lines.allSatisfy { $0.allSatisfy(\.isWhitespace) } }

    init(_ text: String) {
        var kept: [UInt8] = []
        let bytes = Array(text.utf8)
        var at = 0

        func starts(with word: StaticString) -> Bool {
            bytes[at...].starts(with: UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount))
        }
        func skip(_ count: Int) {
            for byte in bytes[at..<min(at + count, bytes.count)] where byte == UInt8(ascii: "\n") { kept.append(byte) }
            at += count
        }
        func skipBlockComment() {
            var depth = 0
            repeat {
                if starts(with: "/*") {
                    depth += 1
                    skip(2)
                } else if starts(with: "*/") {
                    depth -= 1
                    skip(2)
                } else {
                    skip(1)
                }
            } while depth > 0 && at < bytes.count
        }
        func skipString(hashes: Int) {
            let hashMarks = [UInt8](repeating: UInt8(ascii: "#"), count: hashes)
            let quotes = starts(with: "\"\"\"") ? 3 : 1
            let end = [UInt8](repeating: UInt8(ascii: "\""), count: quotes) + hashMarks
            let escape = [UInt8(ascii: "\\")] + hashMarks
            kept += Array("\"\"".utf8)
            skip(quotes)
            while at < bytes.count {
                if bytes[at...].starts(with: end) { return skip(end.count) }
                // a line end closes what was no literal of one line after all
                if quotes == 1, hashes == 0, bytes[at] == UInt8(ascii: "\n") { return }
                skip(bytes[at...].starts(with: escape) ? escape.count + 1 : 1)
            }
        }

        while at < bytes.count {
            // most bytes are none of these
            guard bytes[at] == UInt8(ascii: "/") || bytes[at] == UInt8(ascii: "\"") || bytes[at] == UInt8(ascii: "#") else {
                kept.append(bytes[at])
                at += 1
                continue
            }
            if starts(with: "//") {
                while at < bytes.count, bytes[at] != UInt8(ascii: "\n") { at += 1 }
            } else if starts(with: "/*") {
                skipBlockComment()
            } else if bytes[at] == UInt8(ascii: "\"") {
                skipString(hashes: 0)
            } else if bytes[at] == UInt8(ascii: "#"), let hashes = Self.rawStringHashes(bytes[at...]) {
                skip(hashes)
                skipString(hashes: hashes)
            } else {
                kept.append(bytes[at])
                at += 1
            }
        }
        lines = String(decoding: kept, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    /// How many `#` stand before a quote here; nil when there is none.
    private static func rawStringHashes(_ bytes: ArraySlice<UInt8>) -> Int? {
        let hashes = bytes.prefix { $0 == UInt8(ascii: "#") }.count
        return bytes.dropFirst(hashes).first == UInt8(ascii: "\"") ? hashes : nil
    }
}
