import HTTPClient
import OperatingSystem
import SigningPipeline
import TimeStampProtocol

/// What each failure is called, and what a person can do about it.
extension TimeStampAuthorityError {
    /// No answer came.
    init(_ authority: String, _ error: HTTPError) {
        let fault =
            switch error.kind {
            case .badAddress: "settings-invalid"
            case .unresolved, .unreachable, .other: "unreachable"
            case .connectTimeout, .answerTimeout: "timeout"
            case .answerTooLarge, .tlsFailed, .brokenOff, .cancelled, .closed: error.kind.rawValue
            }
        let place = error.url.isEmpty ? "" : "\(error.url): "
        self.init(authority: authority, fault: fault, reason: "\(place)\(error.reason) (\(error.kind.rawValue))", remedy: error.remedy)
    }

    /// An answer came, but not 200.
    init(_ authority: String, _ address: HTTPAddress, status: Int, retryAfter: Duration?) {
        let remedy =
            switch status {
            case 300..<400: "The authority has moved: ask its operator for the new URL; redirects are not followed."
            case 401, 403, 407:
                "The authority does not serve this machine: check the contract, the addresses it admits, and user and password."
            case 404, 405, 410, 415: "Check the path of the URL: no time-stamping service is there."
            case 429: "The authority limits requests: lower the requests in flight, or agree on a larger budget."
            case 500..<600: "The authority has trouble of its own: wait, or tell its operator."
            default: "Check that the URL is that of a time-stamping service (RFC 3161 over HTTP)."
            }
        self.init(
            authority: authority, fault: "http-status",
            reason: "\(address) answered HTTP \(status)" + (retryAfter.map { ", to be asked again after \(Int($0.seconds)) s" } ?? ""),
            remedy: remedy, status: status, retryAfter: retryAfter)
    }

    /// The answer is not what RFC 3161, 3.4 says it must be.
    init(_ authority: String, _ address: HTTPAddress, mediaType: String?) {
        let type = mediaType.map {
            "\"" + $0.unicodeScalars.prefix(100).map { $0.isASCII && $0.value >= 0x20 ? String($0) : "?" }.joined() + "\""
        }
        self.init(
            authority: authority, fault: "content-type",
            reason: "\(address) answered with \(type ?? "no") content type instead of application/timestamp-reply",
            remedy: "Check that the URL is that of a time-stamping service, and that no proxy answers in its place.")
    }

    /// An answer came and does not stand up.
    init(_ authority: String, _ fault: TimeStampFault, skew: Duration? = nil) {
        let remedy =
            switch fault.code {
            case .status: "Read what the authority says: it may not know the digest, the policy or this customer."
            case .imprintDiffers, .nonceDiffers, .signatureInvalid:
                "Something answers that did not read this request: look for a proxy or cache in between, and use another authority meanwhile."
            case .policyDiffers: "Configure the policy that this authority stamps under, or none."
            case .timeOutsideWindow: "Compare the clock of this machine and of the authority with a time server."
            case .certificateMissing, .certificatePurpose, .certificateValidity:
                "The authority's certificate cannot be used: tell its operator, and use another one meanwhile."
            case .certificateUntrusted: "Check that the trust file of this authority has the root its certificate comes from."
            case .algorithmUnknown:
                "The authority signs by an algorithm that is not supported: ask its operator for SHA-2 with RSA or ECDSA."
            default: "The authority breaks RFC 3161: tell its operator, and use another one meanwhile."
            }
        self.init(authority: authority, fault: fault.code.rawValue, reason: fault.detail, remedy: remedy, skew: skew)
    }
}
