import COpenSSL
import OperatingSystem

/// What is in the bags of a file (RFC 7292, 4.2), as it stands there.
struct PKCS12Contents {
    /// A key, decrypted or not.
    struct SealedKey {
        /// nil where decrypting it gave no key.
        let info: PKCS8Info?
        /// friendlyName
        let name: String?
        /// localKeyId, by which a certificate is said to be the key's.
        let identifier: [UInt8]
    }

    var keys: [SealedKey] = []
    var certificates: [Certificate] = []
    var identifiers: [(identifier: [UInt8], certificate: Certificate)] = []

    /// As errors call a key: by its name and the certificate that the file puts beside it.
    func name(of key: SealedKey) -> String? {
        let subject = identifiers.first { !key.identifier.isEmpty && $0.identifier == key.identifier }?.certificate.subject
        return switch (key.name, subject) {
        case (let name?, let subject?): "\(name) (\(subject))"
        case (let name?, nil): name
        case (nil, let subject): subject
        }
    }
}

/// An owned PKCS8_PRIV_KEY_INFO, overwritten when it goes.
final class PKCS8Info {
    let pointer: OpaquePointer

    init(owning pointer: OpaquePointer) {
        self.pointer = pointer
    }

    deinit {
        PKCS8_PRIV_KEY_INFO_free(pointer)
    }

    /// The dotted OID of the key's algorithm.
    var algorithm: String {
        var object: OpaquePointer?
        PKCS8_pkey_get0(&object, nil, nil, nil, pointer)
        return OpenSSL.dotted(object)
    }
}

/// Opens the bags of a file, in a library context of its own that goes when all is read.
enum PKCS12Reader {
    static func read(_ file: [UInt8], password: Secret) throws(PKCS12Error) -> PKCS12Contents {
        guard file.count <= PKCS12.bytesMax else {
            throw PKCS12Error(.unreadable, "it is longer than \(PKCS12.bytesMax) bytes", "name the right file")
        }
        ErrorQueue.clear()
        defer { ErrorQueue.clear() }
        let library = LegacyLibrary()
        let parsed = try ParsedFile(file, library)
        return try password.withBytes { (bytes) throws(PKCS12Error) in
            try bytes.withUnsafeBufferPointer { (buffer) throws(PKCS12Error) in
                try buffer.withMemoryRebound(to: CChar.self) { (characters) throws(PKCS12Error) in
                    var walk = Walk(library: library, password: try parsed.password(characters))
                    return try walk.contents(of: parsed)
                }
            }
        }
    }

    /// The file as OpenSSL parsed it.
    private final class ParsedFile {
        let file: OpaquePointer

        init(_ bytes: [UInt8], _ library: LegacyLibrary) throws(PKCS12Error) {
            var file = PKCS12_init_ex(NID_pkcs7_data, library.context, nil)
            let parsed = bytes.withUnsafeBufferPointer { buffer in
                guard let bio = BIO_new_mem_buf(buffer.baseAddress, Int32(clamping: buffer.count)) else { return false }
                defer { BIO_free(bio) }
                return d2i_PKCS12_bio(bio, &file) != nil
            }
            guard parsed, let file else {
                PKCS12_free(file)
                throw PKCS12Reader.unreadable("no PKCS #12 file", "name a .p12 or .pfx file; a PEM file is another format")
            }
            self.file = file
        }

        deinit {
            PKCS12_free(file)
        }

        /// The password, once the MAC over everything has proved it right.
        func password(_ characters: UnsafeBufferPointer<CChar>) throws(PKCS12Error) -> UnsafeBufferPointer<CChar> {
            guard PKCS12_mac_present(file) == 1 else {
                throw PKCS12Error(.withoutMAC, "nothing in it proves that nobody changed it: it has no MAC", "export the key again, with a MAC")
            }
            // No password is two things (RFC 7292, B.1): an empty text, and none at all
            let candidates = characters.isEmpty ? [characters, UnsafeBufferPointer(start: nil, count: 0)] : [characters]
            for candidate in candidates where PKCS12_verify_mac(file, candidate.baseAddress, Int32(candidate.count)) == 1 { return candidate }
            guard ERR_peek_error() == 0 else { throw PKCS12Reader.unsupported("its MAC cannot be checked") }
            throw PKCS12Error(.wrongPassword, "the password is wrong", "give the password that the file was written with")
        }
    }

    /// Goes through safes and bags.
    private struct Walk {
        let library: LegacyLibrary
        let password: UnsafeBufferPointer<CChar>
        var found = PKCS12Contents()
        /// Bags may hold bags; a file that a person has is two deep.
        var depth = 0

        init(library: LegacyLibrary, password: UnsafeBufferPointer<CChar>) {
            self.library = library
            self.password = password
        }

        mutating func contents(of parsed: ParsedFile) throws(PKCS12Error) -> PKCS12Contents {
            guard let safes = PKCS12_unpack_authsafes(parsed.file) else {
                throw PKCS12Reader.unreadable("its contents are damaged", "export the key again")
            }
            defer { OPENSSL_sk_pop_free(safes) { PKCS7_free($0?.assumingMemoryBound(to: PKCS7.self)) } }
            for index in 0..<OPENSSL_sk_num(safes) {
                guard let safe = OPENSSL_sk_value(safes, index)?.assumingMemoryBound(to: PKCS7.self) else { continue }
                try read(safe: safe)
            }
            return found
        }

        private mutating func read(safe: UnsafeMutablePointer<PKCS7>) throws(PKCS12Error) {
            let bags: OpaquePointer?
            switch OBJ_obj2nid(safe.pointee.type) {
            case NID_pkcs7_data:
                bags = PKCS12_unpack_p7data(safe)
            case NID_pkcs7_encrypted:
                try library.prepare(for: safe.pointee.d.encrypted?.pointee.enc_data?.pointee.algorithm)
                bags = PKCS12_unpack_p7encdata(safe, password.baseAddress, Int32(password.count))
            default:
                throw PKCS12Error(.encryptionUnsupported, "a part of it is encrypted for a certificate", "export the key again, by password")
            }
            guard let bags else { throw PKCS12Reader.unsupported("a part of it cannot be decrypted") }
            defer { OPENSSL_sk_pop_free(bags) { PKCS12_SAFEBAG_free(OpaquePointer($0)) } }
            try read(bags: bags)
        }

        private mutating func read(bags: OpaquePointer) throws(PKCS12Error) {
            depth += 1
            defer { depth -= 1 }
            guard depth <= 4 else { throw PKCS12Reader.unreadable("its bags are nested too deep", "export the key again") }
            for index in 0..<OPENSSL_sk_num(bags) {
                guard let bag = OPENSSL_sk_value(bags, index).map({ OpaquePointer($0) }) else { continue }
                switch PKCS12_SAFEBAG_get_nid(bag) {
                case NID_keyBag:
                    let info = PKCS12_SAFEBAG_get0_p8inf(bag).flatMap { copy($0) }
                    add(key: info, bag)
                case NID_pkcs8ShroudedKeyBag:
                    var algorithm: UnsafePointer<X509_ALGOR>?
                    X509_SIG_get0(PKCS12_SAFEBAG_get0_pkcs8(bag), &algorithm, nil)
                    try library.prepare(for: algorithm)
                    guard let info = PKCS12_decrypt_skey_ex(bag, password.baseAddress, Int32(password.count), library.context, nil) else {
                        throw PKCS12Reader.unsupported("its key cannot be decrypted")
                    }
                    add(key: PKCS8Info(owning: info), bag)
                case NID_certBag where PKCS12_SAFEBAG_get_bag_nid(bag) == NID_x509Certificate:
                    try add(certificate: bag)
                case NID_safeContentsBag:
                    if let inner = PKCS12_SAFEBAG_get0_safes(bag) { try read(bags: inner) }
                default:
                    // CRLs and secrets are no business of a signer
                    continue
                }
            }
        }

        private mutating func add(key info: PKCS8Info?, _ bag: OpaquePointer) {
            let name = PKCS12_get_friendlyname(bag)
            defer { CRYPTO_free(name, "", 0) }
            found.keys.append(.init(info: info, name: name.map { String(cString: $0) }, identifier: identifier(of: bag)))
        }

        private mutating func add(certificate bag: OpaquePointer) throws(PKCS12Error) {
            guard let x509 = PKCS12_SAFEBAG_get1_cert(bag) else {
                throw PKCS12Reader.unreadable("a certificate in it is damaged", "export the key again")
            }
            defer { X509_free(x509) }
            do throws(CryptoError) {
                let certificate = try Certificate(der: OpenSSL.encode("read a certificate") { i2d_X509(x509, $0) })
                found.certificates.append(certificate)
                found.identifiers.append((identifier(of: bag), certificate))
            } catch {
                throw PKCS12Error(.unreadable, "a certificate in it is unreadable: \(error.reason)", "export the key again, with its certificate")
            }
        }

        private func identifier(of bag: OpaquePointer) -> [UInt8] {
            guard let attribute = PKCS12_SAFEBAG_get0_attr(bag, NID_localKeyID), attribute.pointee.type == V_ASN1_OCTET_STRING else { return [] }
            return OpenSSL.bytes(attribute.pointee.value.octet_string)
        }

        private func copy(_ info: OpaquePointer) -> PKCS8Info? {
            ASN1_item_dup(PKCS8_PRIV_KEY_INFO_it(), UnsafeRawPointer(info)).map { PKCS8Info(owning: OpaquePointer($0)) }
        }
    }

    fileprivate static func unreadable(_ reason: String, _ remedy: String) -> PKCS12Error {
        ErrorQueue.clear()
        return PKCS12Error(.unreadable, reason, remedy)
    }

    /// With OpenSSL's reason.
    fileprivate static func unsupported(_ what: String) -> PKCS12Error {
        let reason = ErrorQueue.take("").reason
        return PKCS12Error(
            .encryptionUnsupported, "\(what) (\(reason))", "export the key again with an encryption that OpenSSL has: PBES2 with AES")
    }
}

/// A library context that may get OpenSSL's legacy provider, so that the rest of the process never has it.
private final class LegacyLibrary {
    let context: OpaquePointer
    private var providers: [OpaquePointer] = []
    private var hasLegacy = false

    init() {
        guard let context = OSSL_LIB_CTX_new() else { preconditionFailure("out of memory") }
        self.context = context
        if let provider = OSSL_PROVIDER_load(context, "default") { providers.append(provider) }
    }

    deinit {
        for provider in providers { OSSL_PROVIDER_unload(provider) }
        OSSL_LIB_CTX_free(context)
    }

    /// Loads the legacy provider where an encryption by password needs it: all but PBES2 (RFC 8018) and 3DES.
    func prepare(for algorithm: UnsafePointer<X509_ALGOR>?) throws(PKCS12Error) {
        guard !hasLegacy, let algorithm else { return }
        let modern = [NID_pbes2, NID_pbe_WithSHA1And3_Key_TripleDES_CBC, NID_pbe_WithSHA1And2_Key_TripleDES_CBC]
        guard !modern.contains(OBJ_obj2nid(algorithm.pointee.algorithm)) else { return }
        guard let provider = OSSL_PROVIDER_load(context, "legacy") else {
            ErrorQueue.clear()
            throw PKCS12Error(
                .encryptionUnsupported, "it is encrypted as in the nineties, and OpenSSL's legacy provider (legacy.so) is not installed",
                "install OpenSSL whole, or export the key again with PBES2")
        }
        providers.append(provider)
        hasLegacy = true
    }

    func prepare(for algorithm: UnsafeMutablePointer<X509_ALGOR>?) throws(PKCS12Error) {
        try prepare(for: algorithm.map { UnsafePointer($0) })
    }
}
