import CMicroHTTPD
import Glibc
import OperatingSystem

/// libmicrohttpd's daemon and what its callbacks need.
final class Daemon: Sendable {
    private let state: DaemonState
    private let handle: Locked<OpaquePointer?>

    /// Takes the listener over: the daemon closes it.
    init(_ listener: Listener, _ settings: HTTPServer.Settings, _ handler: @escaping HTTPServer.Handler) throws(HTTPServerError) {
        state = DaemonState(handler: handler, bodyBytesMax: settings.bodyBytesMax)
        // Unretained: `stop` waits for the last callback, and this object calls it before it goes
        let context = Unmanaged.passUnretained(state).toOpaque()
        func option(_ option: MHD_OPTION, _ value: Int = 0, _ pointer: UnsafeMutableRawPointer? = nil) -> MHD_OptionItem {
            MHD_OptionItem(option: option, value: value, ptr_value: pointer)
        }
        var options = [
            option(.LISTEN_SOCKET, Int(listener.descriptor)),
            option(.CONNECTION_LIMIT, settings.connectionsMax),
            option(.CONNECTION_TIMEOUT, max(1, Int(settings.idleTimeout.components.seconds))),
            option(.NOTIFY_COMPLETED, unsafeBitCast(requestCompleted as MHD_RequestCompletedCallback, to: Int.self), context),
        ]
        if settings.threads > 1 { options.append(option(.THREAD_POOL_SIZE, settings.threads)) }
        options.append(option(.END))
        let daemon = options.withUnsafeBufferPointer { options in
            withVaList([MHD_OPTION.ARRAY.rawValue, options.baseAddress!, MHD_OPTION.END.rawValue]) { list in
                MHD_start_daemon_va(MHD_USE_AUTO_INTERNAL_THREAD.rawValue, 0, nil, nil, requestArrived, context, list)
            }
        }
        guard let daemon else {
            close(listener.descriptor)
            throw HTTPServerError(
                address: settings.address, port: listener.port, call: "MHD_start_daemon", errno: 0, reason: "the server did not start",
                remedy: "Check the limits on threads and open files of this process.")
        }
        handle = Locked(daemon)
    }

    func stop() {
        let daemon = handle.withLock { daemon in
            defer { daemon = nil }
            return daemon
        }
        if let daemon { MHD_stop_daemon(daemon) }
    }
}

private final class DaemonState: Sendable {
    let handler: HTTPServer.Handler
    let bodyBytesMax: Int

    init(handler: @escaping HTTPServer.Handler, bodyBytesMax: Int) {
        (self.handler, self.bodyBytesMax) = (handler, bodyBytesMax)
    }
}

/// What is kept of a request between the calls for it; made at the first, released by `requestCompleted`.
private final class Exchange {
    var body: [UInt8] = []
    var isTooLarge = false
}

/// Called with the headers first (nothing remembered yet), then with each piece of the body, then with nothing left: then it answers.
private func requestArrived(
    _ context: UnsafeMutableRawPointer?, _ connection: OpaquePointer?, _ path: UnsafePointer<CChar>?, _ method: UnsafePointer<CChar>?,
    _ version: UnsafePointer<CChar>?, _ data: UnsafePointer<CChar>?, _ dataCount: UnsafeMutablePointer<Int>?,
    _ memory: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> MHD_Result {
    let state = Unmanaged<DaemonState>.fromOpaque(context!).takeUnretainedValue()
    guard let kept = memory!.pointee else {
        memory!.pointee = Unmanaged.passRetained(Exchange()).toOpaque()
        return .YES
    }
    let exchange = Unmanaged<Exchange>.fromOpaque(kept).takeUnretainedValue()
    let count = dataCount!.pointee
    if count > 0 {
        if count > state.bodyBytesMax - exchange.body.count {
            (exchange.body, exchange.isTooLarge) = ([], true)
        } else if !exchange.isTooLarge {
            exchange.body.append(contentsOf: UnsafeRawBufferPointer(start: data, count: count))
        }
        dataCount!.pointee = 0
        return .YES
    }
    guard !exchange.isTooLarge else {
        return queue(HTTPServerResponse(413, text: "a request's body is at most \(state.bodyBytesMax) bytes\n"), on: connection)
    }
    var query = Query()
    _ = withUnsafeMutablePointer(to: &query) { MHD_get_connection_values(connection, .GET_ARGUMENT_KIND, queryArgument, $0) }
    let contentType = MHD_lookup_connection_value(connection, .HEADER_KIND, "Content-Type").map { String(cString: $0) }
    let request = HTTPServerRequest(
        method: String(cString: method!), path: String(cString: path!), query: query.arguments, contentType: contentType,
        body: exchange.body)
    return queue(state.handler(request), on: connection)
}

private struct Query {
    var arguments: [(name: String, value: String)] = []
}

private func queryArgument(
    _ query: UnsafeMutableRawPointer?, _ kind: MHD_ValueKind, _ name: UnsafePointer<CChar>?, _ value: UnsafePointer<CChar>?
) -> MHD_Result {
    let argument = (name: name.map { String(cString: $0) } ?? "", value: value.map { String(cString: $0) } ?? "")
    query!.assumingMemoryBound(to: Query.self).pointee.arguments.append(argument)
    return .YES
}

private func queue(_ answer: HTTPServerResponse, on connection: OpaquePointer?) -> MHD_Result {
    var body = answer.body
    guard let response = MHD_create_response_from_buffer(body.count, &body, .RESPMEM_MUST_COPY) else { return .NO }
    defer { MHD_destroy_response(response) }
    for (name, value) in answer.fields + [("Content-Type", answer.contentType)] {
        // libmicrohttpd refuses line breaks in either part
        guard MHD_add_response_header(response, name, value) == .YES else { return .NO }
    }
    return MHD_queue_response(connection, UInt32(answer.status), response)
}

private func requestCompleted(
    _ context: UnsafeMutableRawPointer?, _ connection: OpaquePointer?, _ memory: UnsafeMutablePointer<UnsafeMutableRawPointer?>?,
    _ code: MHD_RequestTerminationCode
) {
    guard let kept = memory?.pointee else { return }
    Unmanaged<Exchange>.fromOpaque(kept).release()
    memory!.pointee = nil
}
