import Dispatch
import Glibc
import HTTPClient
import OperatingSystem

/// A listening socket on loopback that does what no proper server does: stays silent, or says any bytes and hangs up.
final class RawServer: Sendable {
    enum Conduct: Sendable {
        /// Nothing is ever accepted; the kernel completes the connection and takes the request.
        case silent
        /// Every connection gets these bytes as soon as a request came, and is closed.
        case says(String)
    }

    let port: UInt16
    private let listener: Int32
    private let conduct: Conduct
    private let accepted = Locked(0)
    private let arrival = DispatchSemaphore(value: 0)

    init(_ conduct: Conduct, backlog: Int32 = 64) throws {
        self.conduct = conduct
        (listener, port) = try Self.listen(backlog: backlog)
        guard case .says(let text) = conduct else { return }
        DispatchQueue(label: "raw-server").async { [listener, accepted, arrival] in
            while true {
                let connection = accept(listener, nil, nil)
                guard connection >= 0 else { break }
                accepted.withLock { $0 += 1 }
                arrival.signal()
                var request = [UInt8](repeating: 0, count: 4096)
                _ = recv(connection, &request, request.count, 0)
                _ = send(connection, text, text.utf8.count, Int32(MSG_NOSIGNAL))
                // Everything unread makes the kernel send a reset instead of an end; read what may still come
                shutdown(connection, Int32(SHUT_WR))
                while recv(connection, &request, request.count, 0) > 0 {}
                Glibc.close(connection)
            }
            Glibc.close(listener)
        }
    }

    /// Who accepts closes the listener too: closed here, its number could be another socket's by the next call of accept.
    deinit {
        shutdown(listener, Int32(SHUT_RDWR))
        if case .silent = conduct { Glibc.close(listener) }
    }

    var connections: Int { accepted.withLock { $0 } }
    var url: String { "http://127.0.0.1:\(port)/" }

    /// Blocks until the listening socket has a connection waiting.
    func waitForConnection() {
        var poll = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
        _ = Glibc.poll(&poll, 1, -1)
    }

    /// Connects to this machine's port and leaves the connection open; the caller closes the descriptor.
    static func connect(to port: UInt16) throws -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = loopback(port)
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 || errno == EINPROGRESS else { throw SystemError(call: "connect", path: nil, errno: errno) }
        return descriptor
    }

    /// Sends the text to this machine's port and returns everything that comes back until the other side closes.
    static func exchange(_ text: String, with port: UInt16) throws -> String {
        let descriptor = try connect(to: port)
        defer { Glibc.close(descriptor) }
        _ = fcntl(descriptor, F_SETFL, 0)
        var poll = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        _ = Glibc.poll(&poll, 1, -1)
        _ = send(descriptor, text, text.utf8.count, Int32(MSG_NOSIGNAL))
        var (answer, piece): ([UInt8], [UInt8]) = ([], [UInt8](repeating: 0, count: 4096))
        while case let count = recv(descriptor, &piece, piece.count, 0), count > 0 { answer += piece[..<count] }
        return String(decoding: answer, as: UTF8.self)
    }

    private static func loopback(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }

    private static func listen(backlog: Int32) throws -> (Int32, UInt16) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = loopback(0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && Glibc.listen(descriptor, backlog) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard result else { throw SystemError(call: "listen", path: nil, errno: errno) }
        return (descriptor, UInt16(bigEndian: address.sin_port))
    }
}
