/// librdkafka's properties from a file, as kcat reads them with `-F`: `NAME=VALUE` lines, blank lines, and lines that begin with `#`.
public enum ClientProperties {
    /// Reads such a text. Names are checked by librdkafka when a client is made.
    ///
    /// - Parameter file: what to call the text in errors, which quote no value: some are passwords.
    public static func parse(_ text: String, file: String) throws(KafkaStreamError) -> [String: String] {
        var properties: [String: String] = [:]
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let line = trimmed(line)
            guard !line.isEmpty, line.first != "#" else { continue }
            guard let equals = line.firstIndex(of: "="), equals > line.startIndex else {
                throw KafkaStreamError(
                    reason: "\(file):\(index + 1): no NAME=VALUE", remedy: "write one property a line, as kcat -F reads them")
            }
            let name = String(trimmed(line[..<equals]))
            guard properties.updateValue(String(trimmed(line[line.index(after: equals)...])), forKey: name) == nil else {
                throw KafkaStreamError(reason: "\(file):\(index + 1): \(name) a second time", remedy: "keep one of the two")
            }
        }
        return properties
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text
        while let last = text.last, last.isWhitespace { text.removeLast() }
        return text.drop { $0.isWhitespace }
    }
}
