import YAML

/// Takes the keys of one YAML mapping one by one; what is left at the end is unknown and refused.
struct MappingReader {
    let file: String
    /// Where the mapping stands, such as `tokens[0]`; empty for the file's root.
    let path: String
    let line: Int
    private var entries: [String: YAMLEntry]
    private var known: [String] = []

    init(_ node: YAMLNode, file: String, path: String) throws(ConfigurationError) {
        self.file = file
        self.path = path
        line = node.mark.line
        guard case .mapping(let entries) = node.value else {
            throw ConfigurationError(
                file: file, line: node.mark.line, reason: "\(path.isEmpty ? "the file" : path) must be a mapping of keys and values",
                remedy: "write lines of the form `key: value`")
        }
        self.entries = Dictionary(uniqueKeysWithValues: entries.map { ($0.key, $0) })
    }

    mutating func take(_ key: String) -> YAMLNode? {
        known.append(key)
        return entries.removeValue(forKey: key)?.node
    }

    mutating func text(_ key: String) throws(ConfigurationError) -> String? {
        guard let node = take(key) else { return nil }
        guard case .scalar(let text) = node.value, !text.isEmpty else { throw bad(node, key, "must be a text that is not empty") }
        return text
    }

    mutating func required(_ key: String) throws(ConfigurationError) -> String {
        if let text = try text(key) { return text }
        throw ConfigurationError(file: file, line: line, reason: "\(name(key)) is missing", remedy: "add a line `\(key): …` here")
    }

    mutating func integer(_ key: String, in range: ClosedRange<Int>) throws(ConfigurationError) -> Int? {
        guard let node = take(key) else { return nil }
        guard case .scalar(let text) = node.value, let value = Int(text), range.contains(value) else {
            throw bad(node, key, "must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    /// One name, a list of names, or a mapping of names to weights.
    mutating func choices(_ one: String, _ several: String) throws(ConfigurationError) -> [TanbaConfiguration.AuthorityChoice] {
        let single = try text(one).map { TanbaConfiguration.AuthorityChoice(name: $0) }
        guard let node = take(several) else { return single.map { [$0] } ?? [] }
        guard single == nil else { throw bad(node, several, "is given beside \(one)") }
        var choices: [TanbaConfiguration.AuthorityChoice] = []
        switch node.value {
        case .sequence(let nodes):
            for node in nodes {
                guard case .scalar(let name) = node.value, !name.isEmpty else { throw bad(node, several, "must be a list of names") }
                choices.append(TanbaConfiguration.AuthorityChoice(name: name))
            }
        case .mapping(let entries):
            for entry in entries {
                guard case .scalar(let text) = entry.node.value, let weight = Int(text), (1...1000).contains(weight) else {
                    throw bad(entry.node, "\(several).\(entry.key)", "must be a weight, a whole number from 1 to 1000")
                }
                choices.append(TanbaConfiguration.AuthorityChoice(name: entry.key, weight: weight))
            }
        default: throw bad(node, several, "must be a list of names, or names with weights")
        }
        guard !choices.isEmpty else { throw bad(node, several, "is empty") }
        return choices
    }

    /// `200ms`, `10s` or `5m`.
    mutating func duration(_ key: String) throws(ConfigurationError) -> Duration? {
        guard let node = take(key) else { return nil }
        if case .scalar(let text) = node.value, let match = text.wholeMatch(of: /([0-9]{1,9})(ms|s|m|h)/), let count = Int(match.1), count > 0 {
            switch match.2 {
            case "ms": return .milliseconds(count)
            case "s": return .seconds(count)
            case "m": return .seconds(count * 60)
            default: return .seconds(count * 3600)
            }
        }
        throw bad(node, key, "must be a time such as 200ms, 10s, 5m or 1h")
    }

    mutating func path(_ key: String) throws(ConfigurationError) -> String? { try text(key).map(absolute) }

    mutating func requiredPath(_ key: String) throws(ConfigurationError) -> String { absolute(try required(key)) }

    /// Names and values of a nested mapping of texts.
    mutating func texts(_ key: String) throws(ConfigurationError) -> [(name: String, value: String, line: Int)] {
        guard let node = take(key) else { return [] }
        guard case .mapping(let entries) = node.value else { throw bad(node, key, "must be a mapping of names and values") }
        var texts: [(name: String, value: String, line: Int)] = []
        for entry in entries {
            guard case .scalar(let value) = entry.node.value else { throw bad(entry.node, "\(key).\(entry.key)", "must be a text") }
            texts.append((entry.key, value, entry.keyMark.line))
        }
        return texts
    }

    mutating func nested(_ key: String) throws(ConfigurationError) -> MappingReader? {
        guard let node = take(key) else { return nil }
        return try MappingReader(node, file: file, path: name(key))
    }

    mutating func list(_ key: String) throws(ConfigurationError) -> [MappingReader] {
        var readers: [MappingReader] = []
        for (index, node) in try sequence(key).enumerated() {
            readers.append(try MappingReader(node, file: file, path: "\(name(key))[\(index)]"))
        }
        return readers
    }

    mutating func names(_ key: String) throws(ConfigurationError) -> [(name: String, line: Int)] {
        var names: [(name: String, line: Int)] = []
        for node in try sequence(key) {
            guard case .scalar(let text) = node.value, !text.isEmpty else { throw bad(node, key, "must be a list of names") }
            names.append((text, node.mark.line))
        }
        return names
    }

    /// Refuses what was not taken.
    func finish() throws(ConfigurationError) {
        guard let unknown = entries.values.min(by: { $0.keyMark.line < $1.keyMark.line }) else { return }
        throw ConfigurationError(
            file: file, line: unknown.keyMark.line, reason: "\(name(unknown.key)) is not a known key",
            remedy: "known here: \(known.sorted().joined(separator: ", "))")
    }

    func bad(_ node: YAMLNode, _ key: String, _ demand: String) -> ConfigurationError {
        ConfigurationError(file: file, line: node.mark.line, reason: "\(name(key)) \(demand)", remedy: "mend this line")
    }

    func error(_ reason: String, _ remedy: String) -> ConfigurationError {
        ConfigurationError(file: file, line: line, reason: reason, remedy: remedy)
    }

    private mutating func sequence(_ key: String) throws(ConfigurationError) -> [YAMLNode] {
        guard let node = take(key) else { return [] }
        guard case .sequence(let nodes) = node.value else { throw bad(node, key, "must be a list") }
        return nodes
    }

    private func name(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    private func absolute(_ path: String) -> String {
        if path.hasPrefix("/") { return path }
        let folder = file.lastIndex(of: "/").map { String(file[...$0]) } ?? ""
        return folder + path
    }
}
