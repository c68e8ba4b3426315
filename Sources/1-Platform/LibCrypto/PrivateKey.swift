import COpenSSL
public import OperatingSystem

/// A private key in this process's memory: for tests, the demo and keys in files. Keys of tokens never come here.
/// No description, no export; OpenSSL clears the memory when the last reference goes.
public final class PrivateKey: Sendable {
    public let publicKey: PublicKey
    let handle: KeyHandle
    private let signing: Signing

    /// A new RSA key with the public exponent 65537.
    public static func generateRSA(bits: Int) throws(CryptoError) -> PrivateKey {
        try generate("RSA") { EVP_PKEY_CTX_set_rsa_keygen_bits($0, Int32(clamping: bits)) == 1 }
    }

    /// A new key on a named curve: "P-256", "P-384", "P-521".
    public static func generateEC(curve: String) throws(CryptoError) -> PrivateKey {
        try generate("EC") { EVP_PKEY_CTX_set_group_name($0, curve) == 1 }
    }

    /// A new Ed25519 key (RFC 8032).
    public static func generateEd25519() throws(CryptoError) -> PrivateKey {
        try generate("ED25519") { _ in true }
    }

    /// The first private key of a PEM text (PKCS#8, or the older RSA and EC forms). An encrypted one is refused.
    public static func readPEM(_ text: Secret) throws(CryptoError) -> PrivateKey {
        try text.withBytes { bytes throws(CryptoError) in try readPEM(bytes) }
    }

    /// As `readPEM` of a Secret, for keys that are none: a test's. The caller's array is not overwritten.
    public static func readPEM(_ text: [UInt8]) throws(CryptoError) -> PrivateKey {
        try readPEM(text.span)
    }

    private static func readPEM(_ text: Span<UInt8>) throws(CryptoError) -> PrivateKey {
        let operation = "read a private key from PEM"
        ErrorQueue.clear()
        let key = text.withUnsafeBufferPointer { buffer -> OpaquePointer? in
            guard let bio = BIO_new_mem_buf(buffer.baseAddress, Int32(clamping: buffer.count)) else { return nil }
            defer { BIO_free(bio) }
            // Without a callback OpenSSL would ask for a password at the terminal.
            return PEM_read_bio_PrivateKey(bio, nil, { _, _, _, _ in -1 }, nil)
        }
        guard let key else { throw ErrorQueue.take(operation) }
        return try PrivateKey(KeyHandle(owning: key))
    }

    /// RSASSA-PKCS1-v1_5 (RFC 8017, 8.2) over `digest`, which `function` made. Throws for keys that are not RSA, digests of another
    /// length and SHA-1.
    public func signPKCS1(digest: [UInt8], function: DigestFunction) throws(CryptoError) -> [UInt8] {
        try signRSA(.pkcs1, digest, function)
    }

    /// RSASSA-PSS (RFC 8017, 8.1) over `digest`, which `function` made; MGF1 by the same function, a salt of the digest's length. Throws
    /// for keys that are not RSA or too short, digests of another length and SHA-1.
    public func signPSS(digest: [UInt8], function: DigestFunction) throws(CryptoError) -> [UInt8] {
        try signRSA(.pss, digest, function)
    }

    /// ECDSA over `digest`; DER of ECDSA-Sig-Value (RFC 3279, 2.2.3), whose length varies. Throws for keys that are not EC.
    public func signECDSA(digest: [UInt8]) throws(CryptoError) -> [UInt8] {
        guard case .ec(let context) = signing, !digest.isEmpty else {
            throw CryptoError(operation: Self.signOperation, reason: "key and digest do not fit")
        }
        return try sign(digest, with: context)
    }

    /// Ed25519 (RFC 8032, 5.1) over the message itself; 64 bytes. Throws for other keys.
    public func signEd25519(message: [UInt8]) throws(CryptoError) -> [UInt8] {
        guard case .ed25519 = signing else {
            throw CryptoError(operation: Self.signOperation, reason: "the key is not of Ed25519")
        }
        guard let signature = OneShot.sign(message, with: handle) else { throw ErrorQueue.take(Self.signOperation) }
        return signature
    }

    private func signRSA(
        _ padding: PreparedContext.Padding, _ digest: [UInt8], _ function: DigestFunction
    ) throws(CryptoError) -> [UInt8] {
        guard case .rsa(let prepared) = signing, digest.count == function.byteCount, let context = prepared.context(padding, function) else {
            throw CryptoError(operation: Self.signOperation, reason: "key, digest function and digest do not fit")
        }
        return try sign(digest, with: context)
    }

    private func sign(_ digest: [UInt8], with context: PreparedContext) throws(CryptoError) -> [UInt8] {
        let lengthMax = Int(EVP_PKEY_get_size(handle.key))
        let signature = context.withCopy { copy in
            [UInt8](unsafeUninitializedCapacity: lengthMax) { output, count in
                var length = lengthMax
                count = EVP_PKEY_sign(copy, output.baseAddress, &length, digest, digest.count) == 1 ? length : 0
            }
        }
        guard !signature.isEmpty else { throw ErrorQueue.take(Self.signOperation) }
        return signature
    }

    private static func generate(_ algorithm: String, _ configure: (OpaquePointer) -> Bool) throws(CryptoError) -> PrivateKey {
        ErrorQueue.clear()
        guard let context = EVP_PKEY_CTX_new_from_name(nil, algorithm, nil) else { throw ErrorQueue.take("generate a key") }
        defer { EVP_PKEY_CTX_free(context) }
        var key: OpaquePointer?
        guard EVP_PKEY_keygen_init(context) == 1, configure(context), EVP_PKEY_generate(context, &key) == 1, let key else {
            throw ErrorQueue.take("generate a key")
        }
        return try PrivateKey(KeyHandle(owning: key))
    }

    init(_ handle: KeyHandle) throws(CryptoError) {
        self.handle = handle
        publicKey = try PublicKey(subjectPublicKeyInfo: OpenSSL.encode("write a public key") { i2d_PUBKEY(handle.key, $0) })
        switch publicKey.kind {
        case .rsa: signing = .rsa(try PreparedRSA(.sign, key: handle))
        case .ec: signing = .ec(try PreparedContext(.sign, key: handle))
        case .ed25519: signing = .ed25519
        case .other(let algorithm):
            throw CryptoError(operation: "use a private key", reason: "keys of algorithm \(algorithm) are not supported")
        }
    }

    private enum Signing: Sendable {
        case rsa(PreparedRSA)
        case ec(PreparedContext)
        case ed25519
    }

    private static let signOperation = "sign a digest"
}
