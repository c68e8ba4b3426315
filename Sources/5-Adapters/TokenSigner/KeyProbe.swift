import CMS
import LibCrypto
import OperatingSystem
import PKCS11
import SigningPipeline

/// The proof that a key of a token and a certificate belong together: random challenges are signed and verified.
struct KeyProbe {
    let token: SharedToken
    let key: [UInt8]
    /// What the key will sign with; nil for any algorithm that fits its certificate.
    let use: TokenSigner.Use?

    /// A certificate whose public key verified what the private key signed.
    struct Proven {
        let certificate: Certificate
        /// Of one private-key operation.
        let seconds: Double
    }

    /// - Parameters:
    ///   - certificate: nil to take the one on the token; of several (renewals), the one that begins last and matches.
    ///   - challenges: how many; two at least, as the first signature of a key may cost more than the others and the pace follows from them.
    func prove(_ certificate: Certificate?, challenges: Int = 2) async throws(TokenFailure) -> Proven {
        let candidates: [Certificate]
        if let certificate { candidates = [certificate] } else { candidates = try await certificatesOnToken() }
        var misfit: SigningMethod.Refusal?
        var hasSignedWrongly = false
        for candidate in candidates {
            guard let algorithm = algorithm(for: candidate.publicKey) else { continue }
            let (key, name) = (key, "the key \(hexadecimal(key))")
            let (type, offered) = try await token.run { (session: borrowing Session, _: SessionPool) throws(PKCS11Error) in
                (try session.keyPair(id: key).type, try session.token.slot.mechanisms())
            }
            let method: SigningMethod
            do throws(SigningMethod.Refusal) {
                method = try SigningMethod.choose(algorithm, by: use?.mechanism, for: candidate, key: (name, type), offered: offered)
            } catch {
                misfit = misfit ?? error
                continue
            }
            let inputs = (0..<challenges).map { _ in Randomness.bytes(algorithm.digest.function.byteCount) }
            let batch = try await token.sign(inputs, method, key: key)
            let areRight = zip(batch.signatures, inputs).allSatisfy { algorithm.isValid(signature: $0, ofInput: $1, by: candidate.publicKey) }
            if areRight { return Proven(certificate: candidate, seconds: batch.seconds) }
            hasSignedWrongly = true
            misfit =
                misfit
                ?? SigningMethod.Refusal(
                    reason: "\(name) is not the one of the certificate of \(candidate)",
                    remedy: "give the profile the certificate that was issued for this key, or the key's right id")
        }
        if let misfit { throw refusal(misfit.reason, misfit.remedy, hasSignedWrongly ? .mismatch : .key) }
        throw refusal(
            "no key on tokens signs "
                + (use.map { "with digest \($0.digest.name)" + ($0.mechanism.map { " and mechanism \($0)" } ?? "") + " " } ?? "")
                + "for the certificate of \(candidates.map { "\($0)" }.joined(separator: ", "))",
            "choose a mechanism and a digest that go with the certificate's key")
    }

    private func algorithm(for publicKey: PublicKey) -> SignatureAlgorithm? {
        let digests = use.map { [$0.digest] } ?? [.sha256, .sha384, .sha512]
        return digests.lazy.compactMap { SignatureAlgorithm.fitting(publicKey, $0, by: use?.mechanism) }.first
    }

    private func certificatesOnToken() async throws(TokenFailure) -> [Certificate] {
        let key = key
        let encoded = try await token.run { (session: borrowing Session, _: SessionPool) throws(PKCS11Error) in try session.certificates(id: key) }
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

    private func refusal(_ reason: String, _ remedy: String, _ scope: TokenFailure.Scope = .key) -> TokenFailure {
        TokenFailure(error: SignerError(token: token.name, reason: reason, remedy: remedy, isPermanent: true, isMisfit: true), scope: scope)
    }
}
