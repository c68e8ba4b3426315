import DER
import FuzzKit

/// The strict reader takes one encoding of a value and no other: what it accepts as a whole, the plain writer writes again octet for
/// octet. Nothing it is given makes it trap.
@main struct Main {
    static func main() throws {
        try Fuzzer.run(seeds: seeds()) { input in
            guard (try? DERReader.read(input) { try $0.check() }) != nil else { return }
            let again = try? DERReader.read(input) { der in try DERWriter.encode(rewriting: &der) }
            demand(again == input, "another encoding of the same value was accepted")
        }
    }

    static func seeds() -> [[UInt8]] {
        let all = DERWriter.encode { der in
            der.sequence { der in
                der.integer(-129)
                der.integer(magnitude: [0xFF, 0, 1])
                der.boolean(true)
                der.null()
                der.objectIdentifier(.init(1, 2, 840, 113549, 1, 7, 2))
                der.octetString([UInt8](repeating: 1, count: 130))
                der.utf8String("таңба")
                der.primitive(.bitString, [3, 0xF8])
                der.primitive(.utcTime, Array("261121162903Z".utf8))
                der.primitive(.generalizedTime, Array("20501121162903.25Z".utf8))
                der.setOf([[2, 1, 7], [2, 1, 5]])
                der.constructed(.context(1)) { $0.octetString([], tag: .context(0, constructed: false)) }
            }
        }
        return [all, [5, 0], [0x30, 0x80, 0, 0], [0x30, 0x82, 1, 0] + [UInt8](repeating: 0x30, count: 256)]
    }
}

extension DERWriter {
    /// Reads each value by its own method and writes it by its own; what has none is copied as content.
    fileprivate static func encode(rewriting der: inout DERReader) throws -> [UInt8] {
        guard let tag = der.nextTag else { return [] }
        if tag.isConstructed {
            let parts = try der.sequenceOf(tag) { try encode(rewriting: &$0) }
            return encode { writer in
                writer.constructed(tag) { inside in
                    for part in parts { inside.element(part) }
                }
            }
        }
        switch tag {
        case .boolean:
            let value = try der.boolean()
            return encode { $0.boolean(value) }
        case .null:
            try der.null()
            return encode { $0.null() }
        case .objectIdentifier:
            let value = try der.objectIdentifier()
            // Arcs beyond 64 bits can be read and shown, but not be given
            return ObjectIdentifier(dotted: value.dotted)?.encoded ?? value.encoded
        case .integer:
            var ahead = der
            if let value = try? ahead.integer() {
                _ = try der.element()
                return encode { $0.integer(value) }
            }
            let content = try der.integerBytes()
            return content[0] < 0x80 ? encode { $0.integer(magnitude: content) } : encode { $0.primitive(.integer, content) }
        case .utcTime:
            let value = try der.utcTime()
            return encode { $0.time(value) }
        default:
            let content = try der.octetString(tag)
            return encode { $0.primitive(tag, content) }
        }
    }
}
