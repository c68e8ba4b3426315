public import OperatingSystem
import PKCS11

/// Where a token is and how it is entered, as configuration or command line say it.
public struct TokenPlace: Sendable {
    /// What errors and listings call it: the configuration's name, else its label or slot.
    public var name: String
    /// Path of the PKCS#11 module.
    public var module: String
    /// Variables that the module reads when it is loaded.
    public var environment: [String: String]
    /// nil: told by the slot, or the only token there.
    public var label: String?
    /// The module's number of the slot.
    public var slot: UInt?
    public var pin: SecretSource?

    public init(
        name: String, module: String, environment: [String: String] = [:], label: String? = nil, slot: UInt? = nil, pin: SecretSource? = nil
    ) {
        self.name = name
        self.module = module
        self.environment = environment
        self.label = label
        self.slot = slot
        self.pin = pin
    }

    func loadedModule() throws(PKCS11Error) -> Module { try Module.load(path: module, environment: environment) }

    /// The slot of the token that is meant: initialised, with the label where one is given.
    func initialisedSlot() throws -> Slot {
        let module = try loadedModule()
        guard let number = slot else {
            if let label { return try module.slot(label: label) }
            let found = try module.slots().filter { try $0.tokenInfo().flags.contains(.tokenInitialized) }
            guard found.count == 1 else {
                throw CeremonyError(
                    .unusable, "module \(self.module)", "it has \(found.count) initialised tokens, and which is meant is not said",
                    remedy: "name it with --label or --slot; tanba tokens list shows them")
            }
            return found[0]
        }
        let slot = try self.slot(number, in: module)
        let info = try slot.tokenInfo()
        guard info.flags.contains(.tokenInitialized) else {
            throw refused("the token in slot \(number) is not initialised", remedy: "make it a token first, with tanba tokens init")
        }
        if let label, info.label != label {
            throw refused("slot \(number) holds the token \"\(info.label)\" and not \"\(label)\"", remedy: "correct --slot or --label")
        }
        return slot
    }

    /// The slot with this number, whatever its token.
    func slot(_ number: UInt, in module: Module) throws -> Slot {
        let slots = try module.slots()
        guard let slot = slots.first(where: { $0.id.rawValue == number }) else {
            let there = slots.map { String($0.id.rawValue) }.joined(separator: ", ")
            throw CeremonyError(
                .worldFailed, "module \(self.module)", "no token is in slot \(number)",
                remedy: there.isEmpty ? "no slot has a token: check that it is plugged in" : "slots with a token: \(there)")
        }
        return slot
    }

    /// A session in which the user is logged in. The PIN is read here and sent once.
    func userSession(_ slot: Slot, writes: Bool) throws -> CeremonySession {
        var session = try CeremonySession(slot, writes: writes)
        try session.logIn(as: .user, try readPIN(pin, for: slot, option: "--pin"))
        return session
    }

    /// The PIN; nil where it is entered at the token's own keypad.
    func readPIN(_ source: SecretSource?, for slot: Slot, option: String) throws -> Secret? {
        if let source { return try source.read() }
        if try slot.tokenInfo().flags.contains(.protectedAuthenticationPath) { return nil }
        throw CeremonyError(
            .unusable, "token \(name)", "this needs its PIN, and where that is was not said",
            remedy: "say \(option) file:/path, \(option) fd:NUMBER or \(option) env:NAME")
    }
}
