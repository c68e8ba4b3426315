public import CertificationRequest
public import LibCrypto
import PKCS11

/// Asks for a certificate: a PKCS#10 request for a token's key, signed by that key.
public struct RequestCreation: Sendable {
    public var place: TokenPlace
    /// CKA_ID of the key.
    public var id: [UInt8]
    public var subject: SubjectName
    /// What the certificate's key usage is asked to be; nil leaves it to the authority.
    public var usage: KeyUsage?

    public init(_ place: TokenPlace, id: [UInt8], subject: SubjectName, usage: KeyUsage?) {
        self.place = place
        self.id = id
        self.subject = subject
        self.usage = usage
    }

    /// The request is verified with its own key before it is given out.
    public func run() throws(CeremonyError) -> CertificationRequest { try place.step { try request() } }

    private func request() throws -> CertificationRequest {
        let session = try place.userSession(try place.initialisedSlot(), writes: false)
        let (key, publicKey) = try place.keyPair(id: id, in: session)
        guard let signature = RequestSignature.fitting(publicKey) else {
            throw place.refused("no request is signed here with the key \(hexadecimal(id))", remedy: "use an RSA, P-256, P-384 or Ed25519 key")
        }
        let info = CertificationRequestInfo(subject: subject, key: publicKey, usage: usage)
        let answer = try session.sign(signature.keyInput(info.der), with: signature.mechanism, key: key)
        guard signature.isValid(signature.signatureValue(answer), over: info.der, by: publicKey) else {
            throw CeremonyError(
                .worldFailed, "token \(place.name)", "the private and the public key \(hexadecimal(id)) do not belong together",
                remedy: "do not use this key; make a new one")
        }
        return CertificationRequest(info, signature: signature, answer: answer)
    }
}

extension RequestSignature {
    var mechanism: Mechanism {
        switch self {
        case .rsaSHA256: .rsaPKCS
        case .ecdsaSHA256, .ecdsaSHA384: .ecdsa
        case .ed25519: .eddsa
        }
    }
}
