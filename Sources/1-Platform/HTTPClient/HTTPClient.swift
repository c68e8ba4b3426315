/// HTTP and HTTPS requests by libcurl: connections are kept and used again, everything has a bound, no thread of the caller blocks.
///
/// One thread of the client's own drives all transfers (libcurl's multi interface). Requests beyond `inFlightMax` wait in order of
/// arrival; their time-outs run from when they are sent. Redirects are not followed, cookies not kept, other schemes not spoken.
/// A proxy is taken from the environment as curl does (`http_proxy`, `https_proxy`, `no_proxy`), never for this machine itself.
/// TLS is 1.2 or later, and the server's certificate is judged by the system's list of authorities.
public final class HTTPClient: Sendable {
    public struct Settings: Sendable {
        /// For name look-up, TCP and TLS together.
        public var connectTimeout: Duration = .seconds(5)
        /// For the whole exchange, connecting included.
        public var timeout: Duration = .seconds(30)
        /// The longest body that is accepted.
        public var answerBytesMax = 1 << 20
        /// Requests that travel at once, each on its own connection, and connections kept when idle.
        public var inFlightMax = 64

        public init() {}
    }

    public let settings: Settings
    private let loop: TransferLoop

    /// Throws `.other` when the system gives no thread or memory.
    public init(_ settings: Settings = Settings()) throws(HTTPError) {
        precondition(settings.inFlightMax > 0 && settings.answerBytesMax >= 0, "bounds of an HTTPClient")
        self.settings = settings
        loop = try TransferLoop(settings)
    }

    /// Whoever still waits gets `.closed`.
    deinit { loop.stop() }

    /// Sends the request and returns the whole answer, whatever its status.
    ///
    /// Cancelling the task ends the transfer at once (`.cancelled`) and closes its connection. A request whose kept connection turns
    /// out dead before a byte of an answer came is sent once more on a fresh one.
    public func send(_ request: HTTPRequest) async throws(HTTPError) -> HTTPAnswer {
        let id = loop.makeID()
        let result: Result<HTTPAnswer, HTTPError> = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                loop.submit(Submission(id: id, request: request, continuation: continuation))
                // The handler may have run before the request was known to the loop
                if Task.isCancelled { loop.cancel(id) }
            }
        } onCancel: {
            loop.cancel(id)
        }
        return try result.get()
    }

    /// Ends what is in flight with `.closed`, closes all connections and returns when the thread has gone. A second call only waits.
    public func close() async {
        await withCheckedContinuation { loop.stop(resuming: $0) }
    }
}
