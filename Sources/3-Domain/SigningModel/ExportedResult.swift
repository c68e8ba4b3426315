public import FoundationEssentials
import JSON

/// A record of a results topic as a line of an export: the record with its place, nothing left out. Format: docs/schemas/export.md.
public struct ExportedResult: Sendable, Hashable {
    /// The stream's name, without `.results`.
    public let stream: String
    /// The record's place in the results topic; the job's own is in the result's `source`.
    public let partition: Partition
    public let offset: Offset
    /// When the record was written, as the log says.
    public let time: Date
    public let key: [UInt8]?
    /// As it stands in the topic.
    public let value: [UInt8]?
    /// What the value says; nil when it is no result.
    public let result: JobResult?

    public init(stream: String, partition: Partition, offset: Offset, time: Date, key: [UInt8]?, value: [UInt8]?) {
        self.stream = stream
        self.partition = partition
        self.offset = offset
        self.time = time
        self.key = key
        self.value = value
        result = value.flatMap { try? JobResult.read($0) }
    }

    /// The line, without a line feed. A result stands in it byte by byte as it was published.
    public var line: [UInt8] {
        var writer = JSONWriter(capacity: (value?.count ?? 0) + 256)
        writer.beginObject()
        writer.key("stream")
        writer.string(stream)
        writer.key("partition")
        writer.integer(Int64(partition.rawValue))
        writer.key("offset")
        writer.integer(offset.rawValue)
        writer.key("time")
        writer.string(UTCTimestamp.text(time))
        writer.key("key")
        if let key { writer.base64(key.span) } else { writer.null() }
        // Line feeds may stand between JSON's tokens; such a result is no line.
        if let value, result != nil, !value.contains(0x0A) {
            writer.key("result")
            writer.raw(value)
        } else {
            writer.key("unreadable")
            if let value { writer.base64(value.span) } else { writer.null() }
        }
        writer.endObject()
        return writer.bytes
    }

    /// Reads a line; keys may stand in any order, but `result` is the last.
    public static func read(_ line: Span<UInt8>) throws(JobResultError) -> ExportedResult {
        var reader = LineReader()
        do throws(JSONError) { try reader.read(line, untilPlace: false) } catch {
            throw JobResultError("\(error.code.rawValue) at byte \(error.offset)")
        }
        guard let (stream, partition, offset) = reader.place, let time = reader.time, reader.hasKey, reader.hasValue else {
            throw JobResultError("a line of an export has stream, partition, offset, time, key, and result or unreadable")
        }
        return ExportedResult(stream: stream, partition: partition, offset: offset, time: time, key: reader.key, value: reader.value)
    }

    /// Stream and place of a line, of which only the beginning is read; nil for what is no such line, or torn or damaged.
    public static func place(of line: Span<UInt8>) -> (stream: String, partition: Partition, offset: Offset)? {
        guard line.count > 1, line[line.count - 1] == UInt8(ascii: "}") else { return nil }
        for index in line.indices where line[index] == 0 { return nil }
        var reader = LineReader()
        do throws(JSONError) { try reader.read(line, untilPlace: true) } catch { return nil }
        return reader.place
    }

    /// How every line of a stream's export begins.
    public static func beginning(ofStream stream: String) -> [UInt8] { Array("{\"stream\":\"\(stream)\",\"partition\":".utf8) }
}

private struct LineReader {
    private var stream: String?
    private var partition: Partition?
    private var offset: Offset?
    var time: Date?
    var key: [UInt8]?
    var hasKey = false
    var value: [UInt8]?
    var hasValue = false

    var place: (stream: String, partition: Partition, offset: Offset)? {
        guard let stream, let partition, let offset else { return nil }
        return (stream, partition, offset)
    }

    mutating func read(_ line: Span<UInt8>, untilPlace: Bool) throws(JSONError) {
        var scanner = JSONScanner()
        try scanner.beginDocument(line)
        try scanner.beginObject(line)
        var seen: Set<String> = []
        while let name = try scanner.nextKey(line) {
            let text = name.text(in: line)
            guard seen.insert(text).inserted else { throw JSONError(.doubledKey, at: name.start - 1) }
            switch text {
            case "stream": stream = try scanner.string(line).text(in: line)
            case "partition": partition = Partition(Int32(clamping: try scanner.integer(line)))
            case "offset": offset = Offset(try scanner.integer(line))
            case "time": time = UTCTimestamp.read(try scanner.string(line).utf8(in: line))
            case "key":
                key = try base64(&scanner, line)
                hasKey = true
            case "result":
                // Read as a document of its own, with the depth that it may have there
                let (start, end) = (scanner.position, line.count - 1)
                guard !hasValue, start < end, line[end] == UInt8(ascii: "}") else { throw JSONError(.unexpectedEnd, at: start) }
                value = [UInt8](capacity: end - start) { output in
                    for index in start..<end { output.append(line[index]) }
                }
                hasValue = true
                return
            case "unreadable":
                value = try base64(&scanner, line)
                hasValue = true
            default: throw JSONError(.unexpectedByte, at: name.start)
            }
            if untilPlace, place != nil { return }
        }
        try scanner.endDocument(line)
    }

    private func base64(_ scanner: inout JSONScanner, _ line: Span<UInt8>) throws(JSONError) -> [UInt8]? {
        if try scanner.kind(line) == .null {
            try scanner.null(line)
            return nil
        }
        let text = try scanner.string(line)
        guard let bytes = Base64.decode(text.utf8(in: line).span) else { throw JSONError(.unexpectedByte, at: text.start) }
        return bytes
    }
}
