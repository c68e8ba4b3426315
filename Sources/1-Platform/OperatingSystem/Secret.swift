import CLinux
import Glibc

/// Bytes that must not leave this process: a PIN, a password, a key file's content.
///
/// They lie in a page of their own that is locked into memory where the system allows it, is left out of core files, and is
/// overwritten when the secret goes. There is no description: neither printing, interpolating nor dumping a secret shows it.
public final class Secret: @unchecked Sendable, CustomReflectable {
    // Sendable: the bytes are written in init and deinit only.
    private let memory: UnsafeMutableRawBufferPointer
    private let count: Int

    /// Copies the bytes. The caller's array stays as it was; `Secret.wipe` overwrites it.
    public convenience init(_ bytes: [UInt8]) {
        self.init(count: bytes.count) { memory in bytes.withUnsafeBytes { memory.copyMemory(from: $0) } }
    }

    init(count: Int, fill: (UnsafeMutableRawBufferPointer) -> Void) {
        self.count = count
        let size = max(count, 1)
        let page = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let page, page != MAP_FAILED else { preconditionFailure("no memory for a secret") }
        mlock(page, size)  // refused beyond RLIMIT_MEMLOCK: then the secret may be swapped, as everything else
        madvise(page, size, MADV_DONTDUMP)
        memory = UnsafeMutableRawBufferPointer(start: page, count: size)
        fill(UnsafeMutableRawBufferPointer(rebasing: memory[..<count]))
    }

    deinit {
        clinux_zero(memory.baseAddress, memory.count)
        munmap(memory.baseAddress, memory.count)
    }

    /// Lends the bytes; what the body copies out of them is its own to overwrite.
    public func withBytes<R, E: Error>(_ body: (Span<UInt8>) throws(E) -> R) throws(E) -> R {
        try body(UnsafeRawBufferPointer(rebasing: memory[..<count]).assumingMemoryBound(to: UInt8.self).span)
    }

    public var isEmpty: Bool { count == 0 }

    /// Overwrites an array that held a secret, in place, and empties it.
    public static func wipe(_ bytes: inout [UInt8]) {
        bytes.withUnsafeMutableBytes { clinux_zero($0.baseAddress, $0.count) }
        bytes = []
    }

    public var customMirror: Mirror { Mirror(self, children: []) }
}
