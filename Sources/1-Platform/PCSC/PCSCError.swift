internal import CPCSC

/// A function of PC/SC that failed: its name, the code that it returned and, for a person, what can be done.
public struct PCSCError: Error, Hashable, Sendable, CustomStringConvertible {
    /// As PC/SC names it, such as `SCardEstablishContext`.
    public let function: String
    /// The code (`SCARD_E_…`, an unsigned number of 32 bits), also where this program does not know it.
    public let code: UInt32
    /// What can be done about it, in a sentence; empty where there is nothing to add.
    public let remedy: String

    init(_ code: Int, by function: String) {
        self.function = function
        self.code = UInt32(truncatingIfNeeded: code)
        remedy =
            switch code {
            case Int(SCARD_E_NO_SERVICE), Int(SCARD_E_SERVICE_STOPPED), Int(SCARD_F_COMM_ERROR):
                "Start pcscd, for instance with `systemctl enable --now pcscd.socket`."
            // Also what libpcsclite says when pcscd is killed while it is asked (ECONNRESET)
            case Int(SCARD_W_SECURITY_VIOLATION):
                "Start pcscd if it has ended; else allow this user to use it (polkit's action org.debian.pcsc-lite.access_pcsc)."
            default: ""
            }
    }

    public var description: String {
        let reason = String(cString: pcsc_stringify_error(Int(code)))
        return "\(function): \(reason)\(reason.hasSuffix(".") ? "" : ".") (0x\(String(code, radix: 16, uppercase: true)))"
            + (remedy.isEmpty ? "" : " \(remedy)")
    }
}

extension PCSCError {
    /// A thread that could not be started; `code` is the errno.
    static func noThread(_ result: Int32) -> PCSCError { PCSCError(Int(result), by: "pthread_create") }
}
