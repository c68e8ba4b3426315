import Foundation
import Testing

/// PKCS #12 files that the `openssl` program does not write: several keys, keys in the clear, bags within bags, indefinite lengths.
/// What belongs to the format is written here by hand (RFC 7292); keys of the MAC are derived by `openssl kdf`.
struct PKCS12File {
    /// SafeBags, whole.
    var bags: [[UInt8]] = []

    /// A key in the clear (keyBag), PKCS #8.
    mutating func add(key pkcs8: [UInt8], name: String?, identifier: [UInt8] = []) {
        bags.append(Self.bag(1, pkcs8, name: name, identifier: identifier))
    }

    mutating func add(certificate der: [UInt8], identifier: [UInt8] = []) {
        let x509 = DER.sequence(DER.oid("2a864886f70d01091601") + DER.explicit(0, DER.tlv(0x04, der)))
        bags.append(Self.bag(3, x509, name: nil, identifier: identifier))
    }

    /// All bags so far inside one (safeContentsBag).
    mutating func nest() {
        bags = [Self.bag(6, DER.sequence(bags.flatMap { $0 }), name: nil, identifier: [])]
    }

    /// The file, with a MAC by SHA-256.
    func encoded(password: String, with openssl: OpenSSLCommand) throws -> [UInt8] {
        let safe = DER.sequence(bags.flatMap { $0 })
        let authSafe = DER.sequence(Self.data(DER.tlv(0x04, safe)))
        let salt = "0102030405060708"
        // BMPString with two zero octets at the end (RFC 7292, B.1)
        let bmp = hex(password.utf16.flatMap { [UInt8($0 >> 8), UInt8($0 & 255)] } + [0, 0])
        let derived = try openssl.run(
            "kdf -keylen 32 -kdfopt digest:SHA256 -kdfopt hexpass:\(bmp) -kdfopt hexsalt:\(salt) -kdfopt id:3 -kdfopt iter:1 -binary -out mac.key PKCS12KDF"
        )
        precondition(derived.status == 0)
        try openssl.write(authSafe, to: "auth.safe")
        try openssl.run("dgst -sha256 -mac HMAC -macopt hexkey:\(hex(openssl.read("mac.key"))) -binary -out mac auth.safe")
        let sha256 = DER.sequence(DER.oid("608648016503040201") + [0x05, 0x00])
        let mac = try DER.sequence(DER.sequence(sha256 + DER.tlv(0x04, openssl.read("mac"))) + DER.tlv(0x04, [1, 2, 3, 4, 5, 6, 7, 8]))
        return DER.sequence([0x02, 0x01, 0x03] + Self.data(DER.tlv(0x04, authSafe)) + mac)
    }

    /// The same file in BER, as NCA RK writes it: outer elements of indefinite length, the contents in pieces.
    static func indefinite(_ file: [UInt8]) -> [UInt8] {
        let outer = DER.children(DER.content(file))
        let authSafe = DER.children(DER.content(outer[1]))
        let content = DER.content(DER.content(authSafe[1]))
        var pieces: [UInt8] = []
        for start in stride(from: 0, to: content.count, by: 1000) {
            pieces += DER.tlv(0x04, Array(content[start..<min(start + 1000, content.count)]))
        }
        let end: [UInt8] = [0, 0]
        let octets = [0x24, 0x80] + pieces + end
        let info = [0x30, 0x80] + authSafe[0] + [0xA0, 0x80] + octets + end + end
        return [0x30, 0x80] + outer[0] + info + outer[2...].flatMap { $0 } + end
    }

    private static func bag(_ kind: UInt8, _ content: [UInt8], name: String?, identifier: [UInt8]) -> [UInt8] {
        var attributes: [UInt8] = []
        if let name {
            let text = name.utf16.flatMap { [UInt8($0 >> 8), UInt8($0 & 255)] }
            attributes += DER.sequence(DER.oid("2a864886f70d010914") + DER.tlv(0x31, DER.tlv(0x1E, text)))
        }
        if !identifier.isEmpty {
            attributes += DER.sequence(DER.oid("2a864886f70d010915") + DER.tlv(0x31, DER.tlv(0x04, identifier)))
        }
        let oid = DER.oid("2a864886f70d010c0a01" + hex([kind]))
        return DER.sequence(oid + DER.explicit(0, content) + (attributes.isEmpty ? [] : DER.tlv(0x31, attributes)))
    }

    private static func data(_ content: [UInt8]) -> [UInt8] {
        DER.sequence(DER.oid("2a864886f70d010701") + DER.explicit(0, content))
    }
}

/// As much DER as these files need.
private enum DER {
    static func tlv(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] {
        if content.count < 0x80 { return [tag, UInt8(content.count)] + content }
        let octets = withUnsafeBytes(of: content.count.bigEndian) { Array($0.drop { $0 == 0 }) }
        return [tag, 0x80 | UInt8(octets.count)] + octets + content
    }

    static func sequence(_ content: [UInt8]) -> [UInt8] { tlv(0x30, content) }
    static func explicit(_ number: UInt8, _ content: [UInt8]) -> [UInt8] { tlv(0xA0 | number, content) }
    static func oid(_ hex: String) -> [UInt8] {
        tlv(0x06, stride(from: 0, to: hex.count, by: 2).map { UInt8(hex.dropFirst($0).prefix(2), radix: 16)! })
    }

    static func content(_ element: [UInt8]) -> [UInt8] { Array(element[header(element)...]) }

    static func children(_ content: [UInt8]) -> [[UInt8]] {
        var found: [[UInt8]] = []
        var rest = content
        while !rest.isEmpty {
            let start = header(rest)
            let length = rest[1] < 0x80 ? Int(rest[1]) : rest[2..<start].reduce(0) { $0 << 8 | Int($1) }
            found.append(Array(rest[..<(start + length)]))
            rest = Array(rest[(start + length)...])
        }
        return found
    }

    private static func header(_ element: [UInt8]) -> Int { element[1] < 0x80 ? 2 : 2 + Int(element[1] & 0x7F) }
}
