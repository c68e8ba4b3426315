/// One value of a YAML text and where it stands. Scalars are text, as written; what they mean is the reader's business.
public struct YAMLNode: Sendable, Hashable {
    public enum Value: Sendable, Hashable {
        /// Without quotes and escapes; `""` also where nothing was written after a key.
        case scalar(String)
        /// In the order of the file; no key stands twice.
        case mapping([YAMLEntry])
        case sequence([YAMLNode])
    }

    public let value: Value
    public let mark: YAMLMark

    public init(value: Value, mark: YAMLMark) {
        self.value = value
        self.mark = mark
    }
}

/// One key of a mapping and its value.
public struct YAMLEntry: Sendable, Hashable {
    public let key: String
    public let keyMark: YAMLMark
    public let node: YAMLNode

    public init(key: String, keyMark: YAMLMark, node: YAMLNode) {
        self.key = key
        self.keyMark = keyMark
        self.node = node
    }
}

/// A place in a text; both count from 1, columns in characters.
public struct YAMLMark: Sendable, Hashable {
    public let line: Int
    public let column: Int

    public init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }
}

/// A text that is not the YAML we take: where, what, and what to write instead.
public struct YAMLError: Error, Hashable, CustomStringConvertible {
    public let file: String
    public let mark: YAMLMark
    public let reason: String
    public let remedy: String

    public init(file: String, mark: YAMLMark, reason: String, remedy: String) {
        self.file = file
        self.mark = mark
        self.reason = reason
        self.remedy = remedy
    }

    /// `FILE:LINE:COLUMN: reason. Remedy.`, as compilers write it.
    public var description: String { "\(file):\(mark.line):\(mark.column): \(reason). \(remedy)" }
}
