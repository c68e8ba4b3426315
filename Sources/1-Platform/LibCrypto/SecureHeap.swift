import COpenSSL
import Glibc
import OperatingSystem

/// OpenSSL's secure heap: memory that is locked into RAM, left out of core files, has guard pages around it and is overwritten when it is
/// given back. OpenSSL puts there the numbers of private keys that it reads or makes once the heap is prepared; docs/SECURITY.md says
/// what it keeps elsewhere.
public enum SecureHeap {
    /// Sets it up, once for the process: before the first key and so first in `main`. Later calls change nothing.
    @discardableResult
    public static func prepare() -> State { prepared.withLock { $0 ?? make(&$0) } }

    public enum State: Sendable, Hashable {
        /// As it should be.
        case locked(bytes: Int)
        /// Keys are apart and are overwritten, but may be swapped out: the process may not lock as much memory.
        case unlocked(bytes: Int)
        /// Keys lie on the ordinary heap.
        case unavailable
    }

    /// nil before `prepare`.
    public static var state: State? { prepared.withLock { $0 } }

    /// What a person should know who has keys in this process: nil when all is well.
    public static var warning: String? {
        let heap: String? =
            switch state {
            case .locked: nil
            case .unlocked(let bytes):
                "the memory of keys cannot be locked, so they may be swapped to a disk; "
                    + "raise the limit on locked memory by \(bytes / 1024) KiB (LimitMEMLOCK= of a service, ulimit -l)"
            case .unavailable: "OpenSSL cannot set up its secure heap: keys lie on the ordinary heap"
            case nil: "the secure heap was not set up before the key was read: keys lie on the ordinary heap"
            }
        let copies =
            isFreedMemoryOverwritten ? nil : "OpenSSL was in use before its memory was prepared: copies that decoding leaves are not overwritten"
        let problems = [heap, copies].compactMap(\.self)
        return problems.isEmpty ? nil : problems.joined(separator: "; ")
    }

    /// Bytes in use, rounded up as the heap gives them out; 0 where there is no such heap.
    public static var bytesUsed: Int { Int(CRYPTO_secure_used()) }

    /// Whether the ordinary memory that OpenSSL gives back is overwritten too; only where `prepare` came before any other use of OpenSSL.
    public static var isFreedMemoryOverwritten: Bool { overwrites.withLock { $0 } }

    private static func make(_ state: inout State?) -> State {
        // Decoders leave copies of a key's DER in memory that they free. Refused once OpenSSL has allocated anything.
        overwrites.withLock { $0 = CRYPTO_set_mem_functions(allocate, reallocate, release) == 1 }
        let made: State =
            switch CRYPTO_secure_malloc_init(bytes, bytesMin) {
            case 1: .locked(bytes: bytes)
            case 2: .unlocked(bytes: bytes)
            default: .unavailable
            }
        ErrorQueue.clear()
        state = made
        return made
    }

    private static let overwrites = Locked(false)
    private static let prepared = Locked<State?>(nil)
    /// A key of RSA-4096 takes 3 KiB, a signature by ECDSA some hundred bytes while it is made. What does not fit fails, so there is room to
    /// spare; less than the 8 MiB that a Debian process may lock.
    private static let bytes = 1 << 20
    /// The smallest piece.
    private static let bytesMin = 32
}

// MARK: - Ordinary memory, overwritten when it is given back

private func allocate(_ count: Int, _ file: UnsafePointer<CChar>?, _ line: Int32) -> UnsafeMutableRawPointer? { malloc(count) }

private func reallocate(
    _ old: UnsafeMutableRawPointer?, _ count: Int, _ file: UnsafePointer<CChar>?, _ line: Int32
) -> UnsafeMutableRawPointer? {
    guard let old else { return malloc(count) }
    guard count > 0 else {
        release(old, file, line)
        return nil
    }
    guard let new = malloc(count) else { return nil }
    memcpy(new, old, min(count, malloc_usable_size(old)))
    release(old, file, line)
    return new
}

private func release(_ old: UnsafeMutableRawPointer?, _ file: UnsafePointer<CChar>?, _ line: Int32) {
    guard let old else { return }
    OPENSSL_cleanse(old, malloc_usable_size(old))
    free(old)
}
