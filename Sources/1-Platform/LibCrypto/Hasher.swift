import COpenSSL

/// A digest over bytes that come in pieces. Made by `DigestFunction.makeHasher()`; used by one owner, on any thread.
/// In a file that imports LibCrypto, the standard library's hasher is written `Swift.Hasher`.
public struct Hasher: ~Copyable {
    private let context: OpaquePointer
    private let byteCount: Int

    init(_ function: DigestFunction) {
        guard let context = EVP_MD_CTX_new() else { preconditionFailure("out of memory") }
        self.context = context
        self.byteCount = function.byteCount
        let started = EVP_DigestInit_ex2(context, function.algorithm.md, nil) == 1
        precondition(started, "a digest in memory cannot fail")
    }

    deinit {
        EVP_MD_CTX_free(context)
    }

    /// Takes the next piece; an empty one changes nothing.
    public mutating func update(_ bytes: Span<UInt8>) {
        let done = bytes.withUnsafeBufferPointer { EVP_DigestUpdate(context, $0.baseAddress, $0.count) == 1 }
        precondition(done, "a digest in memory cannot fail")
    }

    /// The digest of all pieces in the order in which they came.
    public consuming func finish() -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: byteCount) { output, count in
            var written: UInt32 = 0
            let done = EVP_DigestFinal_ex(context, output.baseAddress, &written) == 1
            precondition(done, "a digest in memory cannot fail")
            count = Int(written)
        }
    }
}

// MARK: - Sendable

/// The context has one owner, which may hand it to another thread between two calls.
extension Hasher: @unchecked Sendable {}
