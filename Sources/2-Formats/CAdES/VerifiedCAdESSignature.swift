public import CMS
public import LibCrypto
public import TimeStampProtocol

/// A signature that holds: over this document, by the key of its certificate, and so does each of its timestamps.
///
/// Only `CAdESSignature.verify` makes one. Whether to trust the certificate, as of the timestamp, is left to who asks.
public struct VerifiedCAdESSignature: Sendable {
    public let signature: CAdESSignature
    /// In the order of the file. Empty at B-B.
    public let timeStamps: [TimeStampToken]

    public var level: Level { timeStamps.isEmpty ? .baselineB : .baselineT }

    /// The levels of EN 319 122-1, 6.
    public enum Level: String, Sendable, Hashable, CaseIterable {
        case baselineB = "B-B"
        case baselineT = "B-T"
    }

    fileprivate init(_ signature: CAdESSignature, _ timeStamps: [TimeStampToken]) {
        self.signature = signature
        self.timeStamps = timeStamps
    }
}

extension CAdESSignature {
    /// Verifies the signature over a document and all its timestamps. Throws every rule it breaks at once: one timestamp that does not
    /// hold is enough, whatever stands beside it.
    ///
    /// - Parameters:
    ///   - documentDigest: Of the document, by `algorithm.digest`; of any length.
    ///   - timeStampTrust: Whether to trust an authority of timestamps.
    public func verify(
        documentDigest: [UInt8], algorithms: KnownAlgorithms = .standard, timeStampTrust: TimeStampToken.Trust
    ) throws(CAdESViolations) -> VerifiedCAdESSignature {
        var violations: [CAdESViolation] = []
        if messageDigest != documentDigest { violations.append(CAdESViolation(.documentDigestDiffers, "it is over another document")) }
        if !algorithm.isValid(signature: signatureValue, overMessage: signedAttributes.encoded, by: certificate.publicKey) {
            violations.append(CAdESViolation(.signatureInvalid, "not by the key of \(certificate.subject)"))
        }
        var timeStamps: [TimeStampToken] = []
        for token in timeStampTokens {
            do throws(TimeStampFault) {
                // EN 319 122-1, 5.3: the imprint is over the octets of the signature value
                timeStamps.append(try TimeStampToken.check(token, over: signatureValue, algorithms: algorithms, trust: timeStampTrust))
            } catch {
                violations.append(CAdESViolation(timeStamp: error))
            }
        }
        guard violations.isEmpty else { throw CAdESViolations(violations) }
        return VerifiedCAdESSignature(self, timeStamps)
    }
}
