internal import CMS
public import DER

/// What is sent to a timestamp authority (RFC 3161, 2.4.1).
///
///     TimeStampReq ::= SEQUENCE {
///         version         INTEGER { v1(1) },
///         messageImprint  MessageImprint,
///         reqPolicy       TSAPolicyId OPTIONAL,
///         nonce           INTEGER OPTIONAL,
///         certReq         BOOLEAN DEFAULT FALSE,
///         extensions      [0] IMPLICIT Extensions OPTIONAL }
///
/// The nonce is always there, and the certificate is always asked for: no verifier takes a token without it.
public struct TimeStampRequest: Sendable, Hashable {
    public let imprint: MessageImprint
    /// The INTEGER, whole. The answer must have the same.
    public let nonce: [UInt8]
    /// Nil leaves the policy to the authority.
    public let policy: ObjectIdentifier?

    /// - Parameter nonce: The octets of a number that is not negative, big endian; random, 8 or more.
    /// - Precondition: 1 to 100 octets of nonce.
    public init(imprint: MessageImprint, nonce: [UInt8], policy: ObjectIdentifier? = nil) {
        precondition((1...100).contains(nonce.count))
        self.imprint = imprint
        self.policy = policy
        let digits = nonce.firstIndex { $0 != 0 }.map { nonce[$0...] } ?? nonce.suffix(1)
        let needsZero = digits[digits.startIndex] >= 0x80
        var element: [UInt8] = []
        DERLength.append(.integer, digits.count + (needsZero ? 1 : 0), to: &element)
        if needsZero { element.append(0) }
        element += digits
        self.nonce = element
    }

    /// The whole request. Written straight through, with lengths computed beforehand: there is one per signature.
    public var encoded: [UInt8] {
        let imprintCount = imprint.algorithm.identifier.count + DERLength.elementCount(imprint.digest.count)
        let count =
            Self.version.count + DERLength.elementCount(imprintCount) + (policy?.encoded.count ?? 0) + nonce.count
            + Self.certReq.count
        var bytes: [UInt8] = []
        bytes.reserveCapacity(DERLength.elementCount(count))
        DERLength.append(.sequence, count, to: &bytes)
        bytes += Self.version
        DERLength.append(.sequence, imprintCount, to: &bytes)
        bytes += imprint.algorithm.identifier
        DERLength.append(.octetString, imprint.digest.count, to: &bytes)
        bytes += imprint.digest
        if let policy { bytes += policy.encoded }
        bytes += nonce
        bytes += Self.certReq
        return bytes
    }

    private static let version: [UInt8] = [0x02, 0x01, 0x01]
    private static let certReq: [UInt8] = [0x01, 0x01, 0xFF]
}
