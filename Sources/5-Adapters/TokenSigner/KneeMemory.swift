import JSON
import OperatingSystem

/// The widths that were found for tokens, kept in a file from one start to the next:
/// `{"version":1,"tokens":[{"module":"/usr/lib/…","label":"hsm-1","width":8}]}`.
///
/// A file that is missing, or unreadable in any way, is an empty memory: what is lost is a few seconds of searching.
public final class KneeMemory: Sendable {
    public let path: String
    private let widths: Locked<[Place: Int]>

    private struct Place: Hashable {
        let module: String
        let label: String
    }

    /// Reads the file; blocks while it does.
    public init(path: String) {
        self.path = path
        let bytes = (try? Files.read(path, atMost: 1 << 20)) ?? []
        widths = Locked((try? Self.widths(in: bytes.span)) ?? [:])
    }

    func width(module: String, label: String) -> Int? { widths.withLock { $0[Place(module: module, label: label)] } }

    /// Blocks while the file is written, atomically; throws `SystemError` when it cannot be, and then this object remembers all the same.
    func remember(_ width: Int, module: String, label: String) throws {
        let bytes: [UInt8]? = widths.withLock { widths in
            let place = Place(module: module, label: label)
            guard widths[place] != width else { return nil }
            widths[place] = width
            return Self.json(widths)
        }
        if let bytes { try Files.writeAtomically(bytes, to: path, mode: 0o600) }
    }

    private static func json(_ widths: [Place: Int]) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("version")
        writer.integer(1)
        writer.key("tokens")
        writer.beginArray()
        for (place, width) in widths.sorted(by: { ($0.key.module, $0.key.label) < ($1.key.module, $1.key.label) }) {
            writer.beginObject()
            writer.key("module")
            writer.string(place.module)
            writer.key("label")
            writer.string(place.label)
            writer.key("width")
            writer.integer(Int64(width))
            writer.endObject()
        }
        writer.endArray()
        writer.endObject()
        return writer.finish()
    }

    private static func widths(in bytes: Span<UInt8>) throws(JSONError) -> [Place: Int] {
        var scanner = JSONScanner()
        var widths: [Place: Int] = [:]
        try scanner.beginDocument(bytes)
        try scanner.beginObject(bytes)
        while let key = try scanner.nextKey(bytes) {
            guard key.text(in: bytes) == "tokens" else {
                _ = try scanner.skipValue(bytes)
                continue
            }
            try scanner.beginArray(bytes)
            while try scanner.nextElement(bytes) {
                if let (place, width) = try entry(&scanner, bytes) { widths[place] = width }
            }
        }
        try scanner.endDocument(bytes)
        return widths
    }

    /// nil where something is missing or no width.
    private static func entry(_ scanner: inout JSONScanner, _ bytes: Span<UInt8>) throws(JSONError) -> (Place, Int)? {
        var (module, label): (String?, String?) = (nil, nil)
        var width: Int?
        try scanner.beginObject(bytes)
        while let key = try scanner.nextKey(bytes) {
            switch key.text(in: bytes) {
            case "module": module = try scanner.string(bytes).text(in: bytes)
            case "label": label = try scanner.string(bytes).text(in: bytes)
            case "width": width = Int(clamping: try scanner.integer(bytes))
            default: _ = try scanner.skipValue(bytes)
            }
        }
        guard let module, let label, let width, width > 0 else { return nil }
        return (Place(module: module, label: label), width)
    }
}
