public import OperatingSystem
import PKCS11

/// Makes a new token: label, security officer's PIN, user's PIN.
public struct TokenInitialisation: Sendable {
    /// `label`: of the token to be. `slot`: where; nil for the one slot with a token that is not initialised. `pin`: the user's.
    public var place: TokenPlace
    public var officerPIN: SecretSource?
    /// Whether a token that is initialised may be destroyed with everything on it.
    public var erases: Bool

    public init(_ place: TokenPlace, officerPIN: SecretSource?, erases: Bool) {
        self.place = place
        self.officerPIN = officerPIN
        self.erases = erases
    }

    public struct Done: Sendable {
        public let slot: UInt
        public let label: String
        public let serialNumber: String
    }

    /// Looks at everything that can be looked at first: both PINs, their lengths, the label, the state of the slot. Only then the token is
    /// made, with one attempt of the security officer's PIN where it has one already.
    public func run() throws(CeremonyError) -> Done { try place.step { try initialise() } }

    private func initialise() throws -> Done {
        guard let label = place.label, !label.isEmpty else {
            throw CeremonyError(.unusable, "the token", "its label is missing", remedy: "say it with --label")
        }
        guard label.utf8.count <= 32, !label.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else {
            throw CeremonyError(
                .unusable, "the token", "its label is longer than 32 bytes or has control characters", remedy: "choose another --label")
        }
        let module = try place.loadedModule()
        let slot = try freeSlot(label, in: module)
        let officer = try place.readPIN(officerPIN, for: slot, option: "--so-pin")
        let user = try place.readPIN(place.pin, for: slot, option: "--pin")
        if let lengths = try slot.pinLengths() {
            for (pin, whose) in [(officer, "the security officer's PIN"), (user, "the user's PIN")] {
                guard let count = pin?.withBytes({ $0.count }) else { continue }
                guard lengths.shortest...max(lengths.shortest, lengths.longest) ~= count else {
                    throw place.refused(
                        "\(whose) has another length than this token takes", remedy: "choose one of \(lengths.shortest) to \(lengths.longest) bytes")
                }
            }
        }
        if try slot.tokenInfo().flags.contains(.tokenInitialized) {
            switch try slot.officerPINState() {
            case .locked:
                throw place.refused(
                    "the security officer's PIN is locked, so the token cannot be erased", remedy: "ask its maker for the way to a blank token")
            case .finalTry:
                throw place.refused(
                    "one more wrong PIN of the security officer locks it, so it is not tried", remedy: "make sure of it, and use its maker's own tool"
                )
            case .countLow, .good: break
            }
        }
        try slot.initialiseToken(label: label, officerPIN: officer)
        do {
            var session = try CeremonySession(slot, writes: true)
            try session.logIn(as: .securityOfficer, officer)
            try session.initialiseUserPIN(user)
        } catch {
            throw CeremonyError(
                .worldFailed, "token \(place.name)", "it is initialised as \"\(label)\" and has no user's PIN: \(error)",
                remedy: "run this again with --erase")
        }
        let info = try slot.tokenInfo()
        return Done(slot: slot.id.rawValue, label: info.label, serialNumber: info.serialNumber)
    }

    /// The slot to make it in. A label is given to one token only: signers find theirs by it.
    private func freeSlot(_ label: String, in module: Module) throws -> Slot {
        let slots = try module.slots()
        let infos = try slots.map { try $0.tokenInfo() }
        let same = slots.indices.first { infos[$0].flags.contains(.tokenInitialized) && infos[$0].label == label }
        let chosen: Slot
        if let number = place.slot {
            chosen = try place.slot(number, in: module)
        } else if let same {
            chosen = slots[same]
        } else {
            let blank = slots.indices.filter { !infos[$0].flags.contains(.tokenInitialized) }
            guard blank.count == 1 else {
                let numbers = blank.map { String(slots[$0].id.rawValue) }.joined(separator: ", ")
                throw CeremonyError(
                    blank.isEmpty ? .refused : .unusable, "module \(place.module)",
                    blank.isEmpty ? "no slot has a token that is not initialised" : "several slots have a token that is not initialised",
                    remedy: blank.isEmpty
                        ? "put a blank token in, or name one to destroy with --slot and --erase" : "choose one with --slot: \(numbers)")
            }
            chosen = slots[blank[0]]
        }
        if let same, slots[same].id != chosen.id {
            throw place.refused("another token, in slot \(slots[same].id.rawValue), is labelled \"\(label)\"", remedy: "choose another --label")
        }
        let info = try chosen.tokenInfo()
        guard erases || !info.flags.contains(.tokenInitialized) else {
            throw place.refused(
                "the token \"\(info.label)\" in slot \(chosen.id.rawValue) is initialised already",
                remedy: "choose a blank one with --slot; --erase destroys this one with all its keys")
        }
        return chosen
    }
}
