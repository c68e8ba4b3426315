import COpenSSL

/// A public key as a certificate carries it. Keys that OpenSSL does not know (GOST) are values too; only nothing verifies with them.
/// Two keys are equal when their SubjectPublicKeyInfo is.
public struct PublicKey: Sendable {
    public enum Kind: Sendable, Hashable {
        case rsa(bits: Int)
        /// A named curve: "P-256", "P-384", "P-521", else OpenSSL's name.
        case ec(curve: String)
        case ed25519
        /// The dotted OID of the key's algorithm.
        case other(String)
    }

    public let kind: Kind
    /// DER of SubjectPublicKeyInfo (RFC 5280, 4.1).
    public let subjectPublicKeyInfo: [UInt8]
    private let verification: Verification

    /// Reads DER of SubjectPublicKeyInfo; nothing may follow it.
    public init(subjectPublicKeyInfo der: [UInt8]) throws(CryptoError) {
        let operation = "read a public key"
        ErrorQueue.clear()
        let (info, read) = der.withUnsafeBufferPointer { buffer in
            var position = buffer.baseAddress
            let info = d2i_X509_PUBKEY(nil, &position, buffer.count)
            return (info, position.map { $0 - buffer.baseAddress! } ?? 0)
        }
        guard let info else { throw ErrorQueue.take(operation) }
        defer { X509_PUBKEY_free(info) }
        guard read == der.count else { throw CryptoError(operation: operation, reason: "\(der.count - read) bytes follow the key") }
        try self.init(info)
    }

    /// Whether `signature` is RSASSA-PKCS1-v1_5 (RFC 8017, 8.2) over `digest`, made by `function`. False for keys that are not RSA,
    /// SHA-1 and digests of another length. May be called from any thread.
    public func verifyPKCS1(signature: [UInt8], digest: [UInt8], function: DigestFunction) -> Bool {
        verifyRSA(.pkcs1, signature, digest, function)
    }

    /// Whether `signature` is RSASSA-PSS (RFC 8017, 8.1) over `digest`, made by `function`, with MGF1 by the same function and a salt of
    /// the digest's length, no other. False for keys that are not RSA, SHA-1 and digests of another length. May be called from any thread.
    public func verifyPSS(signature: [UInt8], digest: [UInt8], function: DigestFunction) -> Bool {
        verifyRSA(.pss, signature, digest, function)
    }

    /// Whether `signature` (DER of ECDSA-Sig-Value, RFC 3279, 2.2.3) is valid over `digest`. False for keys that are not EC.
    /// May be called from any thread.
    public func verifyECDSA(signature: [UInt8], digest: [UInt8]) -> Bool {
        guard case .ec(let context) = verification, !digest.isEmpty else { return false }
        return Self.verify(context, signature, digest)
    }

    /// Whether `signature` is Ed25519's (RFC 8032, 5.1) over `message`, which is given whole and not as a digest. False for other keys.
    /// May be called from any thread.
    public func verifyEd25519(signature: [UInt8], message: [UInt8]) -> Bool {
        guard case .ed25519(let key) = verification else { return false }
        let valid = OneShot.isValid(signature, message, with: key)
        if !valid { ErrorQueue.clear() }
        return valid
    }

    private func verifyRSA(
        _ padding: PreparedContext.Padding, _ signature: [UInt8], _ digest: [UInt8], _ function: DigestFunction
    ) -> Bool {
        guard case .rsa(let prepared) = verification, digest.count == function.byteCount,
            let context = prepared.context(padding, function)
        else { return false }
        return Self.verify(context, signature, digest)
    }

    private static func verify(_ context: PreparedContext, _ signature: [UInt8], _ digest: [UInt8]) -> Bool {
        let valid = context.withCopy { EVP_PKEY_verify($0, signature, signature.count, digest, digest.count) == 1 }
        if !valid { ErrorQueue.clear() }
        return valid
    }

    private enum Verification: Sendable {
        case rsa(PreparedRSA)
        case ec(PreparedContext)
        case ed25519(KeyHandle)
        case none
    }
}

// MARK: - Hashable, CustomStringConvertible

extension PublicKey.Kind: CustomStringConvertible {
    /// For people: "RSA-2048", "EC P-256", "Ed25519", or the dotted OID.
    public var description: String {
        switch self {
        case .rsa(let bits): "RSA-\(bits)"
        case .ec(let curve): "EC \(curve)"
        case .ed25519: "Ed25519"
        case .other(let algorithm): algorithm
        }
    }
}

extension PublicKey: Hashable {
    public static func == (left: PublicKey, right: PublicKey) -> Bool { left.subjectPublicKeyInfo == right.subjectPublicKeyInfo }
    public func hash(into hasher: inout Swift.Hasher) { hasher.combine(subjectPublicKeyInfo) }
}

// MARK: - OpenSSL

extension PublicKey {
    /// Copies what it needs; the caller keeps `info`.
    init(_ info: OpaquePointer) throws(CryptoError) {
        subjectPublicKeyInfo = try OpenSSL.encode("write a public key") { i2d_X509_PUBKEY(info, $0) }
        // Takes a reference. Nil for an algorithm that OpenSSL cannot read.
        guard let key = X509_PUBKEY_get(info) else {
            ErrorQueue.clear()
            kind = .other(OpenSSL.algorithm(of: info))
            verification = .none
            return
        }
        let handle = KeyHandle(owning: key)
        kind = handle.kind ?? .other(OpenSSL.algorithm(of: info))
        switch kind {
        case .rsa: verification = .rsa(try PreparedRSA(.verify, key: handle))
        case .ec: verification = .ec(try PreparedContext(.verify, key: handle))
        case .ed25519: verification = .ed25519(handle)
        case .other: verification = .none
        }
        ErrorQueue.clear()
    }
}
