import CMS
import LibCrypto
import OperatingSystem
import PKCS11
import SigningPipeline

/// The proof that a key of a token and a certificate belong together, made when a signer starts.
struct KeyProbe {
    let token: SharedToken
    let key: [UInt8]

    /// A certificate whose public key verified what the private key signed.
    struct Proven {
        let certificate: Certificate
        /// Of one private-key operation.
        let seconds: Double
    }

    /// - Parameter certificate: nil to take the one on the token; of several (renewals), the one that begins last and matches.
    func prove(_ certificate: Certificate?) async throws(SignerError) -> Proven {
        let candidates: [Certificate]
        if let certificate { candidates = [certificate] } else { candidates = try await certificatesOnToken() }
        var mismatch: Certificate?
        for candidate in candidates {
            guard let algorithm = SignatureAlgorithm.fitting(candidate.publicKey, .sha256), let method = SigningMethod.making(algorithm)
            else { continue }
            let type = try await token.run { (session: borrowing Session) throws(PKCS11Error) in try session.keyPair(id: key).type }
            mismatch = mismatch ?? candidate
            guard type == method.keyType else { continue }
            let challenge = Randomness.bytes(32)
            // Twice: the first signature of a key may cost more than the others, and the pace of a batch follows from it.
            let batch = try await token.sign([challenge, challenge], method, key: key)
            if batch.signatures.allSatisfy({ algorithm.isValid(signature: $0, ofDigest: challenge, by: candidate.publicKey) }) {
                return Proven(certificate: candidate, seconds: batch.seconds)
            }
        }
        if let mismatch {
            throw refusal(
                "the key \(hexadecimal(key)) is not the one of the certificate of \(mismatch)",
                "give the profile the certificate that was issued for this key, or the key's right id")
        }
        throw refusal(
            "no key on tokens signs for the certificate of \(candidates.map { "\($0)" }.joined(separator: ", "))",
            "use a certificate with an RSA key or a key on a NIST curve")
    }

    private func certificatesOnToken() async throws(SignerError) -> [Certificate] {
        let key = key
        let encoded = try await token.run { (session: borrowing Session) throws(PKCS11Error) in try session.certificates(id: key) }
        guard !encoded.isEmpty else {
            throw refusal(
                "no certificate with the id \(hexadecimal(key)) lies on the token",
                "name a certificate file in the profile, or write it to the token")
        }
        var certificates: [Certificate] = []
        for der in encoded {
            do throws(CryptoError) { certificates.append(try Certificate(der: der)) } catch {
                throw refusal("a certificate with the id \(hexadecimal(key)) on the token is unreadable: \(error)", "replace it")
            }
        }
        return certificates.sorted { $0.notBefore > $1.notBefore }
    }

    private func refusal(_ reason: String, _ remedy: String) -> SignerError {
        SignerError(token: token.name, reason: reason, remedy: remedy, isPermanent: true, isMisfit: true)
    }
}
