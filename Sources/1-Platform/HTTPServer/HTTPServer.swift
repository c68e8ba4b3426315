import CMicroHTTPD

/// A small HTTP/1.1 server by libmicrohttpd, for health, metrics and tests: whole requests in, whole answers out, everything bounded.
///
/// The handler runs on the server's own threads and may block only those; with one thread (the default) requests are answered one
/// after another. A connection is closed after `idleTimeout` without a byte; more than `connectionsMax` are not accepted.
public final class HTTPServer: Sendable {
    public typealias Handler = @Sendable (HTTPServerRequest) -> HTTPServerResponse

    public struct Settings: Sendable {
        /// A numeric address: 127.0.0.1, ::1, 0.0.0.0.
        public var address = "127.0.0.1"
        /// 0 takes any free port; `HTTPServer.port` says which.
        public var port: UInt16 = 0
        public var connectionsMax = 64
        public var idleTimeout: Duration = .seconds(10)
        /// A request with a longer body is answered 413.
        public var bodyBytesMax = 64 << 10
        public var threads = 1

        public init(address: String = "127.0.0.1", port: UInt16 = 0) {
            (self.address, self.port) = (address, port)
        }
    }

    public let address: String
    /// The port it listens on.
    public let port: UInt16
    private let daemon: Daemon

    /// Listens and serves at once. Throws when the address cannot be had.
    public init(_ settings: Settings = Settings(), handler: @escaping Handler) throws(HTTPServerError) {
        let listener = try Listener(settings)
        address = settings.address
        port = listener.port
        daemon = try Daemon(listener, settings, handler)
    }

    deinit { daemon.stop() }

    /// Stops listening, closes all connections and returns when the last handler has. Not to be called by a handler. A second call
    /// does nothing.
    public func stop() { daemon.stop() }
}
