import COpenSSL
import FoundationEssentials

/// The fields of a certificate and the X509 that they were read from, which chain verification uses.
/// `@unchecked Sendable`: the fields are constants. OpenSSL computes an X509's extension cache on first use; `init` makes it do so
/// before anyone else sees the object, and from then on the X509 is only read and reference counted (atomically).
final class ParsedCertificate: @unchecked Sendable {
    private let handle: X509Handle
    let der: [UInt8]
    let sha256: [UInt8]
    let subject: String
    let issuer: String
    let subjectDER: [UInt8]
    let issuerDER: [UInt8]
    let subjectAttributes: [(oid: String, value: String)]
    let serialNumberDER: [UInt8]
    let serialNumberHex: String
    let notBefore: Date
    let notAfter: Date
    let publicKey: PublicKey
    let keyUsage: KeyUsage?
    let extendedKeyUsage: [String]?
    let isExtendedKeyUsageCritical: Bool
    let isCA: Bool
    let subjectKeyIdentifier: [UInt8]?
    let authorityKeyIdentifier: [UInt8]?

    /// `sha256` is that of `der`.
    init(_ der: [UInt8], sha256: [UInt8]) throws(CryptoError) {
        let operation = Self.operation
        ErrorQueue.clear()
        let handle = try X509Handle(der: der)
        let x509 = handle.x509
        guard let subjectName = X509_get_subject_name(x509), let issuerName = X509_get_issuer_name(x509),
            let serialNumber = X509_get0_serialNumber(x509), let info = X509_get_X509_PUBKEY(x509)
        else { throw ErrorQueue.take(operation) }
        guard let notBefore = OpenSSL.date(X509_get0_notBefore(x509)), let notAfter = OpenSSL.date(X509_get0_notAfter(x509)) else {
            ErrorQueue.clear()
            throw CryptoError(operation: operation, reason: "its validity is not written as RFC 5280 demands")
        }
        let usages = try Self.extendedKeyUsage(x509)
        let usageBits = X509_get_key_usage(x509)

        self.der = der
        self.sha256 = sha256
        self.subject = try Self.text(subjectName)
        self.issuer = try Self.text(issuerName)
        self.subjectDER = try Self.encoded(subjectName)
        self.issuerDER = try Self.encoded(issuerName)
        self.subjectAttributes = Self.attributes(subjectName)
        self.serialNumberDER = try OpenSSL.encode(operation) { i2d_ASN1_INTEGER(serialNumber, $0) }
        self.serialNumberHex = Self.hex(serialNumber)
        self.notBefore = notBefore
        self.notAfter = notAfter
        self.publicKey = try PublicKey(info)
        self.keyUsage = usageBits == UInt32.max ? nil : KeyUsage(rawValue: usageBits)
        self.extendedKeyUsage = usages.oids
        self.isExtendedKeyUsageCritical = usages.isCritical
        self.isCA = X509_get_extension_flags(x509) & UInt32(EXFLAG_CA) != 0
        self.subjectKeyIdentifier = X509_get0_subject_key_id(x509).map { OpenSSL.bytes($0) }
        self.authorityKeyIdentifier = X509_get0_authority_key_id(x509).map { OpenSSL.bytes($0) }
        self.handle = handle
        ErrorQueue.clear()
    }

    /// Valid as long as this object.
    var x509: OpaquePointer { handle.x509 }

    private static func text(_ name: OpaquePointer) throws(CryptoError) -> String {
        guard let text = OpenSSL.text({ X509_NAME_print_ex($0, name, 0, rfc4514) >= 0 }) else { throw ErrorQueue.take(operation) }
        return text
    }

    private static func encoded(_ name: OpaquePointer) throws(CryptoError) -> [UInt8] {
        var start: UnsafePointer<UInt8>?
        var count = 0
        guard X509_NAME_get0_der(name, &start, &count) == 1, let start else { throw ErrorQueue.take(operation) }
        return Array(UnsafeBufferPointer(start: start, count: count))
    }

    private static func attributes(_ name: OpaquePointer) -> [(oid: String, value: String)] {
        (0..<X509_NAME_entry_count(name)).compactMap { index in
            let entry = X509_NAME_get_entry(name, index)
            var start: UnsafeMutablePointer<UInt8>?
            let count = ASN1_STRING_to_UTF8(&start, X509_NAME_ENTRY_get_data(entry))
            guard count >= 0, let start else { return nil }
            defer { CRYPTO_free(start, "", 0) }
            let value = String(decoding: UnsafeBufferPointer(start: start, count: Int(count)), as: UTF8.self)
            return (OpenSSL.dotted(X509_NAME_ENTRY_get_object(entry)), value)
        }
    }

    private static func hex(_ number: UnsafePointer<ASN1_INTEGER>) -> String {
        let digits = Array("0123456789abcdef".utf8)
        let magnitude = OpenSSL.bytes(number).flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
        // ASN1_INTEGER holds magnitude and sign apart.
        return (number.pointee.type == V_ASN1_NEG_INTEGER ? "-" : "") + String(decoding: magnitude, as: UTF8.self)
    }

    private static func extendedKeyUsage(_ x509: OpaquePointer) throws(CryptoError) -> (oids: [String]?, isCritical: Bool) {
        var critical: Int32 = 0
        guard let found = X509_get_ext_d2i(x509, NID_ext_key_usage, &critical, nil) else {
            // -1: not there. -2: there twice; other values: there and unreadable.
            guard critical == -1 else {
                ErrorQueue.clear()
                throw CryptoError(operation: operation, reason: "its extended key usage is unreadable or there twice")
            }
            return (nil, false)
        }
        let stack = OpaquePointer(found)
        defer { OPENSSL_sk_pop_free(stack) { ASN1_OBJECT_free(OpaquePointer($0)) } }
        let oids = (0..<OPENSSL_sk_num(stack)).map { OpenSSL.dotted(OpaquePointer(OPENSSL_sk_value(stack, $0))) }
        return (oids, critical == 1)
    }

    /// The macro XN_FLAG_RFC2253, whose form is RFC 4514's too, without ASN1_STRFLGS_ESC_MSB: letters beyond ASCII stay letters.
    private static let rfc4514 = UInt(
        ASN1_STRFLGS_ESC_2253 | ASN1_STRFLGS_ESC_CTRL | ASN1_STRFLGS_UTF8_CONVERT | ASN1_STRFLGS_DUMP_UNKNOWN | ASN1_STRFLGS_DUMP_DER
            | XN_FLAG_SEP_COMMA_PLUS | XN_FLAG_DN_REV | XN_FLAG_FN_SN | XN_FLAG_DUMP_UNKNOWN_FIELDS)

    fileprivate static let operation = "read a certificate"
}

/// An owned X509, freed with the last reference.
final class X509Handle {
    let x509: OpaquePointer

    init(der: [UInt8]) throws(CryptoError) {
        let (read, x509) = der.withUnsafeBufferPointer { buffer in
            var position = buffer.baseAddress
            let x509 = d2i_X509(nil, &position, buffer.count)
            return (position.map { $0 - buffer.baseAddress! } ?? 0, x509)
        }
        guard let x509 else { throw ErrorQueue.take(ParsedCertificate.operation) }
        self.x509 = x509
        guard read == der.count else { throw Self.refused("\(der.count - read) bytes follow the certificate") }
        // d2i takes BER; writing it again shows whether it was DER.
        guard try OpenSSL.encode(ParsedCertificate.operation, { i2d_X509(x509, $0) }) == der else { throw Self.refused("it is not DER") }
        // Fills the cache of extensions, which is read from several threads later.
        guard X509_check_purpose(x509, -1, 0) == 1 else { throw Self.refused("an extension is unreadable or contradicts another") }
    }

    deinit {
        X509_free(x509)
    }

    private static func refused(_ reason: String) -> CryptoError {
        ErrorQueue.clear()
        return CryptoError(operation: ParsedCertificate.operation, reason: reason)
    }
}
