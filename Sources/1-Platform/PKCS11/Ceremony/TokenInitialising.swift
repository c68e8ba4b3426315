internal import CPKCS11
public import OperatingSystem

/// The lengths of PIN that a token takes, in bytes.
public struct PINLengths: Hashable, Sendable {
    public let shortest: Int
    public let longest: Int
}

/// What a token says of its security officer's PIN.
public enum OfficerPINState: Hashable, Sendable {
    case good
    /// A wrong one was tried since the last right one.
    case countLow
    /// One more wrong one locks it.
    case finalTry
    case locked
}

extension Slot {
    /// nil where the token does not say.
    public func pinLengths() throws(PKCS11Error) -> PINLengths? {
        let info = try rawTokenInfo()
        guard let shortest = Int(exactly: info.ulMinPinLen), let longest = Int(exactly: info.ulMaxPinLen), longest > 0 else { return nil }
        return PINLengths(shortest: shortest, longest: longest)
    }

    public func officerPINState() throws(PKCS11Error) -> OfficerPINState {
        let flags = try rawTokenInfo().flags
        if flags & CK_FLAGS(CKF_SO_PIN_LOCKED) != 0 { return .locked }
        if flags & CK_FLAGS(CKF_SO_PIN_FINAL_TRY) != 0 { return .finalTry }
        return flags & CK_FLAGS(CKF_SO_PIN_COUNT_LOW) != 0 ? .countLow : .good
    }

    /// C_InitToken: **everything on the token is destroyed**, and it gets this label and, where it was new, this security officer's PIN;
    /// otherwise the PIN must be the one it has (one attempt). It has no user PIN afterwards. No session with it may be open.
    ///
    /// - Parameters:
    ///   - label: at most 32 bytes of UTF-8.
    ///   - officerPIN: nil where the token has a keypad of its own.
    public func initialiseToken(label: String, officerPIN: Secret?) throws(PKCS11Error) {
        var bytes = Array(label.utf8)
        precondition(bytes.count <= 32, "a label has at most 32 bytes")
        bytes += [UInt8](repeating: 0x20, count: 32 - bytes.count)
        let value = withPIN(officerPIN) { start, count in module.functions.C_InitToken(id.rawValue, start, count, &bytes) }
        try check(value, "C_InitToken")
    }

    private func rawTokenInfo() throws(PKCS11Error) -> CK_TOKEN_INFO {
        var info = CK_TOKEN_INFO()
        try check(module.functions.C_GetTokenInfo(id.rawValue, &info), "C_GetTokenInfo")
        return info
    }
}

/// Lends a PIN as the functions take it (not const in the header, but only read); a null pointer for none.
func withPIN(_ pin: Secret?, _ body: (UnsafeMutablePointer<UInt8>?, CK_ULONG) -> CK_RV) -> CK_RV {
    guard let pin else { return body(nil, 0) }
    return pin.withBytes { bytes in
        bytes.withUnsafeBufferPointer { body(UnsafeMutablePointer(mutating: $0.baseAddress), CK_ULONG($0.count)) }
    }
}
