/// The keys that an object may have, for finding which of them a string is without making a `String` of it.
public struct JSONNames: Sendable {
    private struct Entry: Sendable {
        let count: Int
        /// The first eight bytes.
        let head: UInt64
        /// Those after them.
        let tail: [UInt8]
    }

    private let entries: [Entry]
    private let names: [String]

    public init(_ names: [String]) {
        self.names = names
        entries = names.map { name in
            let bytes = Array(name.utf8)
            return Entry(count: bytes.count, head: Self.head(bytes.span, 0, bytes.count), tail: Array(bytes.dropFirst(8)))
        }
    }

    public subscript(index: Int) -> String { names[index] }

    /// The index of the name that `string` reads as, however escaped.
    public func index(of string: JSONString, in bytes: Span<UInt8>) -> Int? {
        if string.hasEscapes {
            let text = string.text(in: bytes)
            // Compared by bytes: == on strings would take an é for an e with an accent
            return names.firstIndex { $0.utf8.elementsEqual(text.utf8) }
        }
        let count = string.end - string.start
        let head = Self.head(bytes, string.start, count)
        search: for index in entries.indices where entries[index].head == head && entries[index].count == count {
            var at = string.start + 8
            for byte in entries[index].tail {
                if bytes[at] != byte { continue search }
                at += 1
            }
            return index
        }
        return nil
    }

    /// Up to eight bytes as a number.
    private static func head(_ bytes: Span<UInt8>, _ start: Int, _ count: Int) -> UInt64 {
        if bytes.count - start >= 8 {
            let word = UInt64(bytes, at: start)
            return count >= 8 ? word : word & (1 << UInt64(8 * count) - 1)
        }
        var word: UInt64 = 0
        for index in 0..<min(count, 8) { word |= UInt64(bytes[start + index]) << UInt64(8 * index) }
        return word
    }
}
