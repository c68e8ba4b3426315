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

    /// RSA, EC on a named curve, or what else it is by OpenSSL's name.
    var kind: PublicKey.Kind? {
        switch EVP_PKEY_get_base_id(key) {
        case EVP_PKEY_RSA: .rsa(bits: Int(EVP_PKEY_get_bits(key)))
        case EVP_PKEY_EC: curve.map { .ec(curve: $0) }
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

    /// With a digest function: RSA PKCS#1 v1.5 over DigestInfo. Without: the key's own way, over the digest as it is.
    init(_ operation: Operation, key: KeyHandle, pkcs1 function: DigestFunction? = nil) throws(CryptoError) {
        guard let context = EVP_PKEY_CTX_new(key.key, nil) else { throw ErrorQueue.take("prepare a key") }
        var done = (operation == .sign ? EVP_PKEY_sign_init(context) : EVP_PKEY_verify_init(context)) == 1
        if let function {
            done = done && EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1
            done = done && EVP_PKEY_CTX_set_signature_md(context, function.algorithm.md) == 1
        }
        guard done else {
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
