public import CMS
internal import DER
internal import LibCrypto

/// What a client found out about the authority that it asks again and again: the certificates in its tokens, which of them is the
/// signer's, that it is bound and may stamp, and the algorithms. All that follows from octets that stand in each of its tokens alike,
/// and is taken over where they are the same, octet for octet. What is the token's own is checked each time: imprint, nonce, time, name,
/// message digest, signature, and trust.
///
/// Only tokens that passed every check are remembered. A value: whoever wants to remember keeps what a check has left.
public struct KnownAuthorities: Sendable {
    /// An authority may have several machines, each with its own certificate.
    private static let countMax = 8

    let algorithms: KnownAlgorithms
    private var known: [KnownAuthority] = []
    /// How often one was added: a keeper need not keep what was not changed.
    public private(set) var additions = 0

    public init(algorithms: KnownAlgorithms = .standard) {
        self.algorithms = algorithms
    }

    func first(for parts: TokenParts) -> KnownAuthority? {
        for authority in known where authority.isBehind(parts) { return authority }
        return nil
    }

    mutating func add(_ authority: KnownAuthority) {
        if known.count == Self.countMax { known.removeFirst() }
        known.append(authority)
        additions += 1
    }
}

/// An authority behind a token, as far as it follows from octets that its other tokens have too.
final class KnownAuthority: Sendable {
    /// One of its tokens.
    private let parts: TokenParts
    let authority: Certificate
    /// All readable certificates of the token.
    let certificates: [Certificate]
    /// Its name as `tsa` has it.
    let directoryName: [UInt8]
    let digest: DigestAlgorithm
    let signature: SignatureAlgorithm

    init(
        behind parts: TokenParts, authority: Certificate, certificates: [Certificate], directoryName: [UInt8], digest: DigestAlgorithm,
        signature: SignatureAlgorithm
    ) {
        self.parts = parts
        self.authority = authority
        self.certificates = certificates
        self.directoryName = directoryName
        self.digest = digest
        self.signature = signature
    }

    /// Whether all octets stand in this token too from which the rest was found out.
    func isBehind(_ other: TokenParts) -> Bool {
        let (one, two) = (parts.signer, other.signer)
        return two.attributes != nil && parts.has(parts.layout.certificates, as: other, other.layout.certificates)
            && parts.has(one.sid, as: other, two.sid) && parts.has(parts.layout.digestAlgorithms, as: other, other.layout.digestAlgorithms)
            && parts.has(one.digestAlgorithm.whole, as: other, two.digestAlgorithm.whole)
            && parts.has(one.signatureAlgorithm.whole, as: other, two.signatureAlgorithm.whole)
            && parts.has(one.signingCertificate, as: other, two.signingCertificate)
            && parts.has(one.signingCertificateV2, as: other, two.signingCertificateV2)
    }
}
