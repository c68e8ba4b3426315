import CMS
import DER
import LibCrypto
import PKCS11

/// How a token makes the signatures of one algorithm: the mechanism and its parameters, what goes in, what comes out.
struct SigningMethod: Sendable {
    let mechanism: Mechanism
    let parameters: MechanismParameters
    /// What the key must be; nil where the vendor knows.
    let keyType: KeyType?
    /// What stands before the digest in the mechanism's input.
    private let prefix: [UInt8]
    /// The answer is r and s, one after the other.
    private let answersRAndS: Bool

    /// nil for algorithms that Tanba does not make on tokens.
    ///
    /// - Parameter choice: The mechanism that the profile asks for; one by number is given the input as it is.
    static func making(_ algorithm: SignatureAlgorithm, by choice: MechanismChoice? = nil) -> SigningMethod? {
        if case .number(let number)? = choice {
            return SigningMethod(Mechanism(rawValue: number), key: nil, answersRAndS: algorithm.mechanism == .ecdsa)
        }
        return known[algorithm]
    }

    func takes(_ type: KeyType) -> Bool { keyType == nil || keyType == type }

    /// - Parameter input: What the algorithm signs (`SignatureAlgorithm.input`): a digest, or for Ed25519 the message.
    func input(_ input: [UInt8]) -> [UInt8] { prefix.isEmpty ? input : prefix + input }

    /// The mechanism's answer as CMS writes a signature; nil where it cannot be one.
    func signature(_ answer: [UInt8]) -> [UInt8]? {
        answersRAndS ? derSequence(ofRAndS: answer) : answer
    }

    private static let known: [SignatureAlgorithm: SigningMethod] = {
        var methods: [SignatureAlgorithm: SigningMethod] = [
            // Without parameters it is the pure form, over the message
            .ed25519: SigningMethod(.eddsa, key: .ecEdwards)
        ]
        for (digest, hash) in [(DigestAlgorithm.sha256, PSSParameters.Hash.sha256), (.sha384, .sha384), (.sha512, .sha512)] {
            methods[.rsaPKCS1(digest)] = SigningMethod(.rsaPKCS, key: .rsa, prefix: digestInfoPrefix(digest))
            methods[.rsaPSS(digest)] = SigningMethod(.rsaPKCSPSS, .pss(PSSParameters(hash)), key: .rsa)
            methods[.ecdsa(digest)] = SigningMethod(.ecdsa, key: .ec, answersRAndS: true)
        }
        return methods
    }()

    private init(
        _ mechanism: Mechanism, _ parameters: MechanismParameters = .none, key: KeyType?, prefix: [UInt8] = [], answersRAndS: Bool = false
    ) {
        self.mechanism = mechanism
        self.parameters = parameters
        keyType = key
        self.prefix = prefix
        self.answersRAndS = answersRAndS
    }

    /// DigestInfo up to the digest (RFC 8017, 9.2): SEQUENCE { SEQUENCE { digest OID, NULL }, OCTET STRING }. The NULL stays here, unlike in
    /// CMS (RFC 5754, 2).
    private static func digestInfoPrefix(_ digest: DigestAlgorithm) -> [UInt8] {
        let oid = digest.oid.encoded
        let size = UInt8(digest.function.byteCount)
        let algorithm = [0x30, UInt8(oid.count + 2)] + oid + [0x05, 0x00]
        return [0x30, UInt8(algorithm.count) + 2 + size] + algorithm + [0x04, size]
    }
}

// MARK: - What does not fit

extension SigningMethod {
    /// Why a key of a token does not sign so for a certificate; a person must change the configuration.
    struct Refusal: Error {
        let reason: String
        let remedy: String
    }

    /// The method by which a key signs for a certificate, of those that its token has.
    ///
    /// - Parameters:
    ///   - key: As errors call it, with its type on the token.
    ///   - offered: What the token says that it can do (`Slot.mechanisms`).
    static func choose(
        _ algorithm: SignatureAlgorithm, by choice: MechanismChoice?, for certificate: Certificate, key: (name: String, type: KeyType),
        offered: [Mechanism]
    ) throws(Refusal) -> SigningMethod {
        let wanted = "\(algorithm.name) for the certificate of \(certificate)"
        guard algorithm.fits(certificate.publicKey), let method = making(algorithm, by: choice) else {
            throw Refusal(
                reason: "\(key.name) does not sign \(wanted), whose key is of kind \(certificate.publicKey.kind)",
                remedy: "choose a mechanism and a digest that go with the certificate's key")
        }
        guard method.takes(key.type) else {
            throw Refusal(
                reason: "\(key.name) is of type \(key.type) and cannot sign \(wanted) by \(method.mechanism)",
                remedy: "give the profile the certificate that was issued for this key, or the key's right id")
        }
        if offered.contains(method.mechanism) { return method }
        let others = known.values.filter { $0.takes(key.type) && offered.contains($0.mechanism) }.map(\.mechanism.description)
        let list = Set(others).sorted().joined(separator: ", ")
        throw Refusal(
            reason: "the token has no mechanism \(method.mechanism), by which \(key.name) would sign \(wanted)",
            remedy: list.isEmpty
                ? "use a key on another token: this one signs nothing with a key of type \(key.type) that Tanba knows"
                : "choose another mechanism for the profile: for such a key the token has \(list)")
    }
}
