import COpenSSL

/// A failed call of libcrypto, or input that libcrypto takes and we do not.
/// Never holds key material: OpenSSL's reasons are fixed texts, its variable "data" is left out.
/// What was being built is gone, what existed before is unchanged; the thread's OpenSSL error queue is empty.
public struct CryptoError: Error, Sendable, CustomStringConvertible {
    /// What was tried, in words: "read a certificate".
    public let operation: String
    /// Why it failed: OpenSSL's reasons, the innermost first, or our own sentence.
    public let reason: String
    /// OpenSSL's packed code of the innermost reason; 0 when the refusal is ours.
    public let code: UInt

    public init(operation: String, reason: String, code: UInt = 0) {
        self.operation = operation
        self.reason = reason
        self.code = code
    }

    public var description: String { "cannot \(operation): \(reason)" }
}

// MARK: - The error queue

/// OpenSSL keeps errors in a queue per thread. Whoever fails empties it, so that nobody reads another call's reason.
enum ErrorQueue {
    static func clear() {
        ERR_clear_error()
    }

    /// Takes all errors of this thread's queue and makes one error of them.
    static func take(_ operation: String) -> CryptoError {
        var reasons: [String] = []
        var first: UInt = 0
        while true {
            let code = ERR_get_error()
            if code == 0 { break }
            if first == 0 { first = code }
            let text = reason(of: code)
            if !reasons.contains(text) && reasons.count < reasonsMax { reasons.append(text) }
        }
        return CryptoError(
            operation: operation, reason: reasons.isEmpty ? "OpenSSL gave no reason" : reasons.joined(separator: "; "), code: first)
    }

    /// True when the newest error of the queue is this one.
    static func newestIs(library: Int32, reason: Int32) -> Bool {
        let code = ERR_peek_last_error()
        return ERR_GET_LIB(code) == library && ERR_GET_REASON(code) == reason
    }

    private static func reason(of code: UInt) -> String {
        if let text = ERR_reason_error_string(code) { return String(cString: text) }
        let library = ERR_lib_error_string(code).map { String(cString: $0) } ?? "library \(ERR_GET_LIB(code))"
        return "\(library), reason \(ERR_GET_REASON(code))"
    }

    private static let reasonsMax = 4
}
