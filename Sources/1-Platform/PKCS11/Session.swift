internal import CPKCS11

/// A session with a token. One thread uses it at a time: it is lent as `borrowing`, can be moved and cannot be shared or copied; the
/// C session closes when the value goes.
public struct Session: ~Copyable {
    public let token: Token
    /// The token's epoch when the session was opened; see `Token`.
    public let epoch: Int
    let handle: CK_SESSION_HANDLE

    init(token: Token, handle: CK_SESSION_HANDLE, epoch: Int) {
        self.token = token
        self.handle = handle
        self.epoch = epoch
    }

    deinit {
        if !token.isVoid(epoch: epoch) { _ = token.module.functions.C_CloseSession(handle) }
    }

    /// One signature (C_SignInit, C_Sign): the data as the mechanism takes it in, the signature as the mechanism gives it.
    ///
    /// After an error the session may have an operation under way: use it again only where the error's advice is `retry`.
    public borrowing func sign(
        _ data: Span<UInt8>, with mechanism: Mechanism, parameters: MechanismParameters = .none, key: KeyPair
    ) throws(PKCS11Error) -> [UInt8] {
        let functions = token.module.functions
        try check(begin(mechanism, parameters, key), "C_SignInit")
        // The longest signature in use is RSA-8192's: 1,024 bytes.
        var value = CKR_OK
        let signature = withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 1024) { output in
            var count = CK_ULONG(output.count)
            value = data.withUnsafeBufferPointer { input in
                let start = UnsafeMutablePointer(mutating: input.baseAddress)  // not const in the header, but only read
                return functions.C_Sign(handle, start, CK_ULONG(input.count), output.baseAddress, &count)
            }
            return value == CKR_OK ? Array(output[..<min(output.count, Int(clamping: count))]) : []
        }
        try check(value, "C_Sign")
        return signature
    }

    private borrowing func begin(_ mechanism: Mechanism, _ parameters: MechanismParameters, _ key: KeyPair) -> CK_RV {
        var choice = CK_MECHANISM(mechanism: mechanism.rawValue, pParameter: nil, ulParameterLen: 0)
        switch parameters {
        case .none: return token.module.functions.C_SignInit(handle, &choice, key.privateKey)
        case .pss(let parameters):
            var structure = parameters.structure
            return withUnsafeMutableBytes(of: &structure) { memory in
                choice.pParameter = memory.baseAddress
                choice.ulParameterLen = CK_ULONG(memory.count)
                return token.module.functions.C_SignInit(handle, &choice, key.privateKey)
            }
        }
    }

    /// The private key with this CKA_ID. Looked for once in an epoch of the token (the search is linear in a token's objects: 126 ms at
    /// 3,000 keys); throws `keyNotFound` and `keyAmbiguous`.
    public borrowing func keyPair(id: [UInt8]) throws(PKCS11Error) -> KeyPair {
        if let known = token.key(id, epoch: epoch) { return known }
        let handles = try find([(CK_ATTRIBUTE_TYPE(CKA_CLASS), bytes(of: CKO_PRIVATE_KEY)), (CK_ATTRIBUTE_TYPE(CKA_ID), id)], limit: 16)
        guard let handle = handles.first else {
            // Private objects are invisible to who is not logged in: a login that was lost must not look like a missing key.
            guard token.seesAll(self.handle) else { throw PKCS11Error(.userNotLoggedIn, by: "C_FindObjects") }
            throw PKCS11Error(.keyNotFound(id: id))
        }
        guard handles.count == 1 else { throw PKCS11Error(.keyAmbiguous(id: id, count: handles.count)) }
        let type = try attribute(CK_ATTRIBUTE_TYPE(CKA_KEY_TYPE), of: handle)
        let number = type.withUnsafeBytes { $0.count == MemoryLayout<CK_ULONG>.size ? $0.loadUnaligned(as: CK_ULONG.self) : CK_ULONG.max }
        let label = (try? attribute(CK_ATTRIBUTE_TYPE(CKA_LABEL), of: handle)) ?? []
        let key = KeyPair(
            id: id, label: String(decoding: label, as: UTF8.self), type: KeyType(rawValue: number), privateKey: handle)
        token.remember(key, epoch: epoch)
        return key
    }

    /// The X.509 certificates (DER) with this CKA_ID, in the token's order; usually one, several after a renewal, none where the
    /// certificate is kept elsewhere.
    public borrowing func certificates(id: [UInt8]) throws(PKCS11Error) -> [[UInt8]] {
        let handles = try find(
            [
                (CK_ATTRIBUTE_TYPE(CKA_CLASS), bytes(of: CKO_CERTIFICATE)),
                (CK_ATTRIBUTE_TYPE(CKA_CERTIFICATE_TYPE), bytes(of: CKC_X_509)),
                (CK_ATTRIBUTE_TYPE(CKA_ID), id),
            ], limit: 16)
        var found: [[UInt8]] = []
        for handle in handles { found.append(try attribute(CK_ATTRIBUTE_TYPE(CKA_VALUE), of: handle)) }
        return found
    }

    // MARK: - Objects

    borrowing func find(_ template: [(CK_ATTRIBUTE_TYPE, [UInt8])], limit: Int) throws(PKCS11Error) -> [CK_OBJECT_HANDLE] {
        let functions = token.module.functions
        try check(
            withAttributes(template) { functions.C_FindObjectsInit(handle, $0.baseAddress, CK_ULONG($0.count)) }, "C_FindObjectsInit")
        var handles = [CK_OBJECT_HANDLE](repeating: 0, count: limit)
        var total = 0
        var value = CKR_OK
        // A module may give fewer than asked for and more at the next call; none is the end.
        while total < limit {
            var count: CK_ULONG = 0
            value = handles.withUnsafeMutableBufferPointer {
                functions.C_FindObjects(handle, $0.baseAddress.map { $0 + total }, CK_ULONG(limit - total), &count)
            }
            guard value == CKR_OK, count > 0 else { break }
            total += Int(count)
        }
        let final = functions.C_FindObjectsFinal(handle)
        try check(value, "C_FindObjects")
        try check(final, "C_FindObjectsFinal")
        return Array(handles[..<total])
    }

    borrowing func attribute(_ type: CK_ATTRIBUTE_TYPE, of object: CK_OBJECT_HANDLE) throws(PKCS11Error) -> [UInt8] {
        let functions = token.module.functions
        var question = CK_ATTRIBUTE(type: type, pValue: nil, ulValueLen: 0)
        try check(functions.C_GetAttributeValue(handle, object, &question, 1), "C_GetAttributeValue")
        // Some modules say "not available" by a length of all ones and CKR_OK.
        guard let count = Int(exactly: question.ulValueLen) else { throw PKCS11Error(.attributeTypeInvalid, by: "C_GetAttributeValue") }
        var value = CKR_OK
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialised in
            var answer = CK_ATTRIBUTE(type: type, pValue: buffer.baseAddress, ulValueLen: CK_ULONG(count))
            value = functions.C_GetAttributeValue(handle, object, &answer, 1)
            initialised = value == CKR_OK ? min(count, Int(answer.ulValueLen)) : 0
        }
        try check(value, "C_GetAttributeValue")
        return bytes
    }
}

/// The bytes of a CK_ULONG in memory, as an attribute's value has them.
func bytes(of constant: UInt) -> [UInt8] { withUnsafeBytes(of: CK_ULONG(constant)) { Array($0) } }

/// Lends a template whose values are these bytes; the pointers hold within the body only.
func withAttributes(
    _ values: [(CK_ATTRIBUTE_TYPE, [UInt8])], _ body: (UnsafeMutableBufferPointer<CK_ATTRIBUTE>) -> CK_RV
) -> CK_RV {
    var arena = values.flatMap { $0.1 }
    return arena.withUnsafeMutableBytes { memory in
        var offset = 0
        var template: [CK_ATTRIBUTE] = []
        for (type, value) in values {
            template.append(CK_ATTRIBUTE(type: type, pValue: memory.baseAddress.map { $0 + offset }, ulValueLen: CK_ULONG(value.count)))
            offset += value.count
        }
        return template.withUnsafeMutableBufferPointer { body($0) }
    }
}
