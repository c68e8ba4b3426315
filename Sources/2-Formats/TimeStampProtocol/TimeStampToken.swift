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
        guard parts.states(imprint) else { throw TimeStampFault(.imprintDiffers, "it is over something else") }
        var known = KnownAuthorities(algorithms: algorithms)
        return try check(parts, imprint: imprint, knowing: &known, trust: trust)
    }

    /// Checks a token over octets, such as those of a signature value; they are hashed by the algorithm that the token states.
    public static func check(
        _ der: [UInt8], over octets: [UInt8], algorithms: KnownAlgorithms = .standard, trust: Trust
    ) throws(TimeStampFault) -> TimeStampToken {
        let parts = try TokenParts(der)
        let stated = parts.identifier(parts.info.imprintAlgorithm)
        guard let algorithm = algorithms.digest(stated) else { throw TimeStampFault(.algorithmUnknown, "imprint by \(stated.algorithm)") }
        let imprint = MessageImprint(of: octets, by: algorithm)
        guard parts.states(imprint) else { throw TimeStampFault(.imprintDiffers, "it is over something else") }
        var known = KnownAuthorities(algorithms: algorithms)
        return try check(parts, imprint: imprint, knowing: &known, trust: trust)
    }

    /// - Precondition: the parts state this imprint.
    static func check(
        _ parts: TokenParts, imprint: MessageImprint, knowing known: inout KnownAuthorities, trust: Trust
    ) throws(TimeStampFault) -> TimeStampToken {
        let check = try AuthorityCheck(parts, knowing: known)
        if let reason = trust(check.authority.authority, check.authority.certificates, parts.info.time) {
            throw TimeStampFault(.certificateUntrusted, reason)
        }
        if !check.wasKnown { known.add(check.authority) }
        return TimeStampToken(parts, imprint: imprint, check.authority)
    }

    private init(_ parts: TokenParts, imprint: MessageImprint, _ known: KnownAuthority) {
        der = parts.der
        self.imprint = imprint
        time = parts.info.time
        accuracy = parts.info.accuracy
        serialNumberHex = Self.hex(parts.der[parts.info.serialNumber])
        policy = parts.policy
        authority = known.authority
        certificates = known.certificates
    }

    private static func hex(_ integer: ArraySlice<UInt8>) -> String {
        let magnitude = integer.count > 1 && integer.first == 0 ? integer.dropFirst() : integer
        var digits: [UInt8] = []
        digits.reserveCapacity(2 * magnitude.count)
        for octet in magnitude {
            digits.append(digit(octet >> 4))
            digits.append(digit(octet & 15))
        }
        return String(decoding: digits, as: UTF8.self)
    }

    private static func digit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x57 + value }
}

extension TokenParts {
    var policy: ObjectIdentifier { read(info.policy) { try $0.objectIdentifier() } }
}
