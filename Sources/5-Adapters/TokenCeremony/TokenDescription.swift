public import LibCrypto

/// A slot and what was found in it.
public struct TokenDescription: Sendable {
    /// The module's number of the slot.
    public var slot: UInt
    /// The slot's own words: for a card the reader's name.
    public var reader = ""
    public var label = ""
    public var manufacturer = ""
    public var model = ""
    public var serialNumber = ""
    public var isInitialised = false
    /// How many sessions one program may have open; nil without a limit.
    public var sessionsMax: Int?
    /// What its PIN and state are like, in words.
    public var conditions: [String] = []
    /// Mechanisms it can sign with, by the standard's names.
    public var signs: [String] = []
    /// Kinds of key that can be made in it, as `tanba tokens key --kind` takes them.
    public var makes: [String] = []
    /// Whether private keys could be seen.
    public var isLoggedIn = false
    public var keys: [KeyDescription] = []
    public var certificates: [CertificateDescription] = []
    /// What is not as it should be, each with what to do about it.
    public var problems: [String] = []

    init(slot: UInt) { self.slot = slot }
}

/// A key of a token: its private half, or its public half where that alone is seen.
public struct KeyDescription: Sendable {
    /// CKA_ID in hexadecimal digits.
    public let id: String
    public let label: String
    /// Such as `RSA 2048` or `EC P-256`.
    public let kind: String
    public let isPrivate: Bool
    /// Whether the private key can leave the token; nil where that is not known.
    public let isExtractable: Bool?
    /// Whether the key was made in the token; nil where that is not known.
    public let isMadeInside: Bool?
    /// nil where the token does not tell it.
    public let publicKey: PublicKey?
}

/// A certificate of a token.
public struct CertificateDescription: Sendable {
    /// CKA_ID in hexadecimal digits.
    public let id: String
    public let label: String
    public let certificate: Certificate
    /// Whole days until it ends; negative after it has ended.
    public let daysLeft: Int
    /// Whether its public key is that of the key with the same id; nil where there is no such key, or it is not told.
    public let fitsKey: Bool?

    public var hasEnded: Bool { daysLeft < 0 }
}
