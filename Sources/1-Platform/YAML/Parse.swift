import CYAML

/// Reads one YAML document: mappings, sequences and scalars, block or flow style.
///
/// Taken strictly: a key that stands twice in a mapping, a key that is no scalar, anchors, aliases, tags and a second document are
/// errors. Depth is bounded. A text without any value is an empty mapping. To be called as `YAML.parse`.
/// - Parameter file: the name that errors bear.
public func parse(_ text: String, file: String) throws(YAMLError) -> YAMLNode {
    try parse(Array(text.utf8), file: file)
}

/// The same for bytes, which must be UTF-8.
public func parse(_ bytes: [UInt8], file: String) throws(YAMLError) -> YAMLNode {
    if String(validating: bytes, as: UTF8.self) == nil {
        throw YAMLError(file: file, mark: invalidUTF8(in: bytes), reason: "the text is not UTF-8", remedy: "Save the file as UTF-8.")
    }
    // YAML 1.2, 5.1: of the control characters, only tab and line ends stand in a text.
    if let control = bytes.firstIndex(where: { $0 < 0x20 && $0 != 0x09 && $0 != 0x0A && $0 != 0x0D || $0 == 0x7F }) {
        let mark = place(of: control, in: bytes)
        throw YAMLError(file: file, mark: mark, reason: "the text holds a control character", remedy: "Remove it, or write \"\\x…\".")
    }
    return try Events(bytes, file: file).document()
}

/// libfyaml's events, read one after the other. Marks come with them, also for empty mappings, which nodes do not tell.
private final class Events {
    private let file: String
    private let diagnostics: OpaquePointer
    private let parser: OpaquePointer
    /// The parser reads out of this copy as long as it lives.
    private let text: UnsafeMutableRawBufferPointer
    /// Of the last event that had one: a value that was left out stands at its key.
    private var lastMark = YAMLMark(line: 1, column: 1)

    init(_ bytes: [UInt8], file: String) {
        self.file = file
        text = .allocate(byteCount: bytes.count + 1, alignment: 1)
        text.copyBytes(from: bytes)
        text[bytes.count] = UInt8(ascii: "\n")  // the text where none was given
        var messages = fy_diag_cfg()
        fy_diag_cfg_default(&messages)
        var configuration = fy_parse_cfg()
        configuration.flags = FYPCF_QUIET
        guard let diagnostics = fy_diag_create(&messages) else { preconditionFailure("fy_diag_create: out of memory") }
        fy_diag_set_collect_errors(diagnostics, true)
        configuration.diag = diagnostics
        guard let parser = fy_parser_create(&configuration) else { preconditionFailure("fy_parser_create: out of memory") }
        self.diagnostics = diagnostics
        self.parser = parser
        let result = fy_parser_set_string(parser, text.baseAddress?.assumingMemoryBound(to: CChar.self), max(1, bytes.count))
        precondition(result == 0, "fy_parser_set_string failed")
    }

    deinit {
        fy_parser_destroy(parser)
        fy_diag_destroy(diagnostics)
        text.deallocate()
    }

    func document() throws(YAMLError) -> YAMLNode {
        var document: YAMLNode?
        while let event = try next() {
            switch event.kind {
            case .other: continue
            case .end: break
            default:
                if document != nil {
                    throw error(event.mark, "a second document begins here", "Keep one document a file: remove the line ---.")
                }
                document = try node(event, depth: 0)
            }
        }
        guard let document, document.value != .scalar("") else {
            return YAMLNode(value: .mapping([]), mark: document?.mark ?? YAMLMark(line: 1, column: 1))
        }
        return document
    }

    private func node(_ event: Event, depth: Int) throws(YAMLError) -> YAMLNode {
        guard depth <= depthMax else { throw error(event.mark, "values are nested more than \(depthMax) deep", "Write it flatter.") }
        switch event.kind {
        case .scalar(let text):
            return YAMLNode(value: .scalar(text), mark: event.mark)
        case .sequence:
            var items: [YAMLNode] = []
            while let next = try next(), next.kind != .end { items.append(try node(next, depth: depth + 1)) }
            return YAMLNode(value: .sequence(items), mark: event.mark)
        case .mapping:
            return YAMLNode(value: .mapping(try entries(depth: depth)), mark: event.mark)
        case .end, .other:
            throw error(event.mark, "a value is missing here", "Write it after its key.")
        }
    }

    private func entries(depth: Int) throws(YAMLError) -> [YAMLEntry] {
        var entries: [YAMLEntry] = []
        var marks: [String: YAMLMark] = [:]
        while let key = try next(), key.kind != .end {
            guard case .scalar(let name) = key.kind else {
                throw error(key.mark, "a key is a list or a mapping", "Write a plain word as the key.")
            }
            if let first = marks[name] {
                throw error(key.mark, "the key \"\(name)\" stands twice, first in line \(first.line)", "Remove one of the two.")
            }
            marks[name] = key.mark
            guard let value = try next() else { break }
            entries.append(YAMLEntry(key: name, keyMark: key.mark, node: try node(value, depth: depth + 1)))
        }
        return entries
    }

    // MARK: - Events

    private struct Event {
        enum Kind: Equatable {
            case scalar(String)
            case sequence, mapping, end, other
        }

        let kind: Kind
        let mark: YAMLMark
    }

    /// Nil at the end of the text.
    private func next() throws(YAMLError) -> Event? {
        guard let event = fy_parser_parse(parser) else {
            if fy_parser_get_stream_error(parser) { throw collectedError() }
            return nil
        }
        defer { fy_parser_event_free(parser, event) }
        let mark = fy_event_start_mark(event).map { YAMLMark(line: Int($0.pointee.line) + 1, column: Int($0.pointee.column) + 1) }
        defer { lastMark = mark ?? lastMark }
        return try self.event(event.pointee, mark ?? lastMark)
    }

    private func event(_ event: fy_event, _ mark: YAMLMark) throws(YAMLError) -> Event {
        switch event.type {
        case FYET_SCALAR:
            let scalar = event.scalar
            try refuse(anchor: scalar.anchor, tag: scalar.tag, mark)
            let style = scalar.value.map { fy_token_scalar_style($0) }
            // libfyaml's mark stands behind the quotation mark.
            let isQuoted = style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED
            let start = YAMLMark(line: mark.line, column: isQuoted ? mark.column - 1 : mark.column)
            return Event(kind: .scalar(text(of: scalar.value)), mark: start)
        case FYET_SEQUENCE_START:
            try refuse(anchor: event.sequence_start.anchor, tag: event.sequence_start.tag, mark)
            return Event(kind: .sequence, mark: mark)
        case FYET_MAPPING_START:
            try refuse(anchor: event.mapping_start.anchor, tag: event.mapping_start.tag, mark)
            return Event(kind: .mapping, mark: mark)
        case FYET_ALIAS:
            throw error(mark, "an alias (*name) stands here", "Write the value out; aliases are not taken.")
        case FYET_SEQUENCE_END, FYET_MAPPING_END:
            return Event(kind: .end, mark: mark)
        default:
            return Event(kind: .other, mark: mark)
        }
    }

    private func refuse(anchor: OpaquePointer?, tag: OpaquePointer?, _ mark: YAMLMark) throws(YAMLError) {
        if anchor != nil { throw error(mark, "an anchor (&name) stands here", "Remove it; aliases and anchors are not taken.") }
        if tag != nil { throw error(mark, "a tag (!name) stands here", "Remove it, and put quotation marks around text that needs them.") }
    }

    private func text(of token: OpaquePointer?) -> String {
        var count = 0
        guard let token, let start = fy_token_get_text(token, &count) else { return "" }
        return String(decoding: UnsafeRawBufferPointer(start: start, count: count), as: UTF8.self)
    }

    private func error(_ mark: YAMLMark, _ reason: String, _ remedy: String) -> YAMLError {
        YAMLError(file: file, mark: mark, reason: reason, remedy: remedy)
    }

    /// The first of the parser's own errors; the later ones follow from it.
    private func collectedError() -> YAMLError {
        var position: UnsafeMutableRawPointer?
        guard let first = fy_diag_errors_iterate(diagnostics, &position) else {
            return error(YAMLMark(line: 1, column: 1), "the text cannot be read", "Check its indentation and quotation marks.")
        }
        // Unlike the events' marks these count from 1.
        let mark = YAMLMark(line: max(1, Int(first.pointee.line)), column: max(1, Int(first.pointee.column)))
        let reason = first.pointee.msg.map { String(cString: $0) } ?? "the text cannot be read"
        return error(mark, reason, "Check the indentation, quotation marks and brackets here and in the line above.")
    }
}

private let depthMax = 32

/// Where the first byte stands that is not UTF-8.
private func invalidUTF8(in bytes: [UInt8]) -> YAMLMark {
    var decoder = UTF8()
    var iterator = bytes.makeIterator()
    var valid = 0
    while case .scalarValue(let scalar) = decoder.decode(&iterator) { valid += UTF8.width(scalar) }
    return place(of: valid, in: bytes)
}

private func place(of offset: Int, in bytes: [UInt8]) -> YAMLMark {
    let before = bytes[..<offset]
    let line = before.lazy.filter { $0 == UInt8(ascii: "\n") }.count + 1
    let lineStart = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
    // Characters are counted by their first bytes.
    let column = bytes[lineStart..<offset].lazy.filter { $0 & 0xC0 != 0x80 }.count + 1
    return YAMLMark(line: line, column: column)
}
