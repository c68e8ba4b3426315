import CMS
import DER
import JSON
public import LibCrypto

/// A request for a certificate (PKCS #10, RFC 2986): whose it shall be, for which key, signed with that key.
///
///     CertificationRequest ::= SEQUENCE {
///         certificationRequestInfo  CertificationRequestInfo,
///         signatureAlgorithm        AlgorithmIdentifier,
///         signature                 BIT STRING }
public struct CertificationRequest: Sendable, Hashable {
    /// The whole request.
    public let der: [UInt8]

    /// Puts a request together from what was signed and the key's answer to it.
    public init(_ info: CertificationRequestInfo, signature: RequestSignature, answer: [UInt8]) {
        der = DERWriter.encode { der in
            der.sequence { der in
                der.element(info.der)
                signature.identifier.write(to: &der)
                der.primitive(.bitString, [0] + signature.signatureValue(answer))
            }
        }
    }

    /// RFC 7468, 7: lines of 64 letters, a newline at the end.
    public var pem: String {
        let text = Base64.encode(der)
        let lines = stride(from: 0, to: text.count, by: 64).map { String(decoding: text[$0..<min($0 + 64, text.count)], as: UTF8.self) }
        return (["-----BEGIN CERTIFICATE REQUEST-----"] + lines + ["-----END CERTIFICATE REQUEST-----"]).joined(separator: "\n") + "\n"
    }
}

/// What a certification request says and its signature covers.
///
///     CertificationRequestInfo ::= SEQUENCE {
///         version        INTEGER { v1(0) },
///         subject        Name,
///         subjectPKInfo  SubjectPublicKeyInfo,
///         attributes     [0] IMPLICIT SET OF Attribute }
public struct CertificationRequestInfo: Sendable, Hashable {
    /// What is signed.
    public let der: [UInt8]

    /// - Parameter usage: asked for by a critical keyUsage in an extensionRequest (RFC 2985, 5.4.2); nil asks for no extension.
    public init(subject: SubjectName, key: PublicKey, usage: KeyUsage? = nil) {
        der = DERWriter.encode { der in
            der.sequence { der in
                der.integer(0)
                der.element(subject.der)
                der.element(key.subjectPublicKeyInfo)
                der.setOf(usage.map { [Self.extensionRequest($0)] } ?? [], tag: .context(0))
            }
        }
    }

    private static func extensionRequest(_ usage: KeyUsage) -> [UInt8] {
        let extensions = DERWriter.encode { der in
            der.sequence { der in
                der.sequence { der in
                    der.objectIdentifier(ObjectIdentifier(2, 5, 29, 15))
                    der.boolean(true)
                    der.octetString(DERWriter.encode { $0.primitive(.bitString, namedBits(usage)) })
                }
            }
        }
        return DERWriter.encode { Attribute(ObjectIdentifier(1, 2, 840, 113549, 1, 9, 14), [extensions]).write(to: &$0) }
    }

    /// Without zeros at the end (X.690, 11.2.2), the first octet counting the bits left over.
    private static func namedBits(_ usage: KeyUsage) -> [UInt8] {
        var octets = [UInt8(usage.rawValue & 0xFF), UInt8(usage.rawValue >> 8 & 0xFF)]
        while octets.last == 0 { octets.removeLast() }
        return [UInt8(octets.last?.trailingZeroBitCount ?? 0)] + octets
    }
}
