public import CMS
import DER
public import LibCrypto

/// How a certification request is signed, by kind of key.
public enum RequestSignature: String, Sendable, CaseIterable {
    case rsaSHA256 = "sha256WithRSAEncryption"
    case ecdsaSHA256 = "ecdsa-with-SHA256"
    case ecdsaSHA384 = "ecdsa-with-SHA384"
    case ed25519 = "Ed25519"

    /// nil for keys that no request is signed with here.
    public static func fitting(_ key: PublicKey) -> RequestSignature? {
        switch key.kind {
        case .rsa: return .rsaSHA256
        case .ec(curve: "P-256"): return .ecdsaSHA256
        case .ec(curve: "P-384"): return .ecdsaSHA384
        case .ed25519: return .ed25519
        default: return nil
        }
    }

    /// RFC 4055, 5 (with NULL); RFC 5758, 3.2 and RFC 8410, 3 (without parameters).
    public var identifier: AlgorithmIdentifier {
        switch self {
        case .rsaSHA256: AlgorithmIdentifier(ObjectIdentifier(1, 2, 840, 113549, 1, 1, 11), parameters: AlgorithmIdentifier.null)
        case .ecdsaSHA256: AlgorithmIdentifier(ObjectIdentifier(1, 2, 840, 10045, 4, 3, 2))
        case .ecdsaSHA384: AlgorithmIdentifier(ObjectIdentifier(1, 2, 840, 10045, 4, 3, 3))
        case .ed25519: AlgorithmIdentifier(SubjectPublicKeyInfo.ed25519)
        }
    }

    /// What the key is given: for RSA the DigestInfo (RFC 8017, 9.2), for ECDSA the digest, for Ed25519 the octets themselves.
    public func keyInput(_ toBeSigned: [UInt8]) -> [UInt8] {
        switch self {
        case .rsaSHA256:
            DERWriter.encode { der in
                der.sequence { der in
                    der.sequence { der in
                        der.objectIdentifier(DigestAlgorithm.sha256.oid)
                        der.null()
                    }
                    der.octetString(DigestFunction.sha256.digest(toBeSigned))
                }
            }
        case .ecdsaSHA256: DigestFunction.sha256.digest(toBeSigned)
        case .ecdsaSHA384: DigestFunction.sha384.digest(toBeSigned)
        case .ed25519: toBeSigned
        }
    }

    /// The signature as the request holds it, from what the key gave: ECDSA's r and s, each half of the bytes, become a SEQUENCE of two
    /// INTEGERs (RFC 3279, 2.2.3); the others stay.
    public func signatureValue(_ answer: [UInt8]) -> [UInt8] {
        guard self == .ecdsaSHA256 || self == .ecdsaSHA384 else { return answer }
        return DERWriter.encode { der in
            der.sequence { der in
                der.integer(magnitude: Array(answer[..<(answer.count / 2)]))
                der.integer(magnitude: Array(answer[(answer.count / 2)...]))
            }
        }
    }

    /// Whether a finished signature is the key's over the octets.
    public func isValid(_ signature: [UInt8], over toBeSigned: [UInt8], by key: PublicKey) -> Bool {
        switch self {
        case .rsaSHA256: key.verifyPKCS1(signature: signature, digest: DigestFunction.sha256.digest(toBeSigned), function: .sha256)
        case .ecdsaSHA256, .ecdsaSHA384: key.verifyECDSA(signature: signature, digest: keyInput(toBeSigned))
        case .ed25519: key.verifyEd25519(signature: signature, message: toBeSigned)
        }
    }
}
