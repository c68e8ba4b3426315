import CLinux
import Glibc

/// Where a secret comes from. Never the command line: other users see it.
public enum SecretSource: Sendable, Hashable, CustomStringConvertible {
    case file(path: String)
    /// An open file descriptor; it can be read once, and is left open.
    case descriptor(Int32)
    case environment(name: String)

    /// Reads `file:/path`, `fd:3` or `env:NAME`; nil for anything else.
    public init?(_ text: String) {
        guard let colon = text.firstIndex(of: ":") else { return nil }
        let rest = String(text[text.index(after: colon)...])
        guard !rest.isEmpty, !rest.utf8.contains(0) else { return nil }
        switch text[..<colon] {
        case "file":
            self = .file(path: rest)
        case "fd":
            guard let number = Int32(rest), number >= 0, rest.utf8.allSatisfy({ 0x30...0x39 ~= $0 }) else { return nil }
            self = .descriptor(number)
        case "env":
            guard !rest.utf8.contains(UInt8(ascii: "=")) else { return nil }
            self = .environment(name: rest)
        default:
            return nil
        }
    }

    public var description: String {
        switch self {
        case .file(let path): "file:\(printable(path))"
        case .descriptor(let number): "fd:\(number)"
        case .environment(let name): "env:\(printable(name))"
        }
    }

    /// Most bytes a secret may have; a larger file is surely another file.
    public static let bytesMax = 65_536

    /// Reads the secret, without one newline at its end. An empty secret is an error.
    ///
    /// A file may be a pipe; it is read to its end. Nothing of the content is ever in an error.
    public func read() throws(SecretSourceError) -> Secret {
        switch self {
        case .file(let path):
            let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)
            guard descriptor >= 0 else { throw failed(SystemError(call: "open", errno: errno)) }
            defer { close(descriptor) }
            return try read(descriptor)
        case .descriptor(let number):
            return try read(number)
        case .environment(let name):
            guard let value = getenv(name) else {
                throw SecretSourceError(
                    source: self, reason: "the variable is not set", remedy: "Set \(name) in the environment of this program.")
            }
            return try secret(UnsafeRawBufferPointer(start: value, count: strlen(value)))
        }
    }

    private func read(_ descriptor: Int32) throws(SecretSourceError) -> Secret {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.bytesMax + 1, alignment: 16)
        defer {
            clinux_zero(buffer.baseAddress, buffer.count)
            buffer.deallocate()
        }
        var count = 0
        while count < buffer.count {
            let got = Glibc.read(descriptor, buffer.baseAddress! + count, buffer.count - count)
            if got == 0 { break }
            if got < 0 {
                if errno == EINTR { continue }
                throw failed(SystemError(call: "read", errno: errno))
            }
            count += got
        }
        guard count <= Self.bytesMax else {
            let remedy = "Check that this is the right file; a secret has at most \(Self.bytesMax) bytes."
            throw SecretSourceError(source: self, reason: "it is too long for a secret", remedy: remedy)
        }
        return try secret(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
    }

    private func secret(_ bytes: UnsafeRawBufferPointer) throws(SecretSourceError) -> Secret {
        var count = bytes.count
        if count > 0, bytes[count - 1] == UInt8(ascii: "\n") {
            count -= 1
            if count > 0, bytes[count - 1] == UInt8(ascii: "\r") { count -= 1 }
        }
        guard count > 0 else {
            throw SecretSourceError(source: self, reason: "it is empty", remedy: "Write the secret there, as one line.")
        }
        return Secret(count: count) { $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<count])) }
    }

    private func failed(_ error: SystemError) -> SecretSourceError {
        let remedy =
            switch self {
            case .descriptor(let number): "Open descriptor \(number) for this program, as in: PROGRAM \(number)<FILE."
            default: error.remedy
            }
        return SecretSourceError(source: self, reason: error.description, remedy: remedy)
    }
}

/// A secret that could not be read; says where from, never what.
public struct SecretSourceError: Error, Hashable, CustomStringConvertible {
    public let source: SecretSource
    public let reason: String
    public let remedy: String

    public var description: String { "cannot read the secret from \(source): \(reason). \(remedy)" }
}
