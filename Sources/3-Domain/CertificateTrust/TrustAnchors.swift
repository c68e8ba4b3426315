public import FoundationEssentials
public import LibCrypto

/// Whom to trust. Made from the operator's PEM files, for documents and for timestamps apart.
public struct TrustAnchors: Sendable {
    /// In the order of the text; one that stands there twice is kept once.
    public let certificates: [Certificate]

    public init(_ certificates: [Certificate]) {
        var known: Set<Certificate> = []
        self.certificates = certificates.filter { known.insert($0).inserted }
    }

    /// Reads all certificates of a PEM text; throws when one is unreadable or there is none.
    public init(pem text: [UInt8]) throws(CryptoError) {
        self.init(try Certificate.readPEM(text))
    }

    /// Judges `leaf` for `purpose` as of `date`: what it says of itself first, then the chain over `others` to an anchor.
    /// Revocation is not looked at.
    public func judge(_ leaf: Certificate, with others: [Certificate], as purpose: CertificatePurpose, at date: Date) -> TrustVerdict {
        if let refusal = purpose.refusal(of: leaf) { return .refused(refusal) }
        let verdict = ChainVerification.verify(
            leaf: leaf, intermediates: others, anchors: certificates, at: date, purpose: purpose.chainPurpose)
        switch verdict {
        case .trusted(let chain): return .trusted(chain)
        case .refused(let reason, let fault): return .refused(TrustRefusal(code: TrustRefusal.Code(fault), sentence: reason))
        }
    }
}

public enum TrustVerdict: Sendable, Hashable {
    /// The chain from the leaf to its anchor, both included.
    case trusted([Certificate])
    case refused(TrustRefusal)
}
