/// A strict reader of DER over borrowed octets, from front to back, without copying.
///
/// It takes what X.690 calls DER and nothing else: definite lengths in the fewest octets, tag numbers below 31, nesting up to
/// `depthMax`. Whoever reads a constructed element does so in a closure; octets that the closure leaves unread are an error, so
/// nothing can trail unseen. What these methods throw is `DERError` or comes from the closure. Every method moves past the element it read; after an error the reader must not be used again.
public struct DERReader: ~Escapable {
    /// Constructed elements that may stand inside each other. A signature with a timestamp token and its certificates has about 20.
    public static let depthMax = 32

    @usableFromInline let bytes: Span<UInt8>
    @usableFromInline var position = 0
    /// Where `bytes` begins in what the outermost reader reads; errors speak of octets from there.
    @usableFromInline let base: Int
    @usableFromInline let depth: Int

    @_lifetime(copy bytes)
    public init(_ bytes: Span<UInt8>) {
        self.init(bytes, base: 0, depth: 0)
    }

    @usableFromInline
    @_lifetime(copy bytes)
    init(_ bytes: Span<UInt8>, base: Int, depth: Int) {
        self.bytes = bytes
        self.base = base
        self.depth = depth
    }

    /// Reads `bytes` as a whole: throws `trailing` when `body` leaves octets behind.
    @inlinable
    public static func read<T>(_ bytes: Span<UInt8>, _ body: (inout DERReader) throws -> T) throws -> T {
        var reader = DERReader(bytes)
        let value = try body(&reader)
        try reader.finish()
        return value
    }

    /// Reads `bytes` as a whole: throws `trailing` when `body` leaves octets behind.
    @inlinable
    public static func read<T>(_ bytes: [UInt8], _ body: (inout DERReader) throws -> T) throws -> T {
        try read(bytes.span, body)
    }

    @inlinable
    public var isAtEnd: Bool { position == bytes.count }

    /// Octets from the beginning of what the outermost reader reads to the next element.
    @inlinable
    public var offset: Int { base + position }

    /// The tag of the next element, nil at the end. Nothing else of the element has been looked at.
    @inlinable
    public var nextTag: DERTag? { isAtEnd ? nil : DERTag(rawValue: bytes[position]) }

    /// An error at the next element, for a caller that finds the value wrong.
    public func fault(_ code: DERError.Code) -> DERError { DERError(code, at: offset) }

    /// Throws `trailing` unless everything has been read.
    public func finish() throws(DERError) {
        guard isAtEnd else { throw fault(.trailing) }
    }

    // MARK: Elements

    /// The content octets of the next element, which must have this tag.
    @_lifetime(copy self)
    public mutating func content(_ tag: DERTag) throws(DERError) -> Span<UInt8> {
        let start = offset
        let header = try header()
        guard header.tag == tag else { throw DERError(.tagUnexpected, at: start) }
        let content = bytes.extracting(header.content)
        position = header.content.upperBound
        return content
    }

    /// The next element whole (tag, length and content), which must have this tag if one is given. Its inside is not looked at.
    @_lifetime(copy self)
    public mutating func element(_ tag: DERTag? = nil) throws(DERError) -> Span<UInt8> {
        let start = position
        let header = try header()
        if let tag, header.tag != tag { throw DERError(.tagUnexpected, at: base + start) }
        position = header.content.upperBound
        return bytes.extracting(start..<position)
    }

    /// Reads the inside of the next element, which must be constructed and have this tag; `body` must read all of it.
    @inlinable
    public mutating func constructed<T>(_ tag: DERTag, _ body: (inout DERReader) throws -> T) throws -> T {
        let start = offset
        let header = try header()
        guard header.tag == tag, tag.isConstructed else { throw DERError(.tagUnexpected, at: start) }
        return try inside(header, body)
    }

    /// SEQUENCE
    @inlinable
    public mutating func sequence<T>(_ body: (inout DERReader) throws -> T) throws -> T {
        try constructed(.sequence, body)
    }

    /// An OPTIONAL element: nil, with nothing read, unless the next one has this tag. `body` reads the inside.
    @inlinable
    public mutating func optional<T>(_ tag: DERTag, _ body: (inout DERReader) throws -> T) throws -> T? {
        guard nextTag == tag else { return nil }
        return try constructed(tag, body)
    }

    /// SEQUENCE OF; `body` reads one element. An empty one is an empty array.
    @inlinable
    public mutating func sequenceOf<T>(
        _ tag: DERTag = .sequence, _ body: (inout DERReader) throws -> T
    ) throws -> [T] {
        try constructed(tag) { inside in
            var values: [T] = []
            while !inside.isAtEnd { values.append(try body(&inside)) }
            return values
        }
    }

    /// SET OF; `body` reads one element. Throws `set-not-in-order` at the first element that stands after a greater one.
    ///
    /// - Parameter ordered: false takes any order, for what others encoded and nobody hashes again.
    @inlinable
    public mutating func setOf<T>(
        _ tag: DERTag = .set, ordered: Bool = true, _ body: (inout DERReader) throws -> T
    ) throws -> [T] {
        try constructed(tag) { inside in
            var values: [T] = []
            try inside.each(ordered: ordered) { values.append(try body(&$0)) }
            return values
        }
    }

    /// The same without values to keep.
    @inlinable
    public mutating func eachOfSet(_ tag: DERTag = .set, ordered: Bool = true, _ body: (inout DERReader) throws -> Void) throws {
        try constructed(tag) { try $0.each(ordered: ordered, body) }
    }

    /// All elements that are left.
    @inlinable
    mutating func each(ordered: Bool, _ body: (inout DERReader) throws -> Void) throws {
        var previous = position..<position
        while !isAtEnd {
            let start = position
            try body(&self)
            let current = start..<position
            if ordered, !previous.isEmpty, follows(previous, current) { throw DERError(.setNotInOrder, at: base + start) }
            previous = current
        }
    }

    /// Reads the inside of any constructed element.
    mutating func anyConstructed(_ body: (inout DERReader) throws -> Void) throws {
        try inside(try header(), body)
    }

    // MARK: Octets

    @usableFromInline
    struct Header {
        @usableFromInline let tag: DERTag
        @usableFromInline let content: Range<Int>

        init(tag: DERTag, content: Range<Int>) { (self.tag, self.content) = (tag, content) }
    }

    /// Reads tag and length of the next element; `position` stays.
    @usableFromInline
    func header() throws(DERError) -> Header {
        guard bytes.count - position >= 2 else { throw fault(.truncated) }
        let tag = bytes[position]
        guard tag & 0x1F != 0x1F else { throw fault(.tagNumberHigh) }
        var at = position + 2
        var length = Int(bytes[position + 1])
        if length >= 0x80 {
            let octets = length & 0x7F
            guard octets > 0 else { throw fault(.lengthIndefinite) }
            guard octets <= 4 else { throw fault(.lengthTooLarge) }
            guard bytes.count - at >= octets else { throw fault(.truncated) }
            guard bytes[at] != 0 else { throw fault(.lengthNotMinimal) }
            length = 0
            for _ in 0..<octets {
                length = length << 8 | Int(bytes[at])
                at += 1
            }
            guard length >= 0x80 else { throw fault(.lengthNotMinimal) }
        }
        guard bytes.count - at >= length else { throw fault(.truncated) }
        return Header(tag: DERTag(rawValue: tag), content: at..<(at + length))
    }

    @inlinable
    mutating func inside<T>(
        _ header: Header, _ body: (inout DERReader) throws -> T
    ) throws -> T {
        guard depth < Self.depthMax else { throw fault(.depthExceeded) }
        var inside = DERReader(bytes.extracting(header.content), base: base + header.content.lowerBound, depth: depth + 1)
        let value = try body(&inside)
        try inside.finish()
        position = header.content.upperBound
        return value
    }

    /// Whether `first` stands after `second` in the order of X.690, 11.6. One encoding never begins with another whole one, so the
    /// padding of that clause never decides.
    @usableFromInline
    func follows(_ first: Range<Int>, _ second: Range<Int>) -> Bool {
        for (one, other) in zip(first, second) where bytes[one] != bytes[other] {
            return bytes[one] > bytes[other]
        }
        return false
    }
}
