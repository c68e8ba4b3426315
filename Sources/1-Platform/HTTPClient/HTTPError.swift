/// Why no answer came. An answer with a bad status is no error here: `HTTPAnswer.status` says it.
///
/// Nothing is known of what the server did with the request, except for `badAddress`, `unresolved`, `unreachable`, `connectTimeout`
/// and `tlsFailed`: these never reached it.
public struct HTTPError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Kind: String, Sendable, CaseIterable {
        case badAddress = "bad-address"
        case unresolved
        case unreachable
        case connectTimeout = "connect-timeout"
        case answerTimeout = "answer-timeout"
        case answerTooLarge = "answer-too-large"
        case tlsFailed = "tls-failed"
        /// The connection ended, or what came was not HTTP.
        case brokenOff = "broken-off"
        /// The task that asked was cancelled.
        case cancelled
        /// The client was closed before the answer came.
        case closed
        /// Anything else that libcurl reports; `code` and `reason` say what.
        case other
    }

    public let kind: Kind
    /// Where the request went, without user, password and query; empty when it could not be read.
    public let url: String
    /// libcurl's CURLcode; 0 when libcurl was not asked.
    public let code: Int32
    /// What failed, in libcurl's words where it has some.
    public let reason: String

    init(_ kind: Kind, at url: String, code: Int32 = 0, reason: String) {
        (self.kind, self.url, self.code, self.reason) = (kind, url, code, reason)
    }

    /// What a person can do about it.
    public var remedy: String {
        switch kind {
        case .badAddress: "Give an absolute URL that begins with http:// or https://."
        case .unresolved: "Check the host's name in the URL, and this machine's name service."
        case .unreachable: "Check that the server runs and that the port and the firewall let this machine through."
        case .connectTimeout: "Check the network between this machine and the server, or allow more time to connect."
        case .answerTimeout: "Check the server's load, or allow more time for its answers."
        case .answerTooLarge: "Check that the URL is that of the service meant; its answers are longer than any this service gives."
        case .tlsFailed: "Check the server's certificate, its name and date, and that this machine trusts its issuer."
        case .brokenOff: "Check the server's log; the same request may be sent again."
        case .cancelled, .closed: "Nothing; the program that asked no longer waits."
        case .other: "Look the reason up in libcurl's list of errors (libcurl-errors)."
        }
    }

    public var description: String {
        "\(url.isEmpty ? "HTTP" : url): \(kind.rawValue): \(reason)\(code == 0 ? "" : " (libcurl \(code))"). \(remedy)"
    }
}
