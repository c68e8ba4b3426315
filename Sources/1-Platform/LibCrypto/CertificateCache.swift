import OperatingSystem

/// The certificates read last. OpenSSL takes 0.1 ms to read one, mostly for its key, and a stream of signatures or timestamps brings
/// the same few again and again. What is kept is immutable, so that nobody can tell a kept one from a new one.
enum CertificateCache {
    /// The certificate with this DER, read or kept. What cannot be read is not kept.
    static func certificate(_ der: [UInt8]) throws(CryptoError) -> ParsedCertificate {
        let digest = DigestFunction.sha256.digest(der)
        if let known = kept.withLock({ $0[digest] }) { return known }
        let read = try ParsedCertificate(der, sha256: digest)
        kept.withLock { kept in
            // A bound, not a policy: the few that are in use are back after a few reads.
            if kept.count >= countMax { kept.removeAll(keepingCapacity: true) }
            kept[digest] = read
        }
        return read
    }

    /// By SHA-256 of the DER.
    private static let kept = Locked<[[UInt8]: ParsedCertificate]>([:])
    /// A certificate takes about 10 KB with OpenSSL's part.
    private static let countMax = 256
}
