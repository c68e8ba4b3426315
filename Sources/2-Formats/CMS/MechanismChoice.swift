/// The way to sign that a profile's configuration asks for: `rsa-pkcs1`, `rsa-pss`, `ecdsa`, `eddsa`, or a PKCS #11 mechanism by its
/// number, `0x80000001`.
///
/// A number is for what a token's vendor added (GOST, say). Such a mechanism is given what the algorithm signs as it is, the digest
/// as a rule, without parameters. The numbers of the four that have names mean the same as the names.
public enum MechanismChoice: Sendable, Hashable {
    case rsaPKCS1
    case rsaPSS
    case ecdsa
    case eddsa
    /// A CKM number.
    case number(UInt)

    /// Nil for anything else than the five forms; a number is hexadecimal, up to 0xffffffff.
    public init?(_ text: String) {
        if let named = Self.names.first(where: { $0.name == text }) {
            self = named.choice
            return
        }
        let digits = text.dropFirst(2)
        guard text.hasPrefix("0x"), digits.count <= 8, digits.allSatisfy(\.isHexDigit), let number = UInt(digits, radix: 16)
        else { return nil }
        self = Self.named[number] ?? .number(number)
    }

    /// Whether an algorithm of CMS is made so. A number says nothing of the algorithm: the certificate's key and the digest do.
    public func allows(_ algorithm: SignatureAlgorithm) -> Bool {
        if case .number = self { true } else { algorithm.mechanism == self }
    }

    private static let names: [(name: String, choice: MechanismChoice)] = [
        ("rsa-pkcs1", .rsaPKCS1), ("rsa-pss", .rsaPSS), ("ecdsa", .ecdsa), ("eddsa", .eddsa),
    ]
    /// CKM_RSA_PKCS, CKM_RSA_PKCS_PSS, CKM_ECDSA and CKM_EDDSA.
    private static let named: [UInt: MechanismChoice] = [0x1: .rsaPKCS1, 0xD: .rsaPSS, 0x1041: .ecdsa, 0x1057: .eddsa]
    /// As configuration and errors list them.
    public static let forms = names.map(\.name).joined(separator: ", ") + " or a number such as 0x80000001"
}

// MARK: CustomStringConvertible

extension MechanismChoice: CustomStringConvertible {
    /// As configuration writes it.
    public var description: String {
        if case .number(let number) = self { return "0x" + String(number, radix: 16) }
        return Self.names.first { $0.choice == self }!.name
    }
}
