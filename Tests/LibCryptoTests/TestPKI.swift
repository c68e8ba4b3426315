import Foundation
import LibCrypto

/// A root, an authority below it, a signer and a time-stamping authority, made in memory.
struct TestPKI {
    static let start = Date(timeIntervalSince1970: 1_767_225_600)  // 2026-01-01
    static let end = start.addingTimeInterval(365 * 86400)
    static let middle = start.addingTimeInterval(100 * 86400)

    let rootKey: PrivateKey
    let authorityKey: PrivateKey
    let leafKey: PrivateKey
    let root: Certificate
    let authority: Certificate
    let signer: Certificate
    let timeStamper: Certificate

    /// Generated once: an RSA key takes a tenth of a second and more.
    private static let sharedAuthorityKey = Result { try PrivateKey.generateRSA(bits: 2048) }

    /// Of the authority's kind, but nobody's.
    static let forgersKey = Result { try PrivateKey.generateRSA(bits: 2048) }

    init() throws {
        try self.init(authorityKey: Self.sharedAuthorityKey.get())
    }

    init(authorityKey: PrivateKey) throws {
        rootKey = try .generateEC(curve: "P-256")
        self.authorityKey = authorityKey
        leafKey = try .generateEC(curve: "P-256")
        let before = Self.start.addingTimeInterval(-86400)
        let after = Self.end.addingTimeInterval(86400)
        root = try CertificateBuilder.authority(.init(commonName: "Root"), notBefore: before, notAfter: after, serialNumber: [1])
            .selfSigned(by: rootKey)
        authority =
            try CertificateBuilder
            .authority(.init(commonName: "Authority"), notBefore: before, notAfter: after, serialNumber: [0x80, 2], authoritiesBelow: 0)
            .issued(to: authorityKey.publicKey, by: root, with: rootKey)
        signer = try Self.signerBuilder.issued(to: leafKey.publicKey, by: authority, with: authorityKey)
        timeStamper = try Self.timeStamperBuilder.issued(to: leafKey.publicKey, by: authority, with: authorityKey)
    }

    static var signerBuilder: CertificateBuilder {
        .documentSigner(.init(commonName: "Signer"), notBefore: start, notAfter: end, serialNumber: [3])
    }

    static var timeStamperBuilder: CertificateBuilder {
        .timeStampAuthority(.init(commonName: "TSA"), notBefore: start, notAfter: end, serialNumber: [4])
    }

    func issue(_ builder: CertificateBuilder) throws -> Certificate {
        try builder.issued(to: leafKey.publicKey, by: authority, with: authorityKey)
    }
}

extension CertificateBuilder {
    /// The builder with one extension changed; nil takes it out.
    func with(_ name: String, _ value: String?) -> CertificateBuilder {
        var changed = self
        changed.extensions.removeAll { $0.name == name }
        if let value { changed.extensions.append(Extension(name, value)) }
        return changed
    }
}
