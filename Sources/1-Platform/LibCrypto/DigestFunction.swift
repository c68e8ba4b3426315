import COpenSSL
import Glibc

/// A digest function of the SHA family. A value: two of the same name are equal.
///
/// The algorithm is fetched from OpenSSL's provider once and kept for ever (an implicit fetch, as `EVP_sha256()` does at each call,
/// costs as much as hashing 250 bytes), and each thread keeps one context per function.
public struct DigestFunction: Sendable {
    public static let sha256 = DigestFunction(name: "sha256", openSSLName: "SHA2-256", byteCount: 32)
    public static let sha384 = DigestFunction(name: "sha384", openSSLName: "SHA2-384", byteCount: 48)
    public static let sha512 = DigestFunction(name: "sha512", openSSLName: "SHA2-512", byteCount: 64)
    /// Only for reading what others wrote (ESSCertID of RFC 2634): nothing here signs or verifies with it.
    public static let sha1 = DigestFunction(name: "sha1", openSSLName: "SHA1", byteCount: 20)

    /// "sha256" and so on.
    public let name: String
    /// The length of a digest in bytes.
    public let byteCount: Int
    let algorithm: DigestAlgorithmHandle

    /// The digest of all of `bytes`. May be called from any thread.
    public func digest(_ bytes: [UInt8]) -> [UInt8] {
        digest(bytes.span)
    }

    /// The digest of all of `bytes`. May be called from any thread; allocates nothing but the result.
    public func digest(_ bytes: Span<UInt8>) -> [UInt8] {
        let context = algorithm.threadContext()
        return bytes.withUnsafeBufferPointer { input in
            [UInt8](unsafeUninitializedCapacity: byteCount) { output, count in
                var written: UInt32 = 0
                let done =
                    EVP_DigestInit_ex2(context, algorithm.md, nil) == 1 && EVP_DigestUpdate(context, input.baseAddress, input.count) == 1
                    && EVP_DigestFinal_ex(context, output.baseAddress, &written) == 1
                precondition(done, "a digest in memory cannot fail")
                count = Int(written)
            }
        }
    }

    /// A hasher for bytes that come in pieces.
    public func makeHasher() -> Hasher {
        Hasher(self)
    }

    private init(name: String, openSSLName: String, byteCount: Int) {
        self.name = name
        self.byteCount = byteCount
        self.algorithm = DigestAlgorithmHandle(openSSLName)
    }
}

// MARK: - Hashable

extension DigestFunction: Hashable, CustomStringConvertible {
    public static func == (left: DigestFunction, right: DigestFunction) -> Bool { left.algorithm === right.algorithm }
    public func hash(into hasher: inout Swift.Hasher) { hasher.combine(ObjectIdentifier(algorithm)) }
    public var description: String { name }
}

// MARK: - OpenSSL

/// A fetched EVP_MD and the key of the contexts that threads keep for it. Lives as long as the process.
/// `@unchecked Sendable`: both fields are constants, an EVP_MD is immutable, a context never leaves its thread.
final class DigestAlgorithmHandle: @unchecked Sendable {
    let md: OpaquePointer
    private let threadContexts: pthread_key_t

    init(_ name: String) {
        guard let md = EVP_MD_fetch(nil, name, nil) else { preconditionFailure("OpenSSL's default provider has no \(name)") }
        var key = pthread_key_t()
        let status = pthread_key_create(&key) { EVP_MD_CTX_free(OpaquePointer($0)) }
        precondition(status == 0, "no thread-specific key is left")
        self.md = md
        self.threadContexts = key
    }

    /// This thread's context. The caller initialises it, uses it and is done with it before it calls anything else here.
    func threadContext() -> OpaquePointer {
        if let known = pthread_getspecific(threadContexts) { return OpaquePointer(known) }
        guard let made = EVP_MD_CTX_new() else { preconditionFailure("out of memory") }
        pthread_setspecific(threadContexts, UnsafeRawPointer(made))
        return made
    }
}
