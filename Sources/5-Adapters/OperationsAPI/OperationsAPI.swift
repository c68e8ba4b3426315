public import HTTPServer
public import Metrics

/// What an operator's tools ask of a running worker, over HTTP:
///
///     /live     200 while the process does its work, 503 when only a restart would help   {"live":true,"reasons":[]}
///     /ready    200 when it takes jobs, 503 with the reasons while it waits               {"ready":false,"reasons":[{"code":…,"message":…}]}
///     /metrics  all metrics in Prometheus' text format, version 0.0.4
///
/// GET and HEAD only (405), nothing else exists (404), nothing can be changed. It is meant for the loopback interface: there is no
/// authentication, and the reasons name tokens and addresses.
public final class OperationsAPI: Sendable {
    private let server: HTTPServer

    /// Serves at once; throws when the address cannot be had.
    ///
    /// - Parameters:
    ///   - port: 0 takes any free port; `port` then says which.
    ///   - live, ready: asked anew for each request, on the server's thread: they must answer at once.
    public init(
        address: String = "127.0.0.1", port: UInt16, metrics: Metrics, live: @escaping @Sendable () -> Health,
        ready: @escaping @Sendable () -> Health
    ) throws(HTTPServerError) {
        var settings = HTTPServer.Settings(address: address, port: port)
        settings.bodyBytesMax = 0
        server = try HTTPServer(settings) { request in
            guard ["/live", "/ready", "/metrics"].contains(request.path) else {
                return HTTPServerResponse(404, text: "There are /live, /ready and /metrics.\n")
            }
            guard request.method == "GET" || request.method == "HEAD" else {
                return HTTPServerResponse(405, text: "GET and HEAD only.\n", fields: [("Allow", "GET, HEAD")])
            }
            return switch request.path {
            case "/live": answer("live", live())
            case "/ready": answer("ready", ready())
            default:
                HTTPServerResponse(200, contentType: "text/plain; version=0.0.4; charset=utf-8", body: metrics.prometheusText())
            }
        }
    }

    /// The port it listens on.
    public var port: UInt16 { server.port }

    /// Closes the port and all connections; returns when the last answer has been made. A second call does nothing.
    public func stop() { server.stop() }
}

private func answer(_ question: String, _ health: Health) -> HTTPServerResponse {
    // A cached answer would be yesterday's health
    HTTPServerResponse(
        health.isWell ? 200 : 503, contentType: "application/json", fields: [("Cache-Control", "no-store")],
        body: health.json(answering: question) + [UInt8(ascii: "\n")])
}
