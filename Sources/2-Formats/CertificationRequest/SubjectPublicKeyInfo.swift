import DER

/// A public key as certificates and requests carry it (RFC 5280, 4.1), made from its numbers.
///
///     SubjectPublicKeyInfo ::= SEQUENCE {
///         algorithm         AlgorithmIdentifier,
///         subjectPublicKey  BIT STRING }
public enum SubjectPublicKeyInfo {
    /// RFC 3279, 2.3.1. Numbers unsigned, most significant byte first, with or without leading zeros.
    public static func rsa(modulus: [UInt8], exponent: [UInt8]) -> [UInt8] {
        let key = DERWriter.encode { der in
            der.sequence { der in
                der.integer(magnitude: modulus)
                der.integer(magnitude: exponent)
            }
        }
        return encode(ObjectIdentifier(1, 2, 840, 113549, 1, 1, 1), parameters: [0x05, 0x00], key: key)
    }

    /// RFC 5480, 2: `parameters` is the DER of the curve's OID.
    ///
    /// - Parameter point: the uncompressed point, bare or in an OCTET STRING, as tokens give one or the other.
    public static func ec(parameters: [UInt8], point: [UInt8]) -> [UInt8] {
        encode(ObjectIdentifier(1, 2, 840, 10045, 2, 1), parameters: parameters, key: isBarePoint(point) ? point : unwrapped(point))
    }

    /// RFC 8410, 4. `point`: 32 bytes, bare or in an OCTET STRING.
    public static func ed25519(point: [UInt8]) -> [UInt8] {
        encode(Self.ed25519, parameters: [], key: point.count == 32 ? point : unwrapped(point))
    }

    static let ed25519 = ObjectIdentifier(1, 3, 101, 112)

    private static func encode(_ algorithm: ObjectIdentifier, parameters: [UInt8], key: [UInt8]) -> [UInt8] {
        DERWriter.encode { der in
            der.sequence { der in
                der.sequence { der in
                    der.objectIdentifier(algorithm)
                    der.element(parameters)
                }
                der.primitive(.bitString, [0] + key)
            }
        }
    }

    /// An OCTET STRING begins with the same octet as a bare point, so the length of coordinates decides: 32, 48 or 66 bytes.
    private static func isBarePoint(_ bytes: [UInt8]) -> Bool { bytes.first == 0x04 && [65, 97, 133].contains(bytes.count) }

    /// The content of an OCTET STRING; what is none is left as it is.
    private static func unwrapped(_ bytes: [UInt8]) -> [UInt8] {
        guard bytes.first == 0x04, bytes.count > 2 else { return bytes }
        let start = bytes[1] == 0x81 ? 3 : 2
        let count = Int(bytes[start - 1])
        return bytes.count == start + count ? Array(bytes[start...]) : bytes
    }
}
