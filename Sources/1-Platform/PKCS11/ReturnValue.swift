/// A CKR code: what a PKCS#11 function returned. A struct and no enum, so that a code no standard knows survives as a number.
///
/// Names and meanings: PKCS#11 3.0, section 5.1 and pkcs11t.h. What to do about each is `advice`.
public struct ReturnValue: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt

    public init(rawValue: UInt) { self.rawValue = rawValue }

    /// The standard's name, such as "CKR_PIN_INCORRECT"; "CKR 0x80000001 (vendor-defined)" where it has none.
    public var name: String {
        if let known = Self.known[rawValue] { return known.name }
        return "CKR 0x" + String(rawValue, radix: 16) + (rawValue >= 0x8000_0000 ? " (vendor-defined)" : " (unknown)")
    }

    /// What the standard says the code means, in a sentence.
    public var sentence: String {
        Self.known[rawValue]?.sentence ?? "The module returned a code that the standard does not define; its vendor's manual does."
    }

    /// What the caller may do about it. A code that nobody knows counts as a session in doubt: reopen it.
    public var advice: Advice { Self.known[rawValue]?.advice ?? .reopenSession }
}

/// What a caller may do after a PKCS#11 function failed, from the mildest to the hardest.
public enum Advice: String, Hashable, Sendable, CaseIterable {
    /// The same call may succeed later; sessions, login and key handles stand. `SessionPool` repeats it a few times after short pauses.
    case retry
    /// The session is gone or in doubt: close it, open another, find the keys again.
    case reopenSession
    /// The login is gone: log in again, if the PIN was right before, then as `reopenSession`.
    case logInAgain
    /// Only a person at the token can help; trying again harms it (PIN counters) or is in vain. The token is not used again by this program.
    case takeOutOfService
    /// The call itself is wrong for this key or token: configuration or program must change. It is not repeated.
    case stop
}

extension ReturnValue: CustomStringConvertible {
    public var description: String { name }
}

// MARK: - Codes that this package compares with

extension ReturnValue {
    public static let ok = ReturnValue(rawValue: 0x0)
    public static let hostMemory = ReturnValue(rawValue: 0x2)
    public static let slotIDInvalid = ReturnValue(rawValue: 0x3)
    public static let generalError = ReturnValue(rawValue: 0x5)
    public static let argumentsBad = ReturnValue(rawValue: 0x7)
    public static let attributeSensitive = ReturnValue(rawValue: 0x11)
    public static let attributeTypeInvalid = ReturnValue(rawValue: 0x12)
    public static let deviceError = ReturnValue(rawValue: 0x30)
    public static let deviceMemory = ReturnValue(rawValue: 0x31)
    public static let deviceRemoved = ReturnValue(rawValue: 0x32)
    public static let functionNotSupported = ReturnValue(rawValue: 0x54)
    public static let keyHandleInvalid = ReturnValue(rawValue: 0x60)
    public static let mechanismInvalid = ReturnValue(rawValue: 0x70)
    public static let operationActive = ReturnValue(rawValue: 0x90)
    public static let operationNotInitialized = ReturnValue(rawValue: 0x91)
    public static let pinIncorrect = ReturnValue(rawValue: 0xA0)
    public static let pinLocked = ReturnValue(rawValue: 0xA4)
    public static let sessionClosed = ReturnValue(rawValue: 0xB0)
    public static let sessionCount = ReturnValue(rawValue: 0xB1)
    public static let sessionHandleInvalid = ReturnValue(rawValue: 0xB3)
    public static let tokenNotPresent = ReturnValue(rawValue: 0xE0)
    public static let tokenNotRecognized = ReturnValue(rawValue: 0xE1)
    public static let userAlreadyLoggedIn = ReturnValue(rawValue: 0x100)
    public static let userNotLoggedIn = ReturnValue(rawValue: 0x101)
    public static let bufferTooSmall = ReturnValue(rawValue: 0x150)
    public static let cryptokiNotInitialized = ReturnValue(rawValue: 0x190)
    public static let cryptokiAlreadyInitialized = ReturnValue(rawValue: 0x191)
    public static let tokenResourceExceeded = ReturnValue(rawValue: 0x201)
    public static let operationCancelFailed = ReturnValue(rawValue: 0x202)

    /// Every code of the standard, in its order.
    public static var all: [ReturnValue] { known.keys.sorted().map(ReturnValue.init(rawValue:)) }
}
