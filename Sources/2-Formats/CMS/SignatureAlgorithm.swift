internal import DER
public import LibCrypto

/// A way to sign: its digest, what the key is given, how a SignerInfo names it, which keys it fits, and how a signature is checked.
///
/// A value, not a case that CMS and CAdES switch on: another module may define one and hand it to the template, or put it into its own
/// `KnownAlgorithms` for reading. Two are equal when name and identifier are.
public struct SignatureAlgorithm: Sendable {
    /// What the key is given of the data to be signed.
    public enum Input: Sendable, Hashable {
        /// Their digest, by the algorithm's digest function.
        case digest
        /// The data themselves: the algorithm hashes by itself (PureEdDSA, RFC 8032, 4).
        case message
    }

    /// Such as `rsa-pkcs1-sha256` or `ecdsa-sha256`.
    public let name: String
    /// Hashes the document; the signed attributes too, where `input` is their digest.
    public let digest: DigestAlgorithm
    public let input: Input
    /// How configuration asks for it; nil where it cannot.
    public let mechanism: MechanismChoice?
    /// The AlgorithmIdentifier as it is written into `SignerInfo.signatureAlgorithm`.
    public let identifier: [UInt8]

    private let accepted: [AlgorithmIdentifier]
    private let fits: @Sendable (PublicKey) -> Bool
    private let make: (@Sendable (_ input: [UInt8], _ key: PrivateKey) throws(CryptoError) -> [UInt8])?
    private let verify: @Sendable (_ signature: [UInt8], _ input: [UInt8], _ key: PublicKey) -> Bool

    /// - Parameters:
    ///   - input: What `verify` is given, and a key when it signs.
    ///   - mechanism: How configuration asks for it.
    ///   - identifier: What is written.
    ///   - accepted: What is read as this algorithm beside it.
    ///   - fits: Whether a key can sign this way.
    ///   - verify: Whether a signature, as the SignerInfo holds it, is right for the input that the signed attributes give.
    ///   - sign: How a key in this process's memory makes a signature of an input; nil where it cannot.
    public init(
        name: String, digest: DigestAlgorithm, input: Input = .digest, mechanism: MechanismChoice? = nil, identifier: AlgorithmIdentifier,
        alsoAccepted accepted: [AlgorithmIdentifier] = [], fits: @escaping @Sendable (PublicKey) -> Bool,
        verify: @escaping @Sendable ([UInt8], [UInt8], PublicKey) -> Bool,
        sign: (@Sendable ([UInt8], PrivateKey) throws(CryptoError) -> [UInt8])? = nil
    ) {
        self.name = name
        self.digest = digest
        self.input = input
        self.mechanism = mechanism
        self.identifier = identifier.encoded
        self.accepted = [identifier] + accepted
        self.fits = fits
        self.verify = verify
        make = sign
    }

    public func fits(_ key: PublicKey) -> Bool { fits(key) }

    /// Whether `identifier`, beside this algorithm's digest, names this algorithm in a SignerInfo.
    public func isNamed(by identifier: AlgorithmIdentifier) -> Bool { accepted.contains(identifier) }

    /// What the key signs of these data: their digest, or the data as they are.
    public func input(of message: [UInt8]) -> [UInt8] {
        input == .digest ? digest.function.digest(message) : message
    }

    /// A signature, as the SignerInfo holds it, by a key in this process's memory; over what `input(of:)` gave. Throws for a key of another
    /// kind.
    public func sign(_ input: [UInt8], with key: PrivateKey) throws(CryptoError) -> [UInt8] {
        guard let make, fits(key.publicKey) else {
            throw CryptoError(operation: "sign with \(name)", reason: "a key of kind \(key.publicKey.kind) does not sign so")
        }
        return try make(input, key)
    }

    /// Whether `signature` is `key`'s over data that give this input. False for a key of another kind.
    public func isValid(signature: [UInt8], ofInput input: [UInt8], by key: PublicKey) -> Bool {
        fits(key) && verify(signature, input, key)
    }

    /// Whether `signature` is `key`'s over these data, which are hashed here where the algorithm signs a digest. False for a key of
    /// another kind.
    public func isValid(signature: [UInt8], overMessage message: [UInt8], by key: PublicKey) -> Bool {
        isValid(signature: signature, ofInput: input(of: message), by: key)
    }

    /// The standard algorithm that signs with a key over a digest, the chosen one where a key can sign in several ways (an RSA key without
    /// a choice: PKCS #1 v1.5). Nil when there is none.
    public static func fitting(_ key: PublicKey, _ digest: DigestAlgorithm, by choice: MechanismChoice? = nil) -> SignatureAlgorithm? {
        KnownAlgorithms.standard.signature(fitting: key, digest: digest, by: choice)
    }

    /// A standard algorithm that a key can sign with, whatever its digest: for a key that is to prove itself. Nil when there is none.
    public static func fitting(_ key: PublicKey, by choice: MechanismChoice? = nil) -> SignatureAlgorithm? {
        KnownAlgorithms.standard.signature(fitting: key, by: choice)
    }

    /// The standard algorithm that a SignerInfo names, nil when there is none or it does not go with the digest.
    public static func read(_ identifier: AlgorithmIdentifier, digest: DigestAlgorithm) -> SignatureAlgorithm? {
        KnownAlgorithms.standard.signature(identifier, digest: digest)
    }
}

// MARK: Hashable

extension SignatureAlgorithm: Hashable, CustomStringConvertible {
    public static func == (left: SignatureAlgorithm, right: SignatureAlgorithm) -> Bool {
        left.name == right.name && left.identifier == right.identifier
    }

    public func hash(into hasher: inout Swift.Hasher) { hasher.combine(name) }

    public var description: String { name }
}
