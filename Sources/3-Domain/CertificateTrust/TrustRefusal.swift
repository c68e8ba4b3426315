import LibCrypto

/// Why a certificate is not trusted. Two are equal when their codes are.
public struct TrustRefusal: Sendable {
    public enum Code: String, Sendable, Hashable, CaseIterable {
        case notYetValid = "certificate-not-yet-valid"
        case expired = "certificate-expired"
        /// No chain to an anchor: the issuer is missing, or the chain ends at a root that is no anchor.
        case untrusted = "certificate-untrusted"
        case purposeUnfit = "certificate-purpose"
        /// A signature in the chain does not verify.
        case signatureInvalid = "certificate-signature-invalid"
        /// Something in the chain breaks RFC 5280 or is too weak; the sentence says what.
        case chainInvalid = "certificate-chain-invalid"
    }

    public let code: Code
    /// English; names the certificate by its subject.
    public let sentence: String

    public init(code: Code, sentence: String) {
        self.code = code
        self.sentence = sentence
    }
}

extension TrustRefusal.Code {
    init(_ fault: ChainFault) {
        self =
            switch fault {
            case .notYetValid: .notYetValid
            case .expired: .expired
            case .issuerUnknown, .selfSignedLeaf, .selfSignedInChain, .leafUnverified, .issuerMissing: .untrusted
            case .purposeUnfit: .purposeUnfit
            case .signatureInvalid: .signatureInvalid
            default: .chainInvalid
            }
    }
}

// MARK: - Hashable, CustomStringConvertible

extension TrustRefusal: Hashable, CustomStringConvertible {
    public static func == (left: TrustRefusal, right: TrustRefusal) -> Bool { left.code == right.code }
    public func hash(into hasher: inout Swift.Hasher) { hasher.combine(code) }
    public var description: String { "\(code.rawValue): \(sentence)" }
}
