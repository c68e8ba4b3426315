/// A string of a JSON text, as a range of its bytes. What it reads as is made only when asked for.
public struct JSONString: Sendable, Hashable {
    /// The first byte after the opening quote, and the closing quote.
    public let start: Int
    public let end: Int
    /// Whether a backslash stands in it; without one, the bytes are the UTF-8 of the string itself.
    public let hasEscapes: Bool
    /// Whether a character of Unicode's category Cc (U+0000...U+001F, U+007F...U+009F) is in it, escaped or, from U+007F on, plain.
    public let hasControlCharacters: Bool

    /// The length of the string's UTF-8, escapes resolved.
    public func byteCount(in bytes: Span<UInt8>) -> Int {
        guard hasEscapes else { return end - start }
        var count = 0
        var rest = UnescapedBytes(self)
        while rest.next(in: bytes) != nil { count += 1 }
        return count
    }

    /// The string's UTF-8, escapes resolved.
    public func utf8(in bytes: Span<UInt8>) -> [UInt8] {
        [UInt8](capacity: end - start) { output in
            if hasEscapes {
                var rest = UnescapedBytes(self)
                while let byte = rest.next(in: bytes) { output.append(byte) }
            } else {
                for index in start..<end { output.append(bytes[index]) }
            }
        }
    }

    public func text(in bytes: Span<UInt8>) -> String {
        // The scanner has validated the bytes; a plain string is copied without a detour
        if !hasEscapes, let valid = try? UTF8Span(validating: bytes.extracting(start..<end)) { return String(copying: valid) }
        return String(decoding: utf8(in: bytes), as: UTF8.self)
    }

    /// Whether both read as the same string, however escaped.
    public func isEqual(to other: JSONString, in bytes: Span<UInt8>) -> Bool {
        if !hasEscapes, !other.hasEscapes {
            guard end - start == other.end - other.start else { return false }
            for index in 0..<(end - start) where bytes[start + index] != bytes[other.start + index] { return false }
            return true
        }
        return JSONString.order(self, other, in: bytes) == 0
    }
}

extension JSONString {
    static let empty = JSONString(start: 0, end: 0, hasEscapes: false, hasControlCharacters: false)

    /// Reads a string whose opening quote is at `position`, and leaves `position` after the closing one.
    static func scan(_ bytes: Span<UInt8>, from position: inout Int) throws(JSONError) -> JSONString {
        let start = position + 1
        var at = start
        var hasEscapes = false
        var hasControlCharacters = false
        while true {
            while bytes.count - at >= 8 {
                let plain = UInt64(bytes, at: at).plainASCIICount
                at += plain
                if plain < 8 { break }
            }
            guard at < bytes.count else { break }
            let byte = bytes[at]
            if byte == UInt8(ascii: "\"") {
                position = at + 1
                return JSONString(start: start, end: at, hasEscapes: hasEscapes, hasControlCharacters: hasControlCharacters)
            }
            if byte == UInt8(ascii: "\\") {
                hasEscapes = true
                if isControl(try escape(bytes, at: &at)) { hasControlCharacters = true }
            } else if byte < 0x20 {
                throw JSONError(.controlCharacter, at: at)
            } else if byte < 0x7F {
                at += 1
            } else {
                if isControl(try character(bytes, at: &at)) { hasControlCharacters = true }
            }
        }
        throw JSONError(.unexpectedEnd, at: at)
    }

    /// Less than, equal to or greater than zero as `a` is before, the same as or after `b` by the bytes they read as.
    static func order(_ a: JSONString, _ b: JSONString, in bytes: Span<UInt8>) -> Int {
        var left = UnescapedBytes(a)
        var right = UnescapedBytes(b)
        while true {
            switch (left.next(in: bytes), right.next(in: bytes)) {
            case (nil, nil): return 0
            case (nil, _): return -1
            case (_, nil): return 1
            case (let l?, let r?): if l != r { return l < r ? -1 : 1 }
            }
        }
    }

    /// One of several equal keys, found by sorting: an object of ten thousand keys must not cost their square.
    static func firstDouble(_ keys: [JSONString], in bytes: Span<UInt8>) -> JSONString? {
        var heap = keys
        // Heap sort: no recursion, no closure (which could not hold the span), n log n for every input
        func sift(_ heap: inout [JSONString], _ root: Int, _ count: Int) {
            var parent = root
            while 2 * parent + 1 < count {
                var child = 2 * parent + 1
                if child + 1 < count, order(heap[child], heap[child + 1], in: bytes) < 0 { child += 1 }
                guard order(heap[parent], heap[child], in: bytes) < 0 else { return }
                heap.swapAt(parent, child)
                parent = child
            }
        }
        for root in stride(from: heap.count / 2, through: 0, by: -1) { sift(&heap, root, heap.count) }
        for count in stride(from: heap.count - 1, to: 0, by: -1) {
            heap.swapAt(0, count)
            sift(&heap, 0, count)
            if count + 1 < heap.count, order(heap[count], heap[count + 1], in: bytes) == 0 {
                return heap[count].start > heap[count + 1].start ? heap[count] : heap[count + 1]
            }
        }
        if heap.count > 1, order(heap[0], heap[1], in: bytes) == 0 { return heap[0].start > heap[1].start ? heap[0] : heap[1] }
        return nil
    }

    private static func isControl(_ scalar: UInt32) -> Bool { scalar < 0x20 || (scalar >= 0x7F && scalar < 0xA0) }

    /// Reads the escape whose backslash is at `at`; two of them where the first is a high surrogate.
    fileprivate static func escape(_ bytes: Span<UInt8>, at: inout Int) throws(JSONError) -> UInt32 {
        let start = at
        guard at + 1 < bytes.count else { throw JSONError(.unexpectedEnd, at: bytes.count) }
        let letter = bytes[at + 1]
        at += 2
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return UInt32(letter)
        case UInt8(ascii: "b"): return 0x08
        case UInt8(ascii: "f"): return 0x0C
        case UInt8(ascii: "n"): return 0x0A
        case UInt8(ascii: "r"): return 0x0D
        case UInt8(ascii: "t"): return 0x09
        case UInt8(ascii: "u"): break
        default: throw JSONError(.badEscape, at: start)
        }
        let unit = try hexadecimals(bytes, at: &at)
        if unit < 0xD800 || unit > 0xDFFF { return unit }
        guard unit < 0xDC00 else { throw JSONError(.loneSurrogate, at: start) }
        guard at + 1 < bytes.count, bytes[at] == UInt8(ascii: "\\"), bytes[at + 1] == UInt8(ascii: "u") else {
            throw JSONError(.loneSurrogate, at: start)
        }
        at += 2
        let low = try hexadecimals(bytes, at: &at)
        guard low >= 0xDC00, low <= 0xDFFF else { throw JSONError(.loneSurrogate, at: start) }
        return 0x1_0000 + (unit - 0xD800) << 10 + (low - 0xDC00)
    }

    private static func hexadecimals(_ bytes: Span<UInt8>, at: inout Int) throws(JSONError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard at < bytes.count else { throw JSONError(.unexpectedEnd, at: at) }
            let byte = bytes[at]
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = value << 4 | UInt32(byte - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): value = value << 4 | UInt32(byte - UInt8(ascii: "a") + 10)
            case UInt8(ascii: "A")...UInt8(ascii: "F"): value = value << 4 | UInt32(byte - UInt8(ascii: "A") + 10)
            default: throw JSONError(.badEscape, at: at)
            }
            at += 1
        }
        return value
    }

    /// Reads one character of UTF-8 by the table of RFC 3629, 4: no overlong form, no surrogate, nothing above U+10FFFF.
    private static func character(_ bytes: Span<UInt8>, at: inout Int) throws(JSONError) -> UInt32 {
        let start = at
        let lead = bytes[at]
        at += 1
        if lead < 0x80 { return UInt32(lead) }
        let more: Int
        var second: ClosedRange<UInt8> = 0x80...0xBF
        switch lead {
        case 0xC2...0xDF: more = 1
        case 0xE0: (more, second) = (2, 0xA0...0xBF)
        case 0xE1...0xEC, 0xEE...0xEF: more = 2
        case 0xED: (more, second) = (2, 0x80...0x9F)
        case 0xF0: (more, second) = (3, 0x90...0xBF)
        case 0xF1...0xF3: more = 3
        case 0xF4: (more, second) = (3, 0x80...0x8F)
        default: throw JSONError(.notUTF8, at: start)
        }
        var scalar = UInt32(lead) & (0x3F >> UInt32(more))
        for index in 0..<more {
            guard at < bytes.count, index == 0 ? second.contains(bytes[at]) : bytes[at] & 0xC0 == 0x80 else {
                throw JSONError(.notUTF8, at: start)
            }
            scalar = scalar << 6 | UInt32(bytes[at] & 0x3F)
            at += 1
        }
        return scalar
    }
}

/// The bytes that a scanned string reads as, one after the other.
private struct UnescapedBytes {
    private var at: Int
    private let end: Int
    /// UTF-8 of an escaped character that is not given out yet, lowest byte next, and how many bytes of it there are.
    private var pending: UInt32 = 0
    private var pendingCount = 0

    init(_ string: JSONString) {
        at = string.start
        end = string.end
    }

    mutating func next(in bytes: Span<UInt8>) -> UInt8? {
        if pendingCount == 0 {
            guard at < end else { return nil }
            guard bytes[at] == UInt8(ascii: "\\") else {
                at += 1
                return bytes[at - 1]
            }
            // The string has been scanned, so this cannot throw
            guard let scalar = try? JSONString.escape(bytes, at: &at) else { preconditionFailure("an escape that the scanner accepted") }
            hold(scalar)
        }
        let byte = UInt8(truncatingIfNeeded: pending)
        pending >>= 8
        pendingCount -= 1
        return byte
    }

    /// RFC 3629, 3.
    private mutating func hold(_ scalar: UInt32) {
        func tail(_ shift: UInt32) -> UInt32 { 0x80 | (scalar >> shift & 0x3F) }
        switch scalar {
        case ..<0x80: (pending, pendingCount) = (scalar, 1)
        case ..<0x800: (pending, pendingCount) = (0xC0 | scalar >> 6 | tail(0) << 8, 2)
        case ..<0x1_0000: (pending, pendingCount) = (0xE0 | scalar >> 12 | tail(6) << 8 | tail(0) << 16, 3)
        default: (pending, pendingCount) = (0xF0 | scalar >> 18 | tail(12) << 8 | tail(6) << 16 | tail(0) << 24, 4)
        }
    }
}
