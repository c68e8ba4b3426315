import COpenSSL

/// An owned EVP_PKEY, freed with the last reference.
/// `@unchecked Sendable`: after `init` the key is only read, and OpenSSL allows that from several threads (it locks its own caches).
final class KeyHandle: @unchecked Sendable {
    let key: OpaquePointer

    /// Takes over the caller's reference.
    init(owning key: OpaquePointer) {
        self.key = key
    }

    deinit {
        EVP_PKEY_free(key)
    }

    /// RSA, EC on a named curve or Ed25519; nil for everything else.
    var kind: PublicKey.Kind? {
        switch EVP_PKEY_get_base_id(key) {
        case EVP_PKEY_RSA: .rsa(bits: Int(EVP_PKEY_get_bits(key)))
        case EVP_PKEY_EC: curve.map { .ec(curve: $0) }
        case EVP_PKEY_ED25519: .ed25519
        default: nil
        }
    }

    /// The curve's name, NIST's where it has one. Nil for explicit parameters, which RFC 5480, 2.1.1 forbids.
    private var curve: String? {
        var explicit: Int32 = 0
        EVP_PKEY_get_int_param(key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &explicit)
        guard explicit == 0 else { return nil }
        var name = [CChar](repeating: 0, count: 80)
        var length = 0
        guard EVP_PKEY_get_group_name(key, &name, name.count, &length) == 1 else { return nil }
        let text = String(decoding: name.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return nistNames[text] ?? text
    }
}

private let nistNames = ["prime256v1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"]

/// An EVP_PKEY_CTX that is set up once and from then on only copied. A copy costs 0.1 us where setting up costs 2 to 4
/// (algorithm fetches), and the original is never changed, so that threads need no lock.
/// `@unchecked Sendable`: `EVP_PKEY_CTX_dup` only reads its source and takes atomic references.
final class PreparedContext: @unchecked Sendable {
    enum Operation { case sign, verify }

    private let context: OpaquePointer
    private let key: KeyHandle

    /// How an RSA key pads a digest.
    enum Padding {
        /// DigestInfo (RFC 8017, 9.2).
        case pkcs1
        /// EMSA-PSS (RFC 8017, 9.1), MGF1 with the same function, the salt as long as the digest: exactly so when verifying too.
        case pss
    }

    /// The key's own way, over the digest as it is.
    convenience init(_ operation: Operation, key: KeyHandle) throws(CryptoError) {
        try self.init(operation, key: key) { _ in true }
    }

    /// For an RSA key.
    convenience init(_ operation: Operation, key: KeyHandle, _ padding: Padding, _ function: DigestFunction) throws(CryptoError) {
        let md = function.algorithm.md
        try self.init(operation, key: key) { context in
            switch padding {
            case .pkcs1:
                EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1 && EVP_PKEY_CTX_set_signature_md(context, md) == 1
            case .pss:
                EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 && EVP_PKEY_CTX_set_signature_md(context, md) == 1
                    && EVP_PKEY_CTX_set_rsa_mgf1_md(context, md) == 1
                    && EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1
            }
        }
    }

    private init(_ operation: Operation, key: KeyHandle, _ configure: (OpaquePointer) -> Bool) throws(CryptoError) {
        guard let context = EVP_PKEY_CTX_new(key.key, nil) else { throw ErrorQueue.take("prepare a key") }
        let started = (operation == .sign ? EVP_PKEY_sign_init(context) : EVP_PKEY_verify_init(context)) == 1
        guard started, configure(context) else {
            EVP_PKEY_CTX_free(context)
            throw ErrorQueue.take("prepare a key")
        }
        self.context = context
        self.key = key
    }

    deinit {
        EVP_PKEY_CTX_free(context)
    }

    /// Lends a fresh copy for one operation.
    func withCopy<Result>(_ body: (OpaquePointer) -> Result) -> Result {
        guard let copy = EVP_PKEY_CTX_dup(context) else { preconditionFailure("out of memory") }
        defer { EVP_PKEY_CTX_free(copy) }
        return body(copy)
    }
}

/// The contexts of an RSA key, by padding and digest function.
struct PreparedRSA: Sendable {
    private let contexts: [DigestFunction: Pair]

    private struct Pair {
        let pkcs1: PreparedContext
        let pss: PreparedContext
    }

    init(_ operation: PreparedContext.Operation, key: KeyHandle) throws(CryptoError) {
        var contexts: [DigestFunction: Pair] = [:]
        for function in [DigestFunction.sha256, .sha384, .sha512] {
            contexts[function] = Pair(
                pkcs1: try PreparedContext(operation, key: key, .pkcs1, function), pss: try PreparedContext(operation, key: key, .pss, function))
        }
        self.contexts = contexts
    }

    /// Nil for SHA-1.
    func context(_ padding: PreparedContext.Padding, _ function: DigestFunction) -> PreparedContext? {
        contexts[function].map { padding == .pkcs1 ? $0.pkcs1 : $0.pss }
    }
}

/// Ed25519 (RFC 8032, 5.1) takes the message whole: OpenSSL signs and verifies it in one call, with a context for each.
enum OneShot {
    static func sign(_ message: [UInt8], with key: KeyHandle) -> [UInt8]? {
        withContext { context in
            guard EVP_DigestSignInit(context, nil, nil, nil, key.key) == 1 else { return nil }
            var length = Int(EVP_PKEY_get_size(key.key))
            let signature = [UInt8](unsafeUninitializedCapacity: length) { output, count in
                count = EVP_DigestSign(context, output.baseAddress, &length, message, message.count) == 1 ? length : 0
            }
            return signature.isEmpty ? nil : signature
        }
    }

    static func isValid(_ signature: [UInt8], _ message: [UInt8], with key: KeyHandle) -> Bool {
        withContext { context in
            EVP_DigestVerifyInit(context, nil, nil, nil, key.key) == 1
                && EVP_DigestVerify(context, signature, signature.count, message, message.count) == 1
        }
    }

    private static func withContext<Result>(_ body: (OpaquePointer) -> Result) -> Result {
        guard let context = EVP_MD_CTX_new() else { preconditionFailure("out of memory") }
        defer { EVP_MD_CTX_free(context) }
        return body(context)
    }
}
