/// Eight bytes at once, the first lowest. The optimiser makes one load or store of each, since one check covers all of its bytes.
extension UInt64 {
    @inline(__always) init(_ bytes: Span<UInt8>, at start: Int) {
        let part = bytes.extracting(start..<(start &+ 8))
        var word: UInt64 = 0
        for index in 0..<8 { word |= UInt64(part[index]) << UInt64(8 * index) }
        self = word
    }

    @inline(__always) func store(to output: inout MutableSpan<UInt8>, at start: Int) {
        precondition(start >= 0 && start <= output.count &- 8)
        for index in 0..<8 { output[start &+ index] = UInt8(truncatingIfNeeded: self >> UInt64(8 * index)) }
    }

    /// How many of the bytes, from the first on, are ASCII characters that stand for themselves in a JSON string: no control, no quote,
    /// no backslash.
    @inline(__always) var plainASCIICount: Int {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let quote = self ^ (ones &* UInt64(UInt8(ascii: "\"")))
        let backslash = self ^ (ones &* UInt64(UInt8(ascii: "\\")))
        // What is looked for becomes 0 by ^ and then borrows, so that its high bit is set; 0x7F and above carry into it, or have it.
        // A borrow may also mark the byte above one that is marked rightly, which does not matter: the lowest mark counts
        let marked = (self &- ones &* 0x20) | (quote &- ones) | (backslash &- ones) | (self &+ ones) | self
        return (marked & (ones &* 0x80)).trailingZeroBitCount >> 3
    }
}
