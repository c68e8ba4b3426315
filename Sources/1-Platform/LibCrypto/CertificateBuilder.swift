import COpenSSL
public import FoundationEssentials

/// Writes and signs X.509 v3 certificates: for a demo or test PKI, not for running an authority (it remembers no serial numbers).
public struct CertificateBuilder: Sendable {
    /// An extension in the words of openssl's x509v3_config(5): "keyUsage" with "critical,digitalSignature", or a dotted OID with
    /// "DER:0500". What needs a section of a configuration file cannot be written.
    public struct Extension: Sendable, Hashable {
        public var name: String
        public var value: String

        public init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    public var subject: DistinguishedName
    public var notBefore: Date
    public var notAfter: Date
    /// Positive, big-endian, at most 20 bytes (RFC 5280, 4.1.2.2).
    public var serialNumber: [UInt8]
    public var extensions: [Extension]
    /// What the issuer hashes with; an Ed25519 key hashes by itself.
    public var digest: DigestFunction = .sha256

    public init(subject: DistinguishedName, notBefore: Date, notAfter: Date, serialNumber: [UInt8], extensions: [Extension]) {
        self.subject = subject
        self.notBefore = notBefore
        self.notAfter = notAfter
        self.serialNumber = serialNumber
        self.extensions = extensions
    }

    /// A certificate that vouches for itself.
    public func selfSigned(by key: PrivateKey) throws(CryptoError) -> Certificate {
        try sign(key.publicKey, issuer: nil, key: key)
    }

    /// A certificate for `publicKey` under the name and with the key of `issuer`. Whether the issuer may issue is not asked.
    public func issued(to publicKey: PublicKey, by issuer: Certificate, with key: PrivateKey) throws(CryptoError) -> Certificate {
        try sign(publicKey, issuer: issuer, key: key)
    }

    private func sign(_ publicKey: PublicKey, issuer: Certificate?, key: PrivateKey) throws(CryptoError) -> Certificate {
        ErrorQueue.clear()
        guard let x509 = X509_new() else { preconditionFailure("out of memory") }
        defer { X509_free(x509) }
        let subjectKey = try Self.key(publicKey)
        var done = X509_set_version(x509, Int(X509_VERSION_3)) == 1
        done = done && X509_set_pubkey(x509, subjectKey.key) == 1
        done = done && ASN1_TIME_set(X509_getm_notBefore(x509), Int(notBefore.timeIntervalSince1970)) != nil
        done = done && ASN1_TIME_set(X509_getm_notAfter(x509), Int(notAfter.timeIntervalSince1970)) != nil
        done = done && Self.setInteger(X509_get_serialNumber(x509), serialNumber)
        guard done else { throw ErrorQueue.take("write a certificate") }
        try subject.write(to: X509_get_subject_name(x509))
        let issuerName = issuer.map { X509_get_subject_name($0.parsed.x509) } ?? X509_get_subject_name(x509)
        guard X509_set_issuer_name(x509, issuerName) == 1 else { throw ErrorQueue.take("write a certificate") }
        for each in extensions { try add(each, to: x509, issuer: issuer?.parsed.x509 ?? x509) }
        let md = key.publicKey.kind == .ed25519 ? nil : digest.algorithm.md
        guard X509_sign(x509, key.handle.key, md) > 0 else { throw ErrorQueue.take("sign a certificate") }
        return try Certificate(der: OpenSSL.encode("write a certificate") { i2d_X509(x509, $0) })
    }

    private func add(_ wanted: Extension, to x509: OpaquePointer, issuer: OpaquePointer) throws(CryptoError) {
        // The subject's key identifier comes first in every list: the authority's of a self-signed one is taken from it.
        var context = X509V3_CTX()
        X509V3_set_ctx(&context, issuer, x509, nil, nil, 0)
        guard let made = X509V3_EXT_nconf(nil, &context, wanted.name, wanted.value) else {
            throw ErrorQueue.take("write the extension \(wanted.name)")
        }
        defer { X509_EXTENSION_free(made) }
        guard X509_add_ext(x509, made, -1) == 1 else { throw ErrorQueue.take("write the extension \(wanted.name)") }
    }

    private static func key(_ publicKey: PublicKey) throws(CryptoError) -> KeyHandle {
        let der = publicKey.subjectPublicKeyInfo
        let key = der.withUnsafeBufferPointer { buffer -> OpaquePointer? in
            var position = buffer.baseAddress
            return d2i_PUBKEY(nil, &position, buffer.count)
        }
        guard let key else { throw ErrorQueue.take("write a public key into a certificate") }
        return KeyHandle(owning: key)
    }

    private static func setInteger(_ integer: UnsafeMutablePointer<ASN1_INTEGER>?, _ magnitude: [UInt8]) -> Bool {
        guard let number = BN_bin2bn(magnitude, Int32(magnitude.count), nil) else { return false }
        defer { BN_free(number) }
        return BN_to_ASN1_INTEGER(number, integer) != nil
    }
}
