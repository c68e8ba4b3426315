import LibCrypto
import PKCS11

/// Makes a key pair inside a token.
public struct KeyCreation: Sendable {
    public var place: TokenPlace
    /// One of `kinds`.
    public var kind: String
    /// CKA_ID.
    public var id: [UInt8]
    /// CKA_LABEL, for people.
    public var label: String

    /// What `kind` may be.
    public static let kinds = KeyKind.allCases.map(\.rawValue)

    public init(_ place: TokenPlace, kind: String, id: [UInt8], label: String) {
        self.place = place
        self.kind = kind
        self.id = id
        self.label = label
    }

    /// Refused where anything on the token has the id: a signer would not know which is meant.
    public func run() throws(CeremonyError) -> KeyDescription { try place.step { try create() } }

    private func create() throws -> KeyDescription {
        guard let kind = KeyKind(rawValue: kind) else {
            throw CeremonyError(.unusable, "the key", "\"\(kind)\" is no kind of key", remedy: "use one of: \(Self.kinds.joined(separator: ", "))")
        }
        let slot = try place.initialisedSlot()
        let mechanisms = try slot.mechanisms()
        guard mechanisms.contains(kind.generation) else {
            let kinds = KeyKind.allCases.filter { mechanisms.contains($0.generation) }.map(\.rawValue)
            throw place.refused(
                "it makes no \(kind.rawValue) keys", remedy: kinds.isEmpty ? "use another token" : "it makes: \(kinds.joined(separator: ", "))")
        }
        let session = try place.userSession(slot, writes: true)
        let text = hexadecimal(id)
        let taken: [(what: String, labels: [String])] = [
            ("a private key", try session.privateKeys(id: id).map(\.label)), ("a public key", try session.publicKeys(id: id).map(\.label)),
            ("a certificate", try session.certificates(id: id).map(\.label)),
        ]
        if let taken = taken.first(where: { !$0.labels.isEmpty }) {
            throw place.refused(
                "\(taken.what) \"\(taken.labels[0])\" has the id \(text) already", remedy: "choose another --id; tanba tokens list shows those taken")
        }
        let key = try session.generateKeyPair(kind, id: id, label: label)
        let known = try session.publicKey(of: key)
        return KeyDescription(
            id: text, label: key.label, kind: known.flatMap(\.kind) ?? "\(key.type)", isPrivate: true, isExtractable: key.isExtractable,
            isMadeInside: key.isLocal, publicKey: known.flatMap(\.publicKey))
    }
}

extension TokenPlace {
    /// The one private key with this id, and its public half.
    func keyPair(id: [UInt8], in session: borrowing CeremonySession) throws -> (key: StoredKey, publicKey: PublicKey) {
        let keys = try session.privateKeys(id: id)
        let text = hexadecimal(id)
        guard let key = keys.first else {
            let ids = Set(try session.privateKeys().map { hexadecimal($0.id) }).sorted()
            throw refused(
                "it has no private key with the id \(text)",
                remedy: ids.isEmpty ? "it has none at all; make one with tanba tokens key" : "it has: \(ids.joined(separator: ", "))")
        }
        guard keys.count == 1 else {
            throw refused("it has \(keys.count) private keys with the id \(text)", remedy: "give each an id of its own, with its maker's tool")
        }
        guard let publicKey = try session.publicKey(of: key)?.publicKey else {
            throw refused("it does not tell the public half of the key \(text)", remedy: "write the public key object back, with its maker's tool")
        }
        return (key, publicKey)
    }
}
