import CertificateTrust
import FoundationEssentials
import LibCrypto
import OperatingSystem

/// Judges authorities' certificates and remembers those it trusts, so that a chain is validated once and not with every token.
///
/// What is remembered holds for these very certificates and for dates at which all of its chain is valid; another certificate or date is
/// judged anew. Refusals are not remembered: they are rare, and what they lacked may have come since.
final class TrustedAuthorities: Sendable {
    /// An authority has one or two certificates at a time; more come only from someone who makes them up.
    private static let countMax = 16

    private struct Key: Hashable {
        let leaf: Certificate
        let others: [Certificate]
    }

    private struct Trusted {
        let chain: [Certificate]
        let validity: ClosedRange<Date>
    }

    private let anchors: TrustAnchors
    private let onNew: @Sendable (Certificate) -> Void
    private let known = Locked<[Key: Trusted]>([:])

    /// - Parameter onNew: called with each certificate that is trusted and was not known.
    init(_ anchors: TrustAnchors, onNew: @escaping @Sendable (Certificate) -> Void) {
        self.anchors = anchors
        self.onNew = onNew
    }

    /// How many are remembered.
    var count: Int { known.withLock { $0.count } }

    func judge(_ leaf: Certificate, with others: [Certificate], at date: Date) -> TrustVerdict {
        let key = Key(leaf: leaf, others: others)
        if let trusted = known.withLock({ $0[key] }), trusted.validity.contains(date) { return .trusted(trusted.chain) }
        let verdict = anchors.judge(leaf, with: others, as: .timeStamping, at: date)
        if case .trusted(let chain) = verdict, let from = chain.map(\.notBefore).max(), let to = chain.map(\.notAfter).min(), from <= to {
            // Several tokens may bring a new certificate at once; the first one home tells
            let isNew = known.withLock { known in
                if known.count >= Self.countMax { known.removeAll() }
                return known.updateValue(Trusted(chain: chain, validity: from...to), forKey: key) == nil
            }
            if isNew { onNew(leaf) }
        }
        return verdict
    }
}
