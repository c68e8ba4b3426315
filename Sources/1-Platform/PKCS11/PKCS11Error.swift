/// What failed at a module, slot, token or session: the fault, what may be done about it, and for a person, the remedy.
///
/// Never holds a PIN, a key or data that was signed.
public struct PKCS11Error: Error, Hashable, Sendable {
    public enum Fault: Hashable, Sendable {
        /// A PKCS#11 function, named as in the standard, returned something other than CKR_OK.
        case returned(ReturnValue, by: String)
        /// The library is no PKCS#11 module, or cannot be loaded; `reason` is the loader's own.
        case moduleNotLoadable(path: String, reason: String)
        /// No initialised token has this label. `seen`: the labels that are there.
        case tokenNotFound(label: String, seen: [String])
        /// Several tokens have this label, in these slots.
        case tokenAmbiguous(label: String, slots: [SlotID])
        /// The token says that one more wrong PIN locks it; the PIN was not sent.
        case pinFinalTry
        /// The token says that its PIN is locked; the PIN was not sent.
        case pinLocked
        /// The last login failed without saying why, and the token counted it as a wrong PIN; the PIN was not sent again.
        case pinCounted
        /// No private key of the token has this CKA_ID.
        case keyNotFound(id: [UInt8])
        /// Several private keys of the token have this CKA_ID.
        case keyAmbiguous(id: [UInt8], count: Int)
        /// The pool was closed.
        case closed
    }

    public let fault: Fault
    /// What the caller may do about it.
    public let advice: Advice

    init(_ fault: Fault) {
        self.fault = fault
        advice =
            switch fault {
            case .returned(let value, _): value.advice
            case .moduleNotLoadable, .tokenAmbiguous, .keyNotFound, .keyAmbiguous, .closed: .stop
            case .tokenNotFound: .reopenSession
            case .pinFinalTry, .pinLocked, .pinCounted: .takeOutOfService
            }
    }

    /// What a pool throws after `close`.
    public static let closed = PKCS11Error(.closed)

    init(_ value: ReturnValue, by function: String) { self.init(.returned(value, by: function)) }

    /// The code, where the module gave one.
    public var returnValue: ReturnValue? {
        if case .returned(let value, _) = fault { value } else { nil }
    }

    /// What a person can do, in a sentence; empty where there is nothing to add.
    public var remedy: String {
        switch fault {
        case .returned(let value, _): Self.remedy(for: value)
        case .moduleNotLoadable: "Check the path of the PKCS#11 module and that its package and libraries are installed."
        case .tokenNotFound(_, let seen):
            seen.isEmpty
                ? "No initialised token is there: check that it is plugged in, and the module's own settings (SOFTHSM2_CONF for SoftHSM)."
                : "Tokens with these labels are there: \(seen.map { "\"\($0)\"" }.joined(separator: ", ")). Check the label."
        case .tokenAmbiguous: "Give the tokens different labels."
        case .pinFinalTry: "Log in once by hand with the right PIN (this clears the token's counter), then start again."
        case .pinLocked: "Unlock the PIN with the security officer's PIN (PUK), then start again."
        case .pinCounted: "Check the PIN: it may have been changed. Correct it in its file, descriptor or variable, and start again."
        case .keyNotFound: "List the token's keys, for instance with `pkcs11-tool --login --list-objects`, and check the key's id."
        case .keyAmbiguous: "Give each private key an id of its own."
        case .closed: ""
        }
    }

    private static func remedy(for value: ReturnValue) -> String {
        switch value {
        case .pinIncorrect: "Correct the PIN in its file, descriptor or variable, and start again."
        case .pinLocked: "Unlock the PIN with the security officer's PIN (PUK), then start again."
        case .tokenNotPresent, .deviceRemoved: "Put the token back."
        case .sessionCount: "End other programs that use the token; it needs one session that stays logged in and one at least that signs."
        case .tokenNotRecognized: "Take the token out and put it in again; check that it is one this module knows."
        case .mechanismInvalid: "Choose a signature algorithm that the token has; `pkcs11-tool --list-mechanisms` shows them."
        default: ""
        }
    }
}

extension PKCS11Error: CustomStringConvertible {
    public var description: String {
        switch fault {
        case .returned(let value, let function): "\(function) returned \(value.name): \(value.sentence)"
        case .moduleNotLoadable(let path, let reason): "the PKCS#11 module \(path) cannot be loaded: \(reason)"
        case .tokenNotFound(let label, _): "no token is labelled \"\(label)\""
        case .tokenAmbiguous(let label, let slots):
            "several tokens are labelled \"\(label)\" (slots \(slots.map { String($0.rawValue) }.joined(separator: ", ")))"
        case .pinFinalTry: "the token says that one more wrong PIN locks it, so the PIN is not tried"
        case .pinLocked: "the token's PIN is locked"
        case .pinCounted: "the token counted the last login, which failed, as a wrong PIN, so the PIN is not tried again"
        case .keyNotFound(let id): "the token has no private key with the id \(hexadecimal(id))"
        case .keyAmbiguous(let id, let count): "the token has \(count) private keys with the id \(hexadecimal(id))"
        case .closed: "the token's sessions are closed"
        }
    }
}

// MARK: - What kind of fault it is

extension PKCS11Error {
    /// The token is not there, or everything that was open with it is gone: it was pulled out, switched off, or its module began anew.
    public var isAbsence: Bool {
        switch fault {
        case .tokenNotFound: true
        case .returned(let value, _):
            switch value {
            case .slotIDInvalid, .deviceRemoved, .tokenNotPresent, .tokenNotRecognized, .sessionClosed, .sessionHandleInvalid, .userNotLoggedIn,
                .cryptokiNotInitialized:
                true
            default: false
            }
        default: false
        }
    }

    /// The token has no further session to give now; those that are open stand.
    var isSessionShortage: Bool {
        switch fault {
        case .returned(let value, by: "C_OpenSession"):
            [.sessionCount, .deviceMemory, .hostMemory, .tokenResourceExceeded].contains(value)
        default: false
        }
    }

    /// Another session will do: neither login nor handles are in doubt.
    var isOfSessionAlone: Bool {
        switch returnValue {
        case .operationActive, .operationNotInitialized, .operationCancelFailed, .bufferTooSmall: true
        default: false
        }
    }
}

/// "0a1b" for [0x0A, 0x1B]; how ids are written in configuration and messages.
public func hexadecimal(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
}
