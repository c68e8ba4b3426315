internal import CPKCS11
internal import Dispatch
public import OperatingSystem

/// A token in use: found by its label, logged in once, its key handles found once.
///
/// Login belongs to the program and not to a session (PKCS#11, 5.6.8), and it ends with the last session. So one session, the keeper, is
/// opened first, logs in and stays open until `close`; the others come and go. What a token takes away (a module that restarts, a
/// card pulled out) is brought back by `restore`, which counts the token's `epoch` up: sessions and key handles of an older epoch are
/// not used any more, for after a loss a number may denote another key.
public final class Token: Sendable {
    public let module: Module
    public let label: String

    /// Logging in, restoring and closing happen here, one at a time; `keeper` and `pin` are touched nowhere else.
    private let control = DispatchQueue(label: "pkcs11.token")
    private let keeper = Locked<Keeper>(Keeper())
    private let shared: Locked<Shared>

    private struct Keeper {
        var session: CK_SESSION_HANDLE?
        var pin: Secret?
        var isPINProven = false
        /// The last C_Login failed in a way that did not say why.
        var hasFailed = false
        var isClosed = false
    }

    private struct Shared {
        var slot: Slot
        var epoch = 0
        /// Sessions of earlier epochs went with the token. Their handles are not closed: the numbers may be other sessions' by now.
        var voidBefore = 0
        /// Its keys are invisible to who is not logged in.
        var needsLogin = true
        /// The token was lost and `restore` has not succeeded yet.
        var isLost = false
        var keys: [[UInt8]: KeyPair] = [:]
    }

    /// The token with this label in the module. Blocks while the module looks; nothing is opened yet.
    public init(module: Module, label: String) throws(PKCS11Error) {
        let slot = try module.slot(label: label)
        module.retain(label)
        self.module = module
        self.label = label
        shared = Locked(Shared(slot: slot))
    }

    deinit {
        keeper.withLock { if let session = $0.session { _ = module.functions.C_CloseSession(session) } }
        module.release(label)
    }

    /// What the token says of itself now.
    public func info() throws(PKCS11Error) -> TokenInfo { try slot.tokenInfo() }

    public var slot: Slot { shared.withLock { $0.slot } }

    /// Why this token is out of service until the program starts again; nil while it may be used.
    public var outOfService: PKCS11Error? { module.outOfService(label: label) }

    func takeOutOfService(_ error: PKCS11Error) { module.takeOutOfService(label: label, error) }

    /// Opens the keeper and logs the user in, with one C_Login at most.
    ///
    /// A PIN that the token refuses takes the token out of service: this and every later call throws the first error and C_Login is not
    /// called again. Where the token says that its PIN is locked, or that one more wrong one locks it, C_Login is not called at all.
    /// The PIN is kept, to log in again after a loss, once it has been right.
    public func logIn(_ pin: Secret) throws(PKCS11Error) {
        try onControl { (keeper) throws(PKCS11Error) in
            guard keeper.session == nil else { return }
            keeper.pin = pin
            try self.openKeeper(&keeper)
        }
    }

    /// A further session, for one thread at a time; it shares the login. Closed when it goes.
    ///
    /// Between a loss and a `restore` that succeeded it throws CKR_USER_NOT_LOGGED_IN.
    public func openSession() throws(PKCS11Error) -> Session {
        // Not while the token is restored: a session belongs to the epoch in which it was opened, from the first to the last moment.
        let (handle, epoch) = try onControl { (_) throws(PKCS11Error) -> (CK_SESSION_HANDLE, Int) in
            let now = self.shared.withLock { $0 }
            if let fault = self.outOfService { throw fault }
            if now.isLost { throw PKCS11Error(.returned(.userNotLoggedIn, by: "C_OpenSession")) }
            return (try self.open(now.slot), now.epoch)
        }
        return Session(token: self, handle: handle, epoch: epoch)
    }

    /// After a session of `epoch` was lost: makes sure that the program is logged in and begins the next epoch.
    ///
    /// Several threads may find the loss at once: the first restores, the others find the work done. Logs in again with the PIN that was
    /// right before, after finding the slot anew. Throws what stands in the way (the token is still away): call again later.
    public func restore(after epoch: Int) throws(PKCS11Error) {
        try onControl { (keeper) throws(PKCS11Error) in
            let isDue = self.shared.withLock { shared in
                // The handles of this epoch are void from here on, whether restoring succeeds now or later.
                if shared.epoch == epoch {
                    shared.epoch += 1
                    shared.keys = [:]
                    shared.isLost = true
                }
                return shared.isLost
            }
            if let fault = self.outOfService { throw fault }
            guard isDue else { return }
            switch keeper.session.map(self.login) {
            case .loggedIn: break
            case .loggedOut where !self.shared.withLock { $0.needsLogin }: break
            case .loggedOut:
                if let old = keeper.session { _ = self.module.functions.C_CloseSession(old) }
                keeper.session = nil
                try self.openKeeper(&keeper)
            case .void, nil:
                keeper.session = nil
                self.shared.withLock { $0.voidBefore = $0.epoch }
                try self.openKeeper(&keeper, isAnew: true)
            }
            self.shared.withLock { $0.isLost = false }
        }
    }

    /// Asks the token whether it is still there and logged in (C_GetTokenInfo, C_GetSessionInfo); changes nothing.
    ///
    /// Throws what is wrong, an error whose `isAbsence` holds where the token was taken away; `restore` may bring it back.
    public func confirm() throws(PKCS11Error) {
        try onControl { (keeper) throws(PKCS11Error) in
            if let fault = self.outOfService { throw fault }
            let now = self.shared.withLock { $0 }
            let info = try now.slot.tokenInfo()
            guard info.label == self.label else { throw PKCS11Error(.tokenNotFound(label: self.label, seen: [info.label])) }
            guard let session = keeper.session, !now.isLost else { throw PKCS11Error(.userNotLoggedIn, by: "C_GetSessionInfo") }
            switch self.login(session) {
            case .loggedIn: return
            case .loggedOut: if now.needsLogin { throw PKCS11Error(.userNotLoggedIn, by: "C_GetSessionInfo") }
            case .void: throw PKCS11Error(.sessionHandleInvalid, by: "C_GetSessionInfo")
            }
        }
    }

    /// Logs out and closes the keeper. Close the other sessions first; nothing may be opened afterwards.
    public func close() {
        control.sync {
            keeper.withLock { keeper in
                keeper.isClosed = true
                keeper.pin = nil
                guard let session = keeper.session else { return }
                _ = module.functions.C_Logout(session)
                _ = module.functions.C_CloseSession(session)
                keeper.session = nil
            }
        }
    }

    // MARK: - Keys, for sessions

    /// Counts up with each loss; see above.
    public var epoch: Int { shared.withLock { $0.epoch } }

    func key(_ id: [UInt8], epoch: Int) -> KeyPair? {
        shared.withLock { $0.epoch == epoch ? $0.keys[id] : nil }
    }

    func remember(_ key: KeyPair, epoch: Int) {
        shared.withLock { if $0.epoch == epoch { $0.keys[key.id] = key } }
    }

    // MARK: - Control

    private func onControl<R: Sendable>(_ body: @Sendable (inout Keeper) throws(PKCS11Error) -> R) throws(PKCS11Error) -> R {
        let result = control.sync {
            keeper.withLock { keeper in
                Result { () throws(PKCS11Error) in
                    if keeper.isClosed { throw PKCS11Error(.closed) }
                    return try body(&keeper)
                }
            }
        }
        return try result.get()
    }

    enum Login { case loggedIn, loggedOut, void }

    /// What has become of a session.
    func login(_ session: CK_SESSION_HANDLE) -> Login {
        var info = CK_SESSION_INFO()
        guard module.functions.C_GetSessionInfo(session, &info) == CKR_OK else { return .void }
        return info.state == CKS_RO_USER_FUNCTIONS || info.state == CKS_RW_USER_FUNCTIONS ? .loggedIn : .loggedOut
    }

    /// Whether private objects are visible in the session: it is logged in, or the token asks for no login.
    func seesAll(_ session: CK_SESSION_HANDLE) -> Bool {
        switch login(session) {
        case .loggedIn: true
        case .loggedOut: !shared.withLock { $0.needsLogin }
        case .void: false
        }
    }

    func isVoid(epoch: Int) -> Bool { shared.withLock { epoch < $0.voidBefore } }

    /// - Parameter isAnew: the last keeper was lost, alone or with everything else.
    private func openKeeper(_ keeper: inout Keeper, isAnew: Bool = false) throws(PKCS11Error) {
        if let fault = outOfService { throw fault }
        let slot = try module.slot(label: label)
        let info = try slot.tokenInfo()
        // Sessions of earlier epochs that still live would never be closed, and a token has few. (Whatever it answers: most are gone.)
        if isAnew, module.isAlone(label) { _ = module.functions.C_CloseAllSessions(slot.id.rawValue) }
        let session = try open(slot)
        do throws(PKCS11Error) {
            if info.flags.contains(.loginRequired) { try logIn(session, info: info, keeper: &keeper) }
        } catch {
            _ = module.functions.C_CloseSession(session)
            throw error
        }
        keeper.session = session
        shared.withLock { shared in
            shared.slot = slot
            shared.needsLogin = info.flags.contains(.loginRequired)
        }
    }

    /// The one place where C_Login is called.
    private func logIn(_ session: CK_SESSION_HANDLE, info: TokenInfo, keeper: inout Keeper) throws(PKCS11Error) {
        do throws(PKCS11Error) {
            if info.flags.contains(.userPINLocked) { throw PKCS11Error(.pinLocked) }
            if info.flags.contains(.userPINFinalTry) { throw PKCS11Error(.pinFinalTry) }
            if keeper.hasFailed, info.flags.contains(.userPINCountLow) { throw PKCS11Error(.pinCounted) }
            guard let pin = keeper.pin else { throw PKCS11Error(.userNotLoggedIn, by: "C_Login") }
            let value = pin.withBytes { bytes in
                bytes.withUnsafeBufferPointer { buffer in
                    // The function's parameter is not const, the standard's is input only.
                    let start = UnsafeMutablePointer(mutating: buffer.baseAddress)
                    return ReturnValue(rawValue: module.functions.C_Login(session, CK_USER_TYPE(CKU_USER), start, CK_ULONG(buffer.count)))
                }
            }
            guard value == .ok || value == .userAlreadyLoggedIn else { throw PKCS11Error(value, by: "C_Login") }
            // Where another part of this process had logged in, this PIN was not looked at.
            if value == .ok { keeper.isPINProven = true }
            keeper.hasFailed = false
        } catch {
            // A module may say "general error" to a wrong PIN. What did not plainly fail before the PIN was looked at counts as an attempt,
            // and an unproven PIN gets one attempt only; one that was right before gets more as long as the token does not count them.
            keeper.hasFailed = keeper.hasFailed || !error.isBeforePIN
            if error.advice == .takeOutOfService || !(keeper.isPINProven || error.isBeforePIN) {
                keeper.pin = nil
                module.takeOutOfService(label: label, error)
            }
            throw error
        }
    }

    private func open(_ slot: Slot) throws(PKCS11Error) -> CK_SESSION_HANDLE {
        var handle: CK_SESSION_HANDLE = 0
        // Read-only: signing writes nothing, and some cards give one read-write session only.
        try check(module.functions.C_OpenSession(slot.id.rawValue, CK_FLAGS(CKF_SERIAL_SESSION), nil, nil, &handle), "C_OpenSession")
        return handle
    }
}

extension PKCS11Error {
    /// The token was away or the session void before a PIN could be judged.
    fileprivate var isBeforePIN: Bool {
        switch returnValue {
        case .tokenNotPresent, .tokenNotRecognized, .deviceRemoved, .sessionClosed, .sessionHandleInvalid, .cryptokiNotInitialized: true
        default: false
        }
    }
}
