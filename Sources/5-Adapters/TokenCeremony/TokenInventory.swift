import CertificationRequest
public import FoundationEssentials
import LibCrypto
import OperatingSystem
import PKCS11

/// What is in the slots of one module. Looking changes nothing; a user is logged in only where a PIN is given and the token does not say that
/// wrong ones were tried.
public struct TokenInventory: Sendable {
    /// Path of the PKCS#11 module.
    public let module: String
    public private(set) var tokens: [TokenDescription] = []
    /// Tokens that were to be there and are not.
    public private(set) var problems: [String] = []

    /// - Parameters:
    ///   - module: its path.
    ///   - environment: variables that the module reads.
    ///   - places: tokens of this module that are meant to be there, with their PINs.
    ///   - onlyThese: leaves out the slots of other tokens.
    ///   - now: when certificates are judged.
    /// - Throws: `CeremonyError` where the module itself cannot be asked. What one slot does not tell is a problem of its token.
    public init(module path: String, environment: [String: String], places: [TokenPlace], onlyThese: Bool, now: Date) throws(CeremonyError) {
        module = path
        let module: Module
        let slots: [Slot]
        do throws(PKCS11Error) {
            module = try Module.load(path: path, environment: environment)
            // SoftHSM may see no token when another program starts at the same moment; looking for one by its label begins anew then.
            for place in places { if let label = place.label { _ = try? module.slot(label: label) } }
            slots = try module.slots()
        } catch {
            throw CeremonyError(.worldFailed, "module \(path)", "\(error)", remedy: sentence(error.remedy))
        }
        var missing = places
        let labels = slots.map { (try? $0.tokenInfo())?.label }
        for slot in slots {
            let info = try? slot.tokenInfo()
            let place = places.first { $0.slot.map { $0 == slot.id.rawValue } ?? ($0.label != nil && $0.label == info?.label) }
            if let place { missing.removeAll { $0.name == place.name } } else if onlyThese { continue }
            var description = TokenDescription(slot: slot.id.rawValue)
            do {
                try description.describe(slot)
                let isTwin = labels.count { $0 == info?.label } > 1
                if isTwin, place?.slot == nil, place != nil {
                    description.problems.append("another token has this label, so no PIN was sent; give each its own, or name the slot")
                }
                let isEntered = !isTwin || place?.slot != nil
                if description.isInitialised { try description.describeObjects(slot, pin: isEntered ? place?.pin : nil, now: now) }
            } catch {
                description.problems.append("it cannot be asked: \(error)")
            }
            tokens.append(description)
        }
        for place in missing {
            let place = place.slot.map { "no token is in slot \($0)" } ?? "no token is labelled \"\(place.label ?? "")\""
            problems.append("\(place); plug it in, or correct the configuration")
        }
    }

    public var isHealthy: Bool { problems.isEmpty && tokens.allSatisfy(\.problems.isEmpty) }
}

extension TokenDescription {
    fileprivate mutating func describe(_ slot: Slot) throws {
        if let info = try? slot.info() { reader = info.description }
        let info = try slot.tokenInfo()
        let flags = info.flags
        label = info.label
        manufacturer = info.manufacturer
        model = info.model
        serialNumber = info.serialNumber
        sessionsMax = info.sessionCountMax
        isInitialised = flags.contains(.tokenInitialized)
        let mechanisms = (try? slot.mechanisms()) ?? []
        signs = mechanisms.compactMap { Self.name(of: $0, in: slot) }
        makes = KeyKind.allCases.filter { mechanisms.contains($0.generation) }.map(\.rawValue)
        guard isInitialised else {
            conditions.append("not initialised")
            return
        }
        if !flags.contains(.userPINInitialized) { conditions.append("no user PIN yet") }
        if flags.contains(.protectedAuthenticationPath) { conditions.append("PIN entered at the device") }
        if flags.contains(.userPINLocked) {
            conditions.append("PIN locked")
            problems.append("its PIN is locked; unlock it with the security officer's PIN (PUK)")
        } else if flags.contains(.userPINFinalTry) {
            conditions.append("PIN has one try left")
            problems.append("one more wrong PIN locks it; log in once by hand with the right PIN")
        } else if flags.contains(.userPINCountLow) {
            conditions.append("a wrong PIN was tried")
        }
    }

    fileprivate mutating func describeObjects(_ slot: Slot, pin: SecretSource?, now: Date) throws {
        var session = try CeremonySession(slot, writes: false)
        if let source = pin {
            let flags = try slot.tokenInfo().flags
            if flags.isDisjoint(with: [.userPINCountLow, .userPINFinalTry, .userPINLocked]) {
                do {
                    try session.logIn(as: .user, try source.read())
                    isLoggedIn = true
                } catch {
                    problems.append(
                        ["the login failed: \(error)", (error as? PKCS11Error)?.remedy ?? ""].filter { !$0.isEmpty }.joined(separator: " "))
                }
            } else {
                problems.append("a wrong PIN was tried, so its PIN was not sent; tanba tokens test sends it, once: make sure of it first")
            }
        }
        let privateKeys = try session.privateKeys()
        let publicKeys = try session.publicKeys().filter { key in !privateKeys.contains { $0.id == key.id && $0.type == key.type } }
        for key in privateKeys + publicKeys {
            let known = try session.publicKey(of: key)
            keys.append(
                KeyDescription(
                    id: hexadecimal(key.id), label: key.label, kind: known.flatMap(\.kind) ?? "\(key.type)", isPrivate: key.isPrivate,
                    isExtractable: key.isExtractable, isMadeInside: key.isLocal, publicKey: known.flatMap(\.publicKey)))
        }
        keys.sort { $0.id < $1.id }
        for stored in try session.certificates() { add(stored, now: now) }
        certificates.sort { $0.id < $1.id }
    }

    private mutating func add(_ stored: StoredCertificate, now: Date) {
        let id = hexadecimal(stored.id)
        let certificate: Certificate
        do {
            certificate = try Certificate(der: stored.value)
        } catch {
            problems.append("the certificate \(id) cannot be read: \(error)")
            return
        }
        let key = keys.first { $0.id == id && $0.publicKey != nil }
        let description = CertificateDescription(
            id: id, label: stored.label, certificate: certificate,
            daysLeft: Int((certificate.notAfter.timeIntervalSince(now) / 86_400).rounded(.down)),
            fitsKey: key?.publicKey.map { $0 == certificate.publicKey })
        certificates.append(description)
        if description.fitsKey == false {
            problems.append("the certificate \(id) is not that of the key \(id); import the right one")
        }
        if description.hasEnded { problems.append("the certificate \(id) has ended; import a new one") }
        if certificate.notBefore > now { problems.append("the certificate \(id) is not valid yet; check the clock") }
    }

    /// nil for mechanisms that sign nothing here. Vendors' own are listed by number: one of them may be GOST's.
    private static func name(of mechanism: Mechanism, in slot: Slot) -> String? {
        switch mechanism {
        case .rsaPKCS, .rsaPKCSPSS, .ecdsa, .eddsa: "\(mechanism)"
        case _ where mechanism.rawValue == 0x1201: "CKM_GOSTR3410"
        case _ where mechanism.rawValue >= 0x8000_0000:
            (try? slot.mechanismInfo(mechanism))?.flags.contains(.sign) == true ? "0x" + String(mechanism.rawValue, radix: 16) : nil
        default: nil
        }
    }
}

extension StoredPublicKey {
    /// nil where its numbers are no key that is known here.
    var publicKey: PublicKey? {
        let info: [UInt8]
        switch self {
        case .rsa(let modulus, let exponent): info = SubjectPublicKeyInfo.rsa(modulus: modulus, exponent: exponent)
        case .ec(let parameters, let point): info = SubjectPublicKeyInfo.ec(parameters: parameters, point: point)
        case .edwards(_, let point): info = SubjectPublicKeyInfo.ed25519(point: point)
        case .other: return nil
        }
        return try? PublicKey(subjectPublicKeyInfo: info)
    }

    /// Such as `RSA 2048`.
    var kind: String? {
        switch publicKey?.kind {
        case .rsa(let bits): "RSA \(bits)"
        case .ec(let curve): "EC \(curve)"
        case .ed25519: "Ed25519"
        default: nil
        }
    }
}
