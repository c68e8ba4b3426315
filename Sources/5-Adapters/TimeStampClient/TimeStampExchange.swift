public import CertificateTrust
public import DER
public import FoundationEssentials
public import LibCrypto
import OperatingSystem
public import TimeStampProtocol

/// What is asked of one authority and what is believed of its answers: everything of a timestamp but HTTP.
public final class TimeStampExchange: Sendable {
    private let policy: ObjectIdentifier?
    private let tolerance: TimeInterval
    private let trusted: TrustedAuthorities
    private let known = Locked(KnownAuthorities())

    /// - Parameters:
    ///   - policy: asked for, and demanded of the answer; nil leaves it to the authority.
    ///   - tolerance: seconds that a stamped time may be from our clock, before or after.
    ///   - onNew: called with each certificate of the authority that is trusted and was not known.
    public init(
        policy: ObjectIdentifier?, tolerance: TimeInterval, trust: TrustAnchors, onNew: @escaping @Sendable (Certificate) -> Void
    ) {
        self.policy = policy
        self.tolerance = tolerance
        trusted = TrustedAuthorities(trust, onNew: onNew)
    }

    /// With a fresh nonce.
    public func request(for imprint: MessageImprint) -> TimeStampRequest {
        TimeStampRequest(imprint: imprint, nonce: Self.nonce(), policy: policy)
    }

    /// The token of an answer that came in at `now`, after every check.
    public func token(from answer: [UInt8], to request: TimeStampRequest, at now: Date) throws(TimeStampFault) -> TimeStampToken {
        try token(from: answer, to: request, at: now, accepting: tolerance)
    }

    func token(
        from answer: [UInt8], to request: TimeStampRequest, at now: Date, accepting tolerance: TimeInterval
    ) throws(TimeStampFault) -> TimeStampToken {
        var known = known.withLock { $0 }
        let additions = known.additions
        let token = try TimeStampResponse.check(
            answer, answering: request, at: now, accepting: tolerance, knowing: &known
        ) { authority, certificates, time in
            switch trusted.judge(authority, with: certificates.filter { $0 != authority }, at: time) {
            case .trusted: nil
            case .refused(let refusal): "\(refusal)"
            }
        }
        if known.additions != additions { self.known.withLock { $0 = known } }
        return token
    }

    /// 63 random bits under a first bit that keeps the number positive and its length the same.
    private static func nonce() -> [UInt8] {
        var bytes = Randomness.bytes(8)
        bytes[0] = bytes[0] & 0x7F | 0x40
        return bytes
    }
}
