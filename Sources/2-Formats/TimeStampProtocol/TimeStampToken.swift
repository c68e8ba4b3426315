public import CMS
public import DER
public import FoundationEssentials
public import LibCrypto

/// A timestamp token that was checked (RFC 3161, 2.4.2): over this imprint, signed by this authority, which whoever checked it trusts.
///
/// Only a check makes one: `TimeStampResponse.check` for who requested it, `check` here for who finds it in a signature.
public struct TimeStampToken: Sendable, Hashable {
    /// Nil trusts the authority; else why not. Asked with its certificate, all readable certificates of the token, and the stamped time.
    public typealias Trust = (_ authority: Certificate, _ certificates: [Certificate], _ time: Date) -> String?

    /// The whole token, octet for octet as it came: a ContentInfo.
    public let der: [UInt8]
    public let imprint: MessageImprint
    /// The stamped time.
    public let time: Date
    public let accuracy: Accuracy?
    /// Lower case, two digits an octet.
    public let serialNumberHex: String
    public let policy: ObjectIdentifier
    /// The authority's certificate.
    public let authority: Certificate
    /// All readable certificates in the token, the authority's too.
    public let certificates: [Certificate]

    /// Checks a token over a known imprint, whose request is not known: everything but nonce, asked policy and clock.
    public static func check(
        _ der: [UInt8], imprint: MessageImprint, algorithms: KnownAlgorithms = .standard, trust: Trust
    ) throws(TimeStampFault) -> TimeStampToken {
        let parts = try TokenParts(der)
        guard parts.info.imprint.states(imprint) else { throw TimeStampFault(.imprintDiffers, "it is over something else") }
        return try check(parts, imprint: imprint, algorithms: algorithms, trust: trust)
    }

    /// Checks a token over octets, such as those of a signature value; they are hashed by the algorithm that the token states.
    public static func check(
        _ der: [UInt8], over octets: [UInt8], algorithms: KnownAlgorithms = .standard, trust: Trust
    ) throws(TimeStampFault) -> TimeStampToken {
        let parts = try TokenParts(der)
        guard let algorithm = algorithms.digest(parts.info.imprint.algorithm) else {
            throw TimeStampFault(.algorithmUnknown, "imprint by \(parts.info.imprint.algorithm.algorithm)")
        }
        let imprint = MessageImprint(of: octets, by: algorithm)
        guard parts.info.imprint.states(imprint) else { throw TimeStampFault(.imprintDiffers, "it is over something else") }
        return try check(parts, imprint: imprint, algorithms: algorithms, trust: trust)
    }

    /// - Precondition: the parts state this imprint.
    static func check(
        _ parts: TokenParts, imprint: MessageImprint, algorithms: KnownAlgorithms, trust: Trust
    ) throws(TimeStampFault) -> TimeStampToken {
        let check = try AuthorityCheck(parts, algorithms: algorithms)
        if let reason = trust(check.authority, check.certificates, parts.info.time) {
            throw TimeStampFault(.certificateUntrusted, reason)
        }
        return TimeStampToken(parts, imprint: imprint, check)
    }

    private init(_ parts: TokenParts, imprint: MessageImprint, _ check: AuthorityCheck) {
        der = parts.der
        self.imprint = imprint
        time = parts.info.time
        accuracy = parts.info.accuracy
        serialNumberHex = Self.hex(parts.info.serialNumber)
        policy = parts.info.policy
        authority = check.authority
        certificates = check.certificates
    }

    private static func hex(_ integer: [UInt8]) -> String {
        let magnitude = integer.count > 1 && integer[0] == 0 ? integer.dropFirst() : integer[...]
        return magnitude.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }
}
