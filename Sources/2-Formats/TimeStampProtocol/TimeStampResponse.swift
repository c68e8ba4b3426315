public import CMS
internal import DER
public import FoundationEssentials
public import LibCrypto

/// What a timestamp authority answers (RFC 3161, 2.4.2).
///
///     TimeStampResp ::= SEQUENCE {
///         status          PKIStatusInfo,
///         timeStampToken  TimeStampToken OPTIONAL }
///
/// An answer is not kept: it is checked against its request, and what is left is the token.
public enum TimeStampResponse {
    /// The token of an answer, after every check that RFC 3161, 2.2 asks of who requested it.
    ///
    /// - Parameters:
    ///   - request: What was sent: its imprint, nonce and policy must be in the token.
    ///   - now: When the answer came in.
    ///   - tolerance: Seconds that the stamped time may be before or after `now`.
    ///   - trust: Asked last, with the authority's certificate, all certificates of the token and the stamped time. Nil trusts; else the
    ///     reason why not.
    public static func check(
        _ der: [UInt8], answering request: TimeStampRequest, at now: Date, accepting tolerance: TimeInterval,
        algorithms: KnownAlgorithms = .standard, trust: TimeStampToken.Trust
    ) throws(TimeStampFault) -> TimeStampToken {
        var known = KnownAuthorities(algorithms: algorithms)
        return try check(der, answering: request, at: now, accepting: tolerance, knowing: &known, trust: trust)
    }

    /// The same for a client that asks an authority again and again.
    ///
    /// - Parameter known: What follows from octets that earlier tokens of the authority had too is not found out again. An authority that
    ///   passed every check for the first time is added.
    public static func check(
        _ der: [UInt8], answering request: TimeStampRequest, at now: Date, accepting tolerance: TimeInterval,
        knowing known: inout KnownAuthorities, trust: TimeStampToken.Trust
    ) throws(TimeStampFault) -> TimeStampToken {
        let (status, token) = try read(der)
        guard status.isGranted else { throw TimeStampFault(.status, status.description, status: status) }
        guard let token else { throw TimeStampFault(.tokenMissing, "granted without a token") }
        let parts = try TokenParts(token)
        let info = parts.info
        guard parts.states(request.imprint) else { throw TimeStampFault(.imprintDiffers, "stamped something else") }
        guard let nonce = info.nonce, parts.has(request.nonce, at: nonce) else {
            throw TimeStampFault(.nonceDiffers, info.nonce == nil ? "no nonce" : "the nonce of another request")
        }
        if let policy = request.policy, !parts.has(policy.encoded, at: info.policy) {
            throw TimeStampFault(.policyDiffers, "\(parts.policy) instead of \(policy)")
        }
        let ahead = info.time.timeIntervalSince(now)
        guard abs(ahead) <= tolerance else {
            throw TimeStampFault(.timeOutsideWindow, "\(info.time) is \(Int(abs(ahead))) s \(ahead > 0 ? "ahead of" : "behind") our clock")
        }
        return try TimeStampToken.check(parts, imprint: request.imprint, knowing: &known, trust: trust)
    }

    private static func read(_ der: [UInt8]) throws(TimeStampFault) -> (PKIStatusInfo, [UInt8]?) {
        do {
            return try DERReader.read(der) { der in
                try der.sequence { der in (try PKIStatusInfo(reading: &der), der.isAtEnd ? nil : try der.elementBytes(.sequence)) }
            }
        } catch {
            throw TimeStampFault(.notDER, "the answer is \(error)")
        }
    }
}
