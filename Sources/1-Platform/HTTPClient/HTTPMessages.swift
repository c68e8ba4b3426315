/// One request. Its bounds come from `HTTPClient.Settings`.
public struct HTTPRequest: Sendable {
    public enum Method: Sendable { case get, post }

    public var method: Method
    public var address: HTTPAddress
    /// Header fields in order, without `Host` and `Content-Length`; neither part may hold a line break.
    public var fields: [(name: String, value: String)]
    /// Sent with `.post` only.
    public var body: [UInt8]

    public init(_ method: Method, _ address: HTTPAddress, fields: [(name: String, value: String)] = [], body: [UInt8] = []) {
        (self.method, self.address, self.fields, self.body) = (method, address, fields, body)
    }
}

/// What the server answered, whatever its status. Redirects are not followed: they come as they are.
public struct HTTPAnswer: Sendable {
    public let status: Int
    public let body: [UInt8]
    /// Whether the request travelled on a connection that an earlier one had opened.
    public let reusedConnection: Bool
    /// From when the request was sent to when the answer was whole; waiting for a place in flight does not count.
    public let elapsed: Duration
    /// The header section as received, status line included.
    let header: [UInt8]

    /// The value of the first header field of this name (case does not matter), without surrounding blanks; nil without such a field.
    public func field(_ name: String) -> String? {
        for line in header.split(separator: UInt8(ascii: "\n")) {
            let bytes = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
            guard let colon = bytes.firstIndex(of: UInt8(ascii: ":")), equalIgnoringCase(bytes[..<colon], name.utf8) else { continue }
            let isBlank = { (byte: UInt8) in byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
            let value = bytes[(colon + 1)...].drop(while: isBlank)
            return String(decoding: value.prefix(upTo: value.lastIndex { !isBlank($0) }.map { $0 + 1 } ?? value.startIndex), as: UTF8.self)
        }
        return nil
    }

    /// The `Content-Type` without its parameters and in small letters: "application/timestamp-reply".
    public var mediaType: String? {
        field("Content-Type").map { type in
            String(type.prefix { $0 != ";" && $0 != " " }).lowercased()
        }
    }
}

private func equalIgnoringCase(_ a: some Collection<UInt8>, _ b: some Collection<UInt8>) -> Bool {
    func small(_ byte: UInt8) -> UInt8 { byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte }
    return a.count == b.count && zip(a, b).allSatisfy { small($0) == small($1) }
}
