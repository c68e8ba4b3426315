import YAML

extension TanbaConfiguration {
    /// `readers`: the smart card readers of this machine.
    public struct Readers: Sendable {
        /// Whether a worker watches cards coming and going; nil: where pcscd is.
        public var watch: Bool?
    }
}

extension TanbaConfiguration.Readers {
    init(_ reader: inout MappingReader) throws(ConfigurationError) {
        watch = try reader.boolean("watch")
        try reader.finish()
    }
}

extension MappingReader {
    mutating func boolean(_ key: String) throws(ConfigurationError) -> Bool? {
        guard let node = take(key) else { return nil }
        switch node.value {
        case .scalar("true"): return true
        case .scalar("false"): return false
        default: throw bad(node, key, "must be true or false")
        }
    }
}
