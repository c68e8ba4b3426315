import COpenSSL
public import OperatingSystem

/// What a PKCS #12 file (RFC 7292) holds: one private key, as a rule its certificate, and further certificates.
///
/// Files of all ages are read, also those in BER of indefinite length and with the encryption of the nineties (RC2 with 40 bits, 3DES),
/// as Kazakhstan's NCA still issues them: OpenSSL's legacy provider is loaded for such a file alone and into a context of its own.
/// When the secure heap is prepared, the key's numbers lie on it.
public struct PKCS12: Sendable {
    public let key: PrivateKey
    /// Its public key is the private key's.
    public let certificate: Certificate
    /// The certificates in the file with other keys, in its order: issuers, as a rule; anyone's.
    public let others: [Certificate]
    /// The name that the file gives the key, nil where it gives none.
    public let keyName: String?

    /// Reads a file of at most `bytesMax`. The password is copied for the length of this call only, and the copies are overwritten.
    ///
    /// - Parameters:
    ///   - password: in UTF-8.
    ///   - certificate: the key's; nil for the one in the file, of several (renewals) the one that begins last.
    public init(_ file: [UInt8], password: Secret, certificate: Certificate? = nil) throws(PKCS12Error) {
        let contents = try PKCS12Reader.read(file, password: password)
        let sealed = try Self.only(contents)
        guard let info = sealed.info else {
            throw PKCS12Error(.unreadable, "its key cannot be decrypted", "export the key again")
        }
        let handle = try Self.handle(info)
        do throws(CryptoError) {
            key = try PrivateKey(handle)
        } catch {
            throw Self.unsupported(info)
        }
        keyName = sealed.name
        func hasKey(_ certificate: Certificate) -> Bool { EVP_PKEY_eq(X509_get0_pubkey(certificate.parsed.x509), handle.key) == 1 }
        defer { ErrorQueue.clear() }
        let mine = contents.certificates.filter(hasKey)
        others = contents.certificates.enumerated().filter { index, found in
            !mine.contains(found) && found != certificate && !contents.certificates[..<index].contains(found)
        }.map(\.element)
        if let certificate {
            guard hasKey(certificate) else {
                throw PKCS12Error(
                    .noCertificate, "its key is not the one of the certificate of \(certificate)",
                    "give the certificate that was issued for this key\(mine.isEmpty ? "" : ", or none: the file has it")")
            }
            self.certificate = certificate
            return
        }
        guard let newest = mine.max(by: { $0.notBefore < $1.notBefore }) else {
            let found = contents.certificates.isEmpty ? "no certificate is in it" : "none of its certificates has the key's public key"
            throw PKCS12Error(.noCertificate, found, "export the key together with its certificate, or name the certificate's file")
        }
        self.certificate = newest
    }

    /// As many bytes as a file may have.
    public static let bytesMax = 1 << 20

    private static func only(_ contents: PKCS12Contents) throws(PKCS12Error) -> PKCS12Contents.SealedKey {
        guard let first = contents.keys.first else {
            let found =
                contents.certificates.isEmpty ? "nothing" : "certificates alone: " + contents.certificates.map(\.subject).joined(separator: "; ")
            throw PKCS12Error(.noKey, "there is no private key in it, but \(found)", "export the key together with its certificate")
        }
        guard contents.keys.count == 1 else {
            let names = contents.keys.enumerated().map { index, key in contents.name(of: key) ?? "key \(index + 1), without a name" }
            throw PKCS12Error(
                .severalKeys, "there are \(names.count) private keys in it: " + names.joined(separator: "; "),
                "write the one to sign with into a file of its own")
        }
        return first
    }

    private static func handle(_ info: PKCS8Info) throws(PKCS12Error) -> KeyHandle {
        ErrorQueue.clear()
        // In the default context: the legacy provider's is for reading only
        guard let key = EVP_PKCS82PKEY(info.pointer) else {
            ErrorQueue.clear()
            throw unsupported(info)
        }
        return KeyHandle(owning: key)
    }

    private static func unsupported(_ info: PKCS8Info) -> PKCS12Error {
        PKCS12Error(
            .keyUnsupported, "its key is of the algorithm \(info.algorithm), with which nothing is signed here",
            "use a key of RSA, ECDSA on a NIST curve or Ed25519")
    }
}

/// Why a PKCS #12 file gives no key.
public struct PKCS12Error: Error, Sendable, CustomStringConvertible {
    public enum Kind: Sendable, Hashable {
        /// Not PKCS #12, cut off or damaged.
        case unreadable
        case wrongPassword
        /// It has no MAC by its password (RFC 7292, 4), so that anyone may have changed it.
        case withoutMAC
        /// By an algorithm that OpenSSL does not have.
        case encryptionUnsupported
        case noKey
        case severalKeys
        /// A key that cannot sign here, GOST's for one.
        case keyUnsupported
        case noCertificate
    }

    public let kind: Kind
    public let reason: String
    /// What a person can do.
    public let remedy: String

    init(_ kind: Kind, _ reason: String, _ remedy: String) {
        self.kind = kind
        self.reason = reason
        self.remedy = remedy
    }

    public var description: String { "\(reason); \(remedy)" }
}
