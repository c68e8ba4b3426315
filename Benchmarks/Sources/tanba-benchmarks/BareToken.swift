import CBare

/// The bare C_SignInit, C_Sign loop over one key, on one thread or several.
final class BareToken {
    struct Failure: Error, CustomStringConvertible { let description: String }

    private let token: OpaquePointer
    private let certificate: [UInt8]
    private let mechanism: UInt
    private let input: [UInt8]

    convenience init(_ scene: Scene, _ key: Key, threads: Int) throws {
        try self.init(scene, key, module: scene.module, label: Scene.label(threads), threads: threads)
    }

    init(_ scene: Scene, _ key: Key, module: String, label: String, threads: Int) throws {
        guard let token = bare_token_open(module, label, scene.pin, key.id, Int32(threads)) else {
            throw Failure(description: "the bare token does not open")
        }
        self.token = token
        certificate = try scene.certificate(key.name).der
        let digest = [UInt8](repeating: 0x5A, count: 32)
        switch key {
        case .rsa2048:
            mechanism = 0x1  // CKM_RSA_PKCS over a DigestInfo (RFC 8017, 9.2, note 1)
            input =
                [0x30, 0x31, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20] + digest
        case .p256:
            mechanism = 0x1041  // CKM_ECDSA
            input = digest
        }
    }

    deinit { bare_token_close(token) }

    func sign(_ count: Int) throws {
        let value = bare_token_sign(token, mechanism, input, input.count, Int32(count))
        guard value == 0 else { throw Failure(description: "the bare C_Sign loop: CKR 0x\(String(value, radix: 16))") }
    }

    /// Each signature is verified with the certificate's public key.
    func signAndVerify(_ count: Int) throws {
        let digest = [UInt8](repeating: 0x5A, count: 32)
        let value = bare_token_sign_verified(
            token, mechanism, input, input.count, certificate, certificate.count, digest, digest.count, Int32(count))
        guard value == 0 else { throw Failure(description: "the bare loop of C_Sign and verify: CKR 0x\(String(value, radix: 16))") }
    }
}
