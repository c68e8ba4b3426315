import CCurl

/// An absolute `http` or `https` URL, read once; what a request is sent to.
public struct HTTPAddress: Sendable, Hashable, CustomStringConvertible {
    /// Scheme, host, port and path: what a person may see. User, password, query and fragment, where secrets stand, are left out.
    public let description: String
    /// As given, credentials and all: for libcurl only.
    let text: String
    /// Whether the host is this machine by name or number; such requests go through no proxy.
    let isLoopback: Bool

    /// Throws `.badAddress` for everything that is not an absolute URL of scheme `http` or `https`; the error does not repeat the text.
    public init(_ text: String) throws(HTTPError) {
        guard let url = curl_url() else { throw HTTPError(.badAddress, at: "", reason: "out of memory") }
        defer { curl_url_cleanup(url) }
        // A NUL would end the text for libcurl but not for us
        guard !text.utf8.contains(0), curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK,
            let scheme = Self.part(CURLUPART_SCHEME, of: url), let host = Self.part(CURLUPART_HOST, of: url)
        else { throw HTTPError(.badAddress, at: "", reason: "not an absolute URL") }
        guard scheme == "http" || scheme == "https" else {
            throw HTTPError(.badAddress, at: "\(scheme)://\(host)", reason: "the scheme is neither http nor https")
        }
        let port = Self.part(CURLUPART_PORT, of: url).map { ":\($0)" } ?? ""
        self.text = text
        description = "\(scheme)://\(host)\(port)\(Self.part(CURLUPART_PATH, of: url) ?? "/")"
        isLoopback = host == "localhost" || host == "[::1]" || host.hasPrefix("127.")
    }

    private static func part(_ part: CURLUPart, of url: OpaquePointer) -> String? {
        var text: UnsafeMutablePointer<CChar>?
        guard curl_url_get(url, part, &text, 0) == CURLUE_OK, let text else { return nil }
        defer { curl_free(text) }
        return String(cString: text)
    }
}
