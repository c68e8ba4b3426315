internal import CPKCS11
public import OperatingSystem

/// A session of its own with one slot, for what is done by hand and once: looking at what is there, making keys, writing certificates.
///
/// Signing in bulk has `Token` and `SessionPool` instead. Here nothing is tried twice: a PIN is sent once, and a session that is lost is
/// an error. One thread uses it; it logs out and closes when it goes.
public struct CeremonySession: ~Copyable {
    public let slot: Slot
    let handle: CK_SESSION_HANDLE
    private var isLoggedIn = false

    public enum User: Sendable {
        case user
        /// Who initialises the token and the user's PIN, and sees no private objects.
        case securityOfficer
    }

    /// Opens the session; without a login only public objects are seen.
    ///
    /// - Parameter writes: whether objects are made or destroyed.
    public init(_ slot: Slot, writes: Bool) throws(PKCS11Error) {
        var handle: CK_SESSION_HANDLE = 0
        let flags = CK_FLAGS(CKF_SERIAL_SESSION) | (writes ? CK_FLAGS(CKF_RW_SESSION) : 0)
        try check(slot.module.functions.C_OpenSession(slot.id.rawValue, flags, nil, nil, &handle), "C_OpenSession")
        slot.module.retain()
        self.slot = slot
        self.handle = handle
    }

    deinit {
        if isLoggedIn { _ = functions.C_Logout(handle) }
        _ = functions.C_CloseSession(handle)
        slot.module.release()
    }

    /// One C_Login, and none where the token says that the user's PIN is locked or that one more wrong one locks it.
    ///
    /// - Parameter pin: nil where the token has a keypad of its own.
    public mutating func logIn(as user: User, _ pin: Secret?) throws(PKCS11Error) {
        precondition(!isLoggedIn, "a session logs in once")
        if user == .user {
            let flags = try slot.tokenInfo().flags
            if flags.contains(.userPINLocked) { throw PKCS11Error(.pinLocked) }
            if flags.contains(.userPINFinalTry) { throw PKCS11Error(.pinFinalTry) }
        }
        let type = CK_USER_TYPE(user == .user ? CKU_USER : CKU_SO)
        let value = withPIN(pin) { functions.C_Login(handle, type, $0, $1) }
        try check(value, "C_Login")
        isLoggedIn = true
    }

    /// C_InitPIN: gives the token a user's PIN, when the security officer is logged in.
    ///
    /// - Parameter pin: nil where the token has a keypad of its own.
    public borrowing func initialiseUserPIN(_ pin: Secret?) throws(PKCS11Error) {
        let value = withPIN(pin) { functions.C_InitPIN(handle, $0, $1) }
        try check(value, "C_InitPIN")
    }

    /// One signature (C_SignInit, C_Sign), as the mechanism gives it.
    public borrowing func sign(_ data: [UInt8], with mechanism: Mechanism, key: StoredKey) throws(PKCS11Error) -> [UInt8] {
        var choice = CK_MECHANISM(mechanism: mechanism.rawValue, pParameter: nil, ulParameterLen: 0)
        try check(functions.C_SignInit(handle, &choice, key.handle), "C_SignInit")
        var data = data
        var count: CK_ULONG = 1024  // RSA-8192's, the longest in use
        var signature = [UInt8](repeating: 0, count: Int(count))
        try check(functions.C_Sign(handle, &data, CK_ULONG(data.count), &signature, &count), "C_Sign")
        return Array(signature[..<min(Int(count), signature.count)])
    }

    var functions: Functions { slot.module.functions }
}
