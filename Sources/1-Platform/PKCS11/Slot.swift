internal import CPKCS11

/// The number that a module gives a slot; it may change from start to start, so tokens are found by label.
public struct SlotID: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt
    public init(rawValue: UInt) { self.rawValue = rawValue }
}

/// A place where a module may hold a token.
public struct Slot: Sendable {
    public let module: Module
    public let id: SlotID

    /// What the token in this slot says of itself at this moment. Throws CKR_TOKEN_NOT_PRESENT where there is none.
    public func tokenInfo() throws(PKCS11Error) -> TokenInfo {
        var info = CK_TOKEN_INFO()
        try check(module.functions.C_GetTokenInfo(id.rawValue, &info), "C_GetTokenInfo")
        return TokenInfo(info)
    }

    /// The mechanisms of the token in this slot.
    public func mechanisms() throws(PKCS11Error) -> [Mechanism] {
        var count: CK_ULONG = 0
        try check(module.functions.C_GetMechanismList(id.rawValue, nil, &count), "C_GetMechanismList")
        var list = [CK_MECHANISM_TYPE](repeating: 0, count: Int(count))
        try check(module.functions.C_GetMechanismList(id.rawValue, &list, &count), "C_GetMechanismList")
        return list.prefix(Int(count)).map(Mechanism.init(rawValue:))
    }
}

/// What a token says of itself (CK_TOKEN_INFO).
public struct TokenInfo: Hashable, Sendable {
    public let label: String
    public let manufacturer: String
    public let model: String
    public let serialNumber: String
    public let flags: Flags
    /// How many sessions one program may have open; nil where the token says that there is no limit, or does not say.
    public let sessionCountMax: Int?

    public struct Flags: OptionSet, Hashable, Sendable {
        public let rawValue: UInt
        public init(rawValue: UInt) { self.rawValue = rawValue }

        public static let loginRequired = Flags(rawValue: 0x4)
        public static let userPINInitialized = Flags(rawValue: 0x8)
        /// The user enters the PIN at the device.
        public static let protectedAuthenticationPath = Flags(rawValue: 0x100)
        public static let tokenInitialized = Flags(rawValue: 0x400)
        /// A wrong PIN was tried since the last right one.
        public static let userPINCountLow = Flags(rawValue: 0x10000)
        /// One more wrong PIN locks the token.
        public static let userPINFinalTry = Flags(rawValue: 0x20000)
        public static let userPINLocked = Flags(rawValue: 0x40000)
    }
}

extension TokenInfo {
    init(_ info: CK_TOKEN_INFO) {
        label = padded(info.label)
        manufacturer = padded(info.manufacturerID)
        model = padded(info.model)
        serialNumber = padded(info.serialNumber)
        flags = Flags(rawValue: info.flags)
        // CK_EFFECTIVELY_INFINITE is 0, CK_UNAVAILABLE_INFORMATION is all ones (PKCS#11, 3.2)
        sessionCountMax = info.ulMaxSessionCount == 0 ? nil : Int(exactly: info.ulMaxSessionCount)
    }
}

/// The text of a fixed field, padded with blanks and not ended by a zero (PKCS#11, 3.1).
private func padded<Field>(_ field: Field) -> String {
    withUnsafeBytes(of: field) { bytes in
        var end = bytes.count
        while end > 0, bytes[end - 1] == 0x20 || bytes[end - 1] == 0 { end -= 1 }
        return String(decoding: bytes[..<end], as: UTF8.self)
    }
}
