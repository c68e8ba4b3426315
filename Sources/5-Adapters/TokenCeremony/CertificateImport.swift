public import LibCrypto
import PKCS11

/// Puts a certificate beside its key on the token.
public struct CertificateImport: Sendable {
    public var place: TokenPlace
    /// CKA_ID of the key.
    public var id: [UInt8]
    public var certificate: Certificate
    /// CKA_LABEL; nil for that of the key.
    public var label: String?
    /// Whether the certificates that the key had before are taken off the token: after a renewal.
    public var replaces: Bool

    public init(_ place: TokenPlace, id: [UInt8], certificate: Certificate, label: String? = nil, replaces: Bool = false) {
        self.place = place
        self.id = id
        self.certificate = certificate
        self.label = label
        self.replaces = replaces
    }

    /// Refused unless the certificate's public key is that of the private key with this id, and, without `replaces`, where the id has a
    /// certificate already. With it the new one is written before the old ones go.
    ///
    /// - Returns: how many certificates were replaced.
    public func run() throws(CeremonyError) -> Int { try place.step { try write() } }

    private func write() throws -> Int {
        let session = try place.userSession(try place.initialisedSlot(), writes: true)
        let text = hexadecimal(id)
        let (key, publicKey) = try place.keyPair(id: id, in: session)
        guard publicKey == certificate.publicKey else {
            throw place.refused(
                "the certificate of \(certificate) is for another key than the key \(text)",
                remedy: "import the one that was issued for this key's request, or name the key it was issued for")
        }
        let old = try session.certificates(id: id)
        if old.contains(where: { $0.value == certificate.der }) {
            throw place.refused("this certificate stands beside the key \(text) already", remedy: "nothing is left to do")
        }
        guard replaces || old.isEmpty else {
            let now = (try? Certificate(der: old[0].value)).map { "that of \($0)" } ?? "one that cannot be read"
            throw place.refused("the key \(text) has a certificate already, \(now)", remedy: "say --replace to put the new one in its place")
        }
        try session.write(
            CertificateAttributes(
                id: id, label: label ?? key.label, value: certificate.der, subject: certificate.subjectDER, issuer: certificate.issuerDER,
                serialNumber: certificate.serialNumberDER))
        do {
            for certificate in old { try session.destroy(certificate) }
        } catch {
            throw CeremonyError(
                .worldFailed, "token \(place.name)", "the new certificate stands beside the key \(text), and an old one too: \(error)",
                remedy: "take the old one off with its maker's tool")
        }
        return old.count
    }
}
