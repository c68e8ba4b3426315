public import FoundationEssentials

/// The plain writer of DER: elements in order, lengths found by themselves.
///
/// What it writes the strict reader takes, as long as `element` is given finished DER. The signing hot path has a template instead.
public struct DERWriter: Sendable {
    /// What has been written so far.
    public private(set) var bytes: [UInt8] = []

    public init() {}

    /// The octets that `body` writes.
    public static func encode(_ body: (inout DERWriter) -> Void) -> [UInt8] {
        var writer = DERWriter()
        body(&writer)
        return writer.bytes
    }

    // MARK: Constructed

    public mutating func constructed(_ tag: DERTag, _ body: (inout DERWriter) -> Void) {
        precondition(tag.isConstructed)
        bytes.append(tag.rawValue)
        let start = bytes.count
        body(&self)
        let length = bytes.count - start
        bytes.insert(contentsOf: DERLength.octets(length), at: start)
    }

    public mutating func sequence(_ body: (inout DERWriter) -> Void) {
        constructed(.sequence, body)
    }

    /// SET OF: the elements, each a finished encoding, in ascending order (X.690, 11.6).
    public mutating func setOf(_ elements: [[UInt8]], tag: DERTag = .set) {
        constructed(tag) { set in
            for element in elements.sorted(by: { $0.lexicographicallyPrecedes($1) }) { set.element(element) }
        }
    }

    /// A finished encoding, as it is.
    public mutating func element(_ encoded: [UInt8]) {
        bytes += encoded
    }

    // MARK: Primitive

    public mutating func primitive(_ tag: DERTag, _ content: [UInt8]) {
        bytes.append(tag.rawValue)
        bytes += DERLength.octets(content.count)
        bytes += content
    }

    public mutating func integer(_ value: Int) {
        var octets = withBigEndian(value)
        while octets.count > 1, octets[0] == 0 && octets[1] < 0x80 || octets[0] == 0xFF && octets[1] >= 0x80 { octets.removeFirst() }
        primitive(.integer, octets)
    }

    /// INTEGER from the octets of a number that is not negative, big endian, with or without leading zeros.
    public mutating func integer(magnitude: [UInt8]) {
        let digits = magnitude.drop { $0 == 0 }
        let needsZero = (digits.first ?? 0x80) >= 0x80
        primitive(.integer, (needsZero ? [0] : []) + digits)
    }

    public mutating func boolean(_ value: Bool) {
        primitive(.boolean, [value ? 0xFF : 0])
    }

    public mutating func null() {
        primitive(.null, [])
    }

    public mutating func objectIdentifier(_ identifier: ObjectIdentifier) {
        element(identifier.encoded)
    }

    public mutating func octetString(_ content: [UInt8], tag: DERTag = .octetString) {
        primitive(tag, content)
    }

    public mutating func utf8String(_ text: String) {
        primitive(.utf8String, Array(text.utf8))
    }

    /// UTCTime for the years 1950 to 2049, else GeneralizedTime; whole seconds, rounded down (RFC 5652, 11.3).
    public mutating func time(_ date: Date) {
        let time = DERTime(date)
        var content = [UInt8](repeating: 0, count: time.contentCount)
        var span = content.mutableSpan
        time.write(over: &span, at: 0)
        primitive(time.tag, content)
    }

    private func withBigEndian(_ value: Int) -> [UInt8] {
        stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: value >> $0) }
    }
}
