/// A request as a handler sees it.
public struct HTTPServerRequest: Sendable {
    /// In capitals, as received: "GET".
    public let method: String
    /// Percent-decoded, without the query: "/metrics".
    public let path: String
    /// Percent-decoded, in order; a name without "=" has an empty value.
    public let query: [(name: String, value: String)]
    /// The `Content-Type` as received.
    public let contentType: String?
    /// The whole body, at most `HTTPServer.Settings.bodyBytesMax`.
    public let body: [UInt8]
}

/// What a handler answers. For HEAD the body's length is told and the body kept back.
public struct HTTPServerResponse: Sendable {
    public var status: Int
    public var contentType: String
    /// More header fields; neither part may hold a line break.
    public var fields: [(name: String, value: String)]
    public var body: [UInt8]

    public init(_ status: Int, contentType: String, fields: [(name: String, value: String)] = [], body: [UInt8]) {
        (self.status, self.contentType, self.fields, self.body) = (status, contentType, fields, body)
    }

    public init(_ status: Int, text: String, fields: [(name: String, value: String)] = []) {
        self.init(status, contentType: "text/plain; charset=utf-8", fields: fields, body: Array(text.utf8))
    }
}

/// The server could not be started.
public struct HTTPServerError: Error, Sendable, Hashable, CustomStringConvertible {
    public let address: String
    public let port: UInt16
    /// The system call that failed, or libmicrohttpd's function.
    public let call: String
    /// 0 where the system gave none.
    public let errno: Int32
    public let reason: String
    public let remedy: String

    public var description: String { "\(address):\(port): \(call): \(reason). \(remedy)" }
}
