internal import CPKCS11

/// The kinds of key pair that are made in a token; the raw value is how people write them.
public enum KeyKind: String, Sendable, CaseIterable {
    case rsa2048 = "rsa-2048"
    case rsa3072 = "rsa-3072"
    case rsa4096 = "rsa-4096"
    case p256 = "p-256"
    case p384 = "p-384"
    case ed25519

    /// The mechanism by which a token makes it.
    public var generation: Mechanism {
        switch self {
        case .rsa2048, .rsa3072, .rsa4096: .rsaPKCSKeyPairGen
        case .p256, .p384: .ecKeyPairGen
        case .ed25519: .ecEdwardsKeyPairGen
        }
    }

    /// The ways to say it, the standard's first: 3.0 names a curve by its OID or, for Edwards curves, by its name as PrintableString, and
    /// modules take one or the other.
    fileprivate var parameters: [[UInt8]] {
        switch self {
        case .rsa2048, .rsa3072, .rsa4096: [[]]
        case .p256: [[0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07]]
        case .p384: [[0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x22]]
        case .ed25519: [[0x13, 0x0C] + Array("edwards25519".utf8), [0x06, 0x03, 0x2B, 0x65, 0x70]]
        }
    }

    fileprivate var modulusBits: UInt? {
        switch self {
        case .rsa2048: 2048
        case .rsa3072: 3072
        case .rsa4096: 4096
        default: nil
        }
    }
}

extension CeremonySession {
    /// Makes a key pair inside the token (C_GenerateKeyPair): the private key sensitive, not extractable, for signing only. The session must
    /// write and the user be logged in. What has this id or label already is not looked at here.
    ///
    /// - Returns: the private key. After an error there is no new key.
    public borrowing func generateKeyPair(_ kind: KeyKind, id: [UInt8], label: String) throws(PKCS11Error) -> StoredKey {
        var failure = CKR_OK
        for parameters in kind.parameters {
            var publicKey = AttributeTemplate()
            publicKey.set(CKA_TOKEN, true)
            publicKey.set(CKA_PRIVATE, false)
            publicKey.set(CKA_VERIFY, true)
            if let bits = kind.modulusBits {
                publicKey.set(CKA_MODULUS_BITS, number: bits)
                publicKey.set(CKA_PUBLIC_EXPONENT, bytes: [0x01, 0x00, 0x01])
            } else {
                publicKey.set(CKA_EC_PARAMS, bytes: parameters)
            }
            var privateKey = AttributeTemplate()
            privateKey.set(CKA_TOKEN, true)
            privateKey.set(CKA_PRIVATE, true)
            privateKey.set(CKA_SENSITIVE, true)
            privateKey.set(CKA_EXTRACTABLE, false)
            privateKey.set(CKA_SIGN, true)
            if kind.modulusBits != nil {
                // Left alone, many modules let an RSA key decrypt too.
                privateKey.set(CKA_DECRYPT, false)
                privateKey.set(CKA_UNWRAP, false)
            }
            publicKey.set(CKA_ID, bytes: id)
            publicKey.set(CKA_LABEL, bytes: Array(label.utf8))
            privateKey.set(CKA_ID, bytes: id)
            privateKey.set(CKA_LABEL, bytes: Array(label.utf8))

            var mechanism = CK_MECHANISM(mechanism: kind.generation.rawValue, pParameter: nil, ulParameterLen: 0)
            var publicHandle: CK_OBJECT_HANDLE = 0
            var privateHandle: CK_OBJECT_HANDLE = 0
            failure = publicKey.lend { publicStart, publicCount in
                privateKey.lend { privateStart, privateCount in
                    functions.C_GenerateKeyPair(
                        handle, &mechanism, publicStart, publicCount, privateStart, privateCount, &publicHandle, &privateHandle)
                }
            }
            if failure == CKR_OK, let made = try privateKeys(id: id).first(where: { $0.handle == privateHandle }) { return made }
            guard Self.speaksOfParameters(failure) else { break }
        }
        try check(failure, "C_GenerateKeyPair")
        throw PKCS11Error(.keyNotFound(id: id))
    }

    /// Whether the module may have understood the curve, had it been written otherwise.
    private static func speaksOfParameters(_ value: CK_RV) -> Bool {
        let curveNotSupported: CK_RV = 0x140
        return [CKR_ATTRIBUTE_VALUE_INVALID, CKR_DOMAIN_PARAMS_INVALID, curveNotSupported, CKR_GENERAL_ERROR, CKR_FUNCTION_FAILED]
            .contains(value)
    }
}
