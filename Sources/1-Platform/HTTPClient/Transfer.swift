import CCurl

typealias AnswerContinuation = CheckedContinuation<Result<HTTPAnswer, HTTPError>, Never>

/// A request on its way to the loop's thread.
struct Submission: Sendable {
    let id: UInt64
    let request: HTTPRequest
    let continuation: AnswerContinuation
}

/// One libcurl easy handle with what it writes into. Used for one request after another; touched by the loop's thread only.
final class Transfer {
    /// Room for a server's header fields; libcurl alone bounds single lines only.
    private static let headerBytesMax = 64 << 10

    let handle: UnsafeMutableRawPointer
    private let answerBytesMax: Int
    private let errorText: UnsafeMutablePointer<CChar>
    private var fieldList: UnsafeMutablePointer<curl_slist>?
    private(set) var submission: Submission?
    private var header: [UInt8] = []
    private var body: [UInt8] = []
    private var isTooLarge = false

    /// nil when libcurl has no memory.
    init?(_ settings: HTTPClient.Settings) {
        guard let handle = curl_easy_init() else { return nil }
        self.handle = handle
        answerBytesMax = settings.answerBytesMax
        errorText = .allocate(capacity: Int(CURL_ERROR_SIZE))
        errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        // Unretained: the handle does not outlive this object
        let context = Unmanaged.passUnretained(self).toOpaque()
        set(CURLOPT_PRIVATE, context)
        set(CURLOPT_ERRORBUFFER, errorText)
        ccurl_set_receivers(handle, receiveBody, receiveHeader, context)
        set(CURLOPT_NOSIGNAL, 1)
        set(CURLOPT_PROTOCOLS_STR, text: "http,https")
        set(CURLOPT_REDIR_PROTOCOLS_STR, text: "http,https")
        set(CURLOPT_FOLLOWLOCATION, 0)
        set(CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1)
        set(CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2)
        set(CURLOPT_TCP_KEEPALIVE, 1)
        set(CURLOPT_USERAGENT, text: "Tanba")
        set(CURLOPT_CONNECTTIMEOUT_MS, settings.connectTimeout.milliseconds)
        set(CURLOPT_TIMEOUT_MS, settings.timeout.milliseconds)
        ccurl_set_offset(handle, CURLOPT_MAXFILESIZE_LARGE, curl_off_t(settings.answerBytesMax))
    }

    deinit {
        curl_easy_cleanup(handle)
        curl_slist_free_all(fieldList)
        errorText.deallocate()
    }

    /// Makes the handle ready for this request.
    func prepare(_ submission: Submission) {
        let request = submission.request
        self.submission = submission
        set(CURLOPT_URL, text: request.address.text)
        set(CURLOPT_NOPROXY, text: request.address.isLoopback ? "*" : nil)
        curl_slist_free_all(fieldList)
        // Without this curl may wait a second for "100 Continue" before it sends a longer body
        fieldList = curl_slist_append(nil, "Expect:")
        for (name, value) in request.fields {
            precondition(!(name + value).utf8.contains { $0 == 0x0A || $0 == 0x0D || $0 == 0 }, "a header field with a line break")
            fieldList = curl_slist_append(fieldList, "\(name): \(value)")
        }
        ccurl_set_pointer(handle, CURLOPT_HTTPHEADER, fieldList)
        switch request.method {
        case .get: set(CURLOPT_HTTPGET, 1)
        case .post:
            set(CURLOPT_POST, 1)
            ccurl_set_offset(handle, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(request.body.count))
            check(
                request.body.withUnsafeBytes { bytes in
                    // libcurl copies; an empty array has no address, and without one libcurl would ask a read function
                    withUnsafePointer(to: UInt8(0)) {
                        ccurl_set_pointer(handle, CURLOPT_COPYPOSTFIELDS, bytes.baseAddress ?? UnsafeRawPointer($0))
                    }
                })
        }
    }

    /// Ends the request with what libcurl says of it; the handle may be prepared anew.
    func finish(_ code: CURLcode) {
        finish(code == CURLE_OK ? .success(answer()) : .failure(error(code)))
    }

    /// Ends the request without libcurl's word.
    func finish(_ kind: HTTPError.Kind, _ reason: String) {
        finish(.failure(HTTPError(kind, at: submission?.request.address.description ?? "", reason: reason)))
    }

    private func finish(_ result: Result<HTTPAnswer, HTTPError>) {
        let continuation = submission?.continuation
        submission = nil
        header = []
        body = []
        isTooLarge = false
        errorText.pointee = 0
        continuation?.resume(returning: result)
    }

    private func answer() -> HTTPAnswer {
        var microseconds: curl_off_t = 0
        ccurl_get_offset(handle, CURLINFO_TOTAL_TIME_T, &microseconds)
        return HTTPAnswer(
            status: get(CURLINFO_RESPONSE_CODE), body: body, reusedConnection: get(CURLINFO_NUM_CONNECTS) == 0,
            elapsed: .microseconds(microseconds), header: header)
    }

    private func error(_ code: CURLcode) -> HTTPError {
        let text = errorText.pointee != 0 ? String(cString: errorText) : String(cString: curl_easy_strerror(code))
        let url = submission?.request.address.description ?? ""
        if isTooLarge || code == CURLE_FILESIZE_EXCEEDED {
            return HTTPError(
                .answerTooLarge, at: url, code: Int32(code.rawValue), reason: "the answer is longer than \(answerBytesMax) bytes")
        }
        let wasSent = get(CURLINFO_REQUEST_SIZE) > 0
        return HTTPError(kind(of: code, wasSent: wasSent), at: url, code: Int32(code.rawValue), reason: text)
    }

    // MARK: libcurl's callbacks, on the loop's thread

    fileprivate func append(body bytes: UnsafeRawBufferPointer) -> Bool {
        guard bytes.count <= answerBytesMax - body.count else {
            isTooLarge = true
            return false
        }
        body.append(contentsOf: bytes)
        return true
    }

    fileprivate func append(header line: UnsafeRawBufferPointer) -> Bool {
        // A new status line begins a new header section; the one before was interim (100 Continue, a proxy's CONNECT)
        if line.starts(with: "HTTP/".utf8) { header = [] }
        guard line.count <= Self.headerBytesMax - header.count else {
            isTooLarge = true
            return false
        }
        header.append(contentsOf: line)
        return true
    }

    // MARK: options; they fail only for want of memory or for an option unknown to libcurl, which a test would show

    private func set(_ option: CURLoption, _ value: Int) { check(ccurl_set_long(handle, option, value)) }
    private func set(_ option: CURLoption, _ value: UnsafeRawPointer) { check(ccurl_set_pointer(handle, option, value)) }
    private func set(_ option: CURLoption, text: String?) {
        // libcurl copies strings
        if let text {
            check(text.withCString { ccurl_set_pointer(handle, option, $0) })
        } else {
            check(ccurl_set_pointer(handle, option, nil))
        }
    }
    private func check(_ code: CURLcode) { precondition(code == CURLE_OK, String(cString: curl_easy_strerror(code))) }

    private func get(_ info: CURLINFO) -> Int {
        var value = 0
        ccurl_get_long(handle, info, &value)
        return value
    }
}

private func kind(of code: CURLcode, wasSent: Bool) -> HTTPError.Kind {
    switch code {
    case CURLE_URL_MALFORMAT: .badAddress
    case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY: .unresolved
    case CURLE_COULDNT_CONNECT: .unreachable
    case CURLE_OPERATION_TIMEDOUT: wasSent ? .answerTimeout : .connectTimeout
    case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CIPHER, CURLE_SSL_CACERT_BADFILE,
        CURLE_SSL_ISSUER_ERROR, CURLE_SSL_ENGINE_INITFAILED:
        .tlsFailed
    // "Unsupported protocol" is what libcurl says of an answer without a status line; schemes were checked before
    case CURLE_GOT_NOTHING, CURLE_UNSUPPORTED_PROTOCOL, CURLE_SEND_ERROR, CURLE_RECV_ERROR, CURLE_PARTIAL_FILE, CURLE_WEIRD_SERVER_REPLY,
        CURLE_BAD_CONTENT_ENCODING:
        .brokenOff
    default: .other
    }
}

// Free functions, not closures: nothing of the caller's isolation may be checked on libcurl's side of the call

private func receiveBody(_ bytes: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ context: UnsafeMutableRawPointer?) -> Int {
    let received = UnsafeRawBufferPointer(start: bytes, count: size * count)
    // Anything but the number of bytes given ends the transfer
    return transfer(context).append(body: received) ? received.count : -1
}

private func receiveHeader(_ bytes: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ context: UnsafeMutableRawPointer?) -> Int {
    let received = UnsafeRawBufferPointer(start: bytes, count: size * count)
    return transfer(context).append(header: received) ? received.count : -1
}

func transfer(_ context: UnsafeMutableRawPointer?) -> Transfer {
    Unmanaged<Transfer>.fromOpaque(context!).takeUnretainedValue()
}

extension Duration {
    /// Whole milliseconds, at least 1 (0 means "for ever" to libcurl) and within a C `long` for `int` users.
    fileprivate var milliseconds: Int {
        let (seconds, attoseconds) = components
        guard seconds < Int64(Int32.max) / 1000 else { return Int(Int32.max) }
        return Swift.max(1, Int(seconds) * 1000 + Int(attoseconds / 1_000_000_000_000_000))
    }
}
