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

    /// What the slot says of itself, with or without a token.
    public func info() throws(PKCS11Error) -> SlotInfo {
        var info = CK_SLOT_INFO()
        try check(module.functions.C_GetSlotInfo(id.rawValue, &info), "C_GetSlotInfo")
        return SlotInfo(info)
    }

    /// What the token in this slot says of itself at this moment. Throws CKR_TOKEN_NOT_PRESENT where there is none.
    public func tokenInfo() throws(PKCS11Error) -> TokenInfo {
        var info = CK_TOKEN_INFO()
        try check(module.functions.C_GetTokenInfo(id.rawValue, &info), "C_GetTokenInfo")
        return TokenInfo(info)
    }

    /// The mechanisms of the token in this slot.
    public func mechanisms() throws(PKCS11Error) -> [Mechanism] {
        try list("C_GetMechanismList") { module.functions.C_GetMechanismList(id.rawValue, $0, $1) }.map(Mechanism.init(rawValue:))
    }

    /// What the token in this slot can do with the mechanism. Throws CKR_MECHANISM_INVALID where it does not have it.
    public func mechanismInfo(_ mechanism: Mechanism) throws(PKCS11Error) -> MechanismInfo {
        var info = CK_MECHANISM_INFO()
        try check(module.functions.C_GetMechanismInfo(id.rawValue, mechanism.rawValue, &info), "C_GetMechanismInfo")
        return MechanismInfo(info)
    }
}

/// What a slot says of itself (CK_SLOT_INFO).
public struct SlotInfo: Hashable, Sendable {
    public let description: String
    public let manufacturer: String
    public let flags: Flags

    public struct Flags: OptionSet, Hashable, Sendable {
        public let rawValue: UInt
        public init(rawValue: UInt) { self.rawValue = rawValue }

        public static let tokenPresent = Flags(rawValue: 0x1)
        /// Tokens come and go, as in a card reader.
        public static let removableDevice = Flags(rawValue: 0x2)
        public static let hardwareSlot = Flags(rawValue: 0x4)
    }
}

extension SlotInfo {
    init(_ info: CK_SLOT_INFO) {
        description = padded(info.slotDescription)
        manufacturer = padded(info.manufacturerID)
        flags = Flags(rawValue: info.flags)
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
func padded<Field>(_ field: Field) -> String {
    withUnsafeBytes(of: field) { bytes in
        var end = bytes.count
        while end > 0, bytes[end - 1] == 0x20 || bytes[end - 1] == 0 { end -= 1 }
        return String(decoding: bytes[..<end], as: UTF8.self)
    }
}

/// A list that a function gives in two calls, its length first. Asks again where the list grew between the two.
func list<Element: FixedWidthInteger>(
    _ name: String, _ function: (UnsafeMutablePointer<Element>?, UnsafeMutablePointer<CK_ULONG>) -> CK_RV
) throws(PKCS11Error) -> [Element] {
    for _ in 0..<5 {
        var count: CK_ULONG = 0
        try check(function(nil, &count), name)
        // Room for at least one: a pointer to nothing would ask for the length again.
        let room = max(1, Int(clamping: count))
        guard room <= 1 << 16 else { break }
        var list = [Element](repeating: 0, count: room)
        count = CK_ULONG(room)
        let value = list.withUnsafeMutableBufferPointer { function($0.baseAddress, &count) }
        if ReturnValue(rawValue: value) == .bufferTooSmall { continue }
        try check(value, name)
        return Array(list.prefix(Int(clamping: count)))
    }
    throw PKCS11Error(.bufferTooSmall, by: name)
}
