import CMS
import DER
import LibCrypto
import PKCS11

/// How a token makes the signatures of one algorithm: the mechanism, what goes in, what comes out.
struct SigningMethod: Sendable {
    let mechanism: Mechanism
    let keyType: KeyType
    /// What stands before the digest in the mechanism's input.
    private let prefix: [UInt8]

    /// nil for algorithms that Tanba does not make on tokens.
    static func making(_ algorithm: SignatureAlgorithm) -> SigningMethod? { known[algorithm] }

    private static let known: [SignatureAlgorithm: SigningMethod] = {
        var methods: [SignatureAlgorithm: SigningMethod] = [:]
        for digest in [DigestAlgorithm.sha256, .sha384, .sha512] {
            methods[.rsaPKCS1(digest)] = SigningMethod(mechanism: .rsaPKCS, keyType: .rsa, prefix: digestInfoPrefix(digest))
            methods[.ecdsa(digest)] = SigningMethod(mechanism: .ecdsa, keyType: .ec, prefix: [])
        }
        return methods
    }()

    func input(_ digest: [UInt8]) -> [UInt8] { prefix.isEmpty ? digest : prefix + digest }

    /// The mechanism's answer as CMS writes a signature; nil where it cannot be one.
    func signature(_ answer: [UInt8]) -> [UInt8]? {
        mechanism == .ecdsa ? derSequence(ofRAndS: answer) : answer
    }

    /// DigestInfo up to the digest (RFC 8017, 9.2): SEQUENCE { SEQUENCE { digest OID, NULL }, OCTET STRING }. The NULL stays here, unlike in
    /// CMS (RFC 5754, 2).
    private static func digestInfoPrefix(_ digest: DigestAlgorithm) -> [UInt8] {
        let oid = digest.oid.encoded
        let size = UInt8(digest.function.byteCount)
        let algorithm = [0x30, UInt8(oid.count + 2)] + oid + [0x05, 0x00]
        return [0x30, UInt8(algorithm.count) + 2 + size] + algorithm + [0x04, size]
    }
}

/// SEQUENCE { INTEGER r, INTEGER s } (RFC 3279, 2.2.3) from r and s, each half of the bytes, unsigned, most significant byte first.
///
/// nil where the bytes cannot be halved, or for curves beyond 521 bits.
func derSequence(ofRAndS raw: [UInt8]) -> [UInt8]? {
    let half = raw.count / 2
    guard raw.count > 0, raw.count == 2 * half, half <= 66 else { return nil }
    let r = significant(raw, from: 0, to: half)
    let s = significant(raw, from: half, to: raw.count)
    let content = 2 + r.count + (raw[r.lowerBound] >> 7 == 1 ? 1 : 0) + 2 + s.count + (raw[s.lowerBound] >> 7 == 1 ? 1 : 0)
    var der: [UInt8] = []
    der.reserveCapacity(content + 3)
    der.append(0x30)
    if content >= 0x80 { der.append(0x81) }
    der.append(UInt8(content))
    for number in [r, s] {
        let isHigh = raw[number.lowerBound] >> 7 == 1
        der.append(0x02)
        der.append(UInt8(number.count + (isHigh ? 1 : 0)))
        if isHigh { der.append(0) }
        der.append(contentsOf: raw[number])
    }
    return der
}

/// The bytes without leading zeros; one byte at least.
private func significant(_ raw: [UInt8], from start: Int, to end: Int) -> Range<Int> {
    var first = start
    while first < end - 1, raw[first] == 0 { first += 1 }
    return first..<end
}
