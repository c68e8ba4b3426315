internal import CPKCS11

/// A private or public key on a token, as a listing sees it. What the token does not tell is nil.
public struct StoredKey: Hashable, Sendable {
    /// CKA_ID; empty where the key has none.
    public let id: [UInt8]
    public let label: String
    public let type: KeyType
    public let isPrivate: Bool
    /// CKA_SIGN of a private key.
    public let signs: Bool?
    /// CKA_EXTRACTABLE of a private key: whether it can leave the token.
    public let isExtractable: Bool?
    /// CKA_LOCAL: whether the key was made in the token and not brought to it.
    public let isLocal: Bool?
    let handle: UInt
}

/// An X.509 certificate on a token.
public struct StoredCertificate: Hashable, Sendable {
    /// CKA_ID: that of the key it belongs to.
    public let id: [UInt8]
    public let label: String
    /// DER.
    public let value: [UInt8]
    let handle: UInt
}

/// The numbers of a public key, as PKCS#11 has them.
public enum StoredPublicKey: Hashable, Sendable {
    /// CKA_MODULUS and CKA_PUBLIC_EXPONENT: unsigned, most significant byte first.
    case rsa(modulus: [UInt8], exponent: [UInt8])
    /// CKA_EC_PARAMS (DER) and CKA_EC_POINT: DER of an OCTET STRING by the standard, the bare point with some tokens.
    case ec(parameters: [UInt8], point: [UInt8])
    /// The same for a key of CKK_EC_EDWARDS.
    case edwards(parameters: [UInt8], point: [UInt8])
    /// A key of another type.
    case other(KeyType)
}

extension CeremonySession {
    /// The private keys in the token's order; none before a user's login, with most tokens.
    public borrowing func privateKeys(id: [UInt8]? = nil) throws(PKCS11Error) -> [StoredKey] {
        try keys(class: CKO_PRIVATE_KEY, id: id)
    }

    public borrowing func publicKeys(id: [UInt8]? = nil) throws(PKCS11Error) -> [StoredKey] {
        try keys(class: CKO_PUBLIC_KEY, id: id)
    }

    public borrowing func certificates(id: [UInt8]? = nil) throws(PKCS11Error) -> [StoredCertificate] {
        var template = AttributeTemplate()
        template.set(CKA_CLASS, number: CKO_CERTIFICATE)
        template.set(CKA_CERTIFICATE_TYPE, number: CKC_X_509)
        if let id { template.set(CKA_ID, bytes: id) }
        var found: [StoredCertificate] = []
        for object in try find(template) {
            found.append(
                StoredCertificate(
                    id: try bytes(CKA_ID, of: object) ?? [], label: try text(CKA_LABEL, of: object),
                    value: try bytes(CKA_VALUE, of: object) ?? [], handle: object))
        }
        return found
    }

    /// The public half of a key pair: from the public key object with the same id, else from what the private key tells of itself; nil
    /// where neither does.
    public borrowing func publicKey(of key: StoredKey) throws(PKCS11Error) -> StoredPublicKey? {
        var sources = [key.handle]
        if key.isPrivate { sources = try publicKeys(id: key.id).filter { $0.type == key.type }.map(\.handle) + sources }
        for object in sources {
            switch key.type {
            case .rsa:
                guard let modulus = try bytes(CKA_MODULUS, of: object), let exponent = try bytes(CKA_PUBLIC_EXPONENT, of: object) else { continue }
                return .rsa(modulus: modulus, exponent: exponent)
            case .ec, .ecEdwards:
                guard let parameters = try bytes(CKA_EC_PARAMS, of: object), let point = try bytes(CKA_EC_POINT, of: object) else { continue }
                return key.type == .ec ? .ec(parameters: parameters, point: point) : .edwards(parameters: parameters, point: point)
            default:
                return .other(key.type)
            }
        }
        return nil
    }

    private borrowing func keys(class objectClass: UInt, id: [UInt8]?) throws(PKCS11Error) -> [StoredKey] {
        var template = AttributeTemplate()
        template.set(CKA_CLASS, number: objectClass)
        if let id { template.set(CKA_ID, bytes: id) }
        let isPrivate = objectClass == CKO_PRIVATE_KEY
        var found: [StoredKey] = []
        for object in try find(template) {
            let type = try bytes(CKA_KEY_TYPE, of: object) ?? []
            let number = type.withUnsafeBytes { $0.count == MemoryLayout<CK_ULONG>.size ? $0.loadUnaligned(as: CK_ULONG.self) : CK_ULONG.max }
            found.append(
                StoredKey(
                    id: try bytes(CKA_ID, of: object) ?? [], label: try text(CKA_LABEL, of: object), type: KeyType(rawValue: number),
                    isPrivate: isPrivate, signs: isPrivate ? try flag(CKA_SIGN, of: object) : nil,
                    isExtractable: isPrivate ? try flag(CKA_EXTRACTABLE, of: object) : nil, isLocal: try flag(CKA_LOCAL, of: object),
                    handle: object))
        }
        return found
    }

    // MARK: - Reading objects

    borrowing func find(_ template: AttributeTemplate) throws(PKCS11Error) -> [CK_OBJECT_HANDLE] {
        try check(template.lend { functions.C_FindObjectsInit(handle, $0, $1) }, "C_FindObjectsInit")
        var all: [CK_OBJECT_HANDLE] = []
        var value = CKR_OK
        // A module may give fewer than asked for and more at the next call; none is the end.
        while true {
            var some = [CK_OBJECT_HANDLE](repeating: 0, count: 256)
            var count: CK_ULONG = 0
            value = functions.C_FindObjects(handle, &some, CK_ULONG(some.count), &count)
            guard value == CKR_OK, count > 0 else { break }
            all += some.prefix(Int(count))
        }
        let final = functions.C_FindObjectsFinal(handle)
        try check(value, "C_FindObjects")
        try check(final, "C_FindObjectsFinal")
        return all
    }

    /// nil where the object has no such attribute or does not give it out.
    private borrowing func bytes(_ type: UInt, of object: CK_OBJECT_HANDLE) throws(PKCS11Error) -> [UInt8]? {
        var question = CK_ATTRIBUTE(type: CK_ATTRIBUTE_TYPE(type), pValue: nil, ulValueLen: 0)
        let first = ReturnValue(rawValue: functions.C_GetAttributeValue(handle, object, &question, 1))
        if first.rawValue == CKR_ATTRIBUTE_TYPE_INVALID || first.rawValue == CKR_ATTRIBUTE_SENSITIVE { return nil }
        try check(first.rawValue, "C_GetAttributeValue")
        // Some modules say "not available" by a length of all ones and CKR_OK.
        guard let count = Int(exactly: question.ulValueLen) else { return nil }
        guard count > 0 else { return [] }
        var value = CKR_OK
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialised in
            var answer = CK_ATTRIBUTE(type: CK_ATTRIBUTE_TYPE(type), pValue: buffer.baseAddress, ulValueLen: CK_ULONG(count))
            value = functions.C_GetAttributeValue(handle, object, &answer, 1)
            initialised = value == CKR_OK ? min(count, Int(answer.ulValueLen)) : 0
        }
        try check(value, "C_GetAttributeValue")
        return bytes
    }

    private borrowing func text(_ type: UInt, of object: CK_OBJECT_HANDLE) throws(PKCS11Error) -> String {
        String(decoding: try bytes(type, of: object) ?? [], as: UTF8.self)
    }

    private borrowing func flag(_ type: UInt, of object: CK_OBJECT_HANDLE) throws(PKCS11Error) -> Bool? {
        guard let bytes = try bytes(type, of: object), bytes.count == 1 else { return nil }
        return bytes[0] != UInt8(CK_FALSE)
    }
}
