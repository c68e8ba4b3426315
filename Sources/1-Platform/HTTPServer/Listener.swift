import Glibc

/// A listening socket of ours, so that a port chosen by the system can be read back.
struct Listener {
    let descriptor: Int32
    let port: UInt16

    init(_ settings: HTTPServer.Settings) throws(HTTPServerError) {
        func failure(_ call: String, _ code: Int32) -> HTTPServerError {
            let remedy =
                switch code {
                case EADDRINUSE: "Another program listens there: end it, or choose another port (0 takes any free one)."
                case EACCES: "Ports below 1024 need a privilege: choose a higher one."
                default: "Give a numeric address of this machine, such as 127.0.0.1."
                }
            return HTTPServerError(
                address: settings.address, port: settings.port, call: call, errno: code, reason: String(cString: strerror(code)),
                remedy: remedy)
        }
        var hints = addrinfo()
        hints.ai_flags = AI_NUMERICHOST | AI_PASSIVE
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(settings.address, String(settings.port), &hints, &found) == 0, let found else {
            throw failure("getaddrinfo", EINVAL)
        }
        defer { freeaddrinfo(found) }
        let descriptor = socket(found.pointee.ai_family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { throw failure("socket", errno) }
        var one: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
        guard bind(descriptor, found.pointee.ai_addr, found.pointee.ai_addrlen) == 0 else {
            defer { close(descriptor) }
            throw failure("bind", errno)
        }
        guard listen(descriptor, SOMAXCONN) == 0, let port = Self.port(of: descriptor) else {
            defer { close(descriptor) }
            throw failure("listen", errno)
        }
        self.descriptor = descriptor
        self.port = port
    }

    private static func port(of descriptor: Int32) -> UInt16? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let result = withUnsafeMutableBytes(of: &storage) { bytes in
            getsockname(descriptor, bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self), &length)
        }
        guard result == 0 else { return nil }
        // The port stands at the same place in sockaddr_in and sockaddr_in6, in network order
        return withUnsafeBytes(of: &storage) { UInt16(bigEndian: $0.loadUnaligned(fromByteOffset: 2, as: UInt16.self)) }
    }
}
