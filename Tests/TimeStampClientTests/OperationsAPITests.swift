import Foundation
import HTTPClient
import HTTPServer
import Metrics
import OperatingSystem
import OperationsAPI
import Testing

@Suite struct OperationsAPITests {
    private let health = Locked((live: Health.well, ready: Health.well))
    private let metrics = Metrics()

    private func api() throws -> OperationsAPI {
        try OperationsAPI(
            port: 0, metrics: metrics, live: { [health] in health.withLock { $0.live } },
            ready: { [health] in health.withLock { $0.ready } })
    }

    private func get(_ api: OperationsAPI, _ path: String, _ method: HTTPRequest.Method = .get) async throws -> HTTPAnswer {
        try await HTTPClient().send(HTTPRequest(method, try HTTPAddress("http://127.0.0.1:\(api.port)\(path)")))
    }

    private func text(_ answer: HTTPAnswer) -> String { String(decoding: answer.body, as: UTF8.self) }

    @Test func wellIs200AndUnwellIs503WithReasons() async throws {
        let api = try api()
        let live = try await get(api, "/live")
        #expect(live.status == 200 && live.mediaType == "application/json" && text(live) == "{\"live\":true,\"reasons\":[]}\n")
        health.withLock { $0.ready = Health(reasons: [.init(code: "token-absent", message: "The token \"main\"\nis away.")]) }
        let ready = try await get(api, "/ready?verbose=1")
        #expect(ready.status == 503)
        #expect(
            text(ready) == "{\"ready\":false,\"reasons\":[{\"code\":\"token-absent\",\"message\":\"The token \\\"main\\\"\\nis away.\"}]}\n"
        )
        #expect(try await get(api, "/live").status == 200)
    }

    @Test func nothingElseIsThere() async throws {
        let api = try api()
        for path in ["/", "/metrics/", "/live/x", "//live", "/../live", "/LIVE"] {
            #expect(try await get(api, path).status == (path == "/../live" ? 200 : 404), "\(path)")  // curl resolves the dots itself
        }
    }

    @Test func readingIsAllThatCanBeDone() async throws {
        let api = try api()
        let post = try await get(api, "/metrics", .post)
        #expect(post.status == 405 && post.field("Allow") == "GET, HEAD")
        let head = try RawServer.exchange("HEAD /live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", with: api.port)
        #expect(head.hasPrefix("HTTP/1.1 200") && head.contains("Content-Length: 27\r\n") && head.hasSuffix("\r\n\r\n"))
        #expect(
            try RawServer.exchange("DELETE /live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", with: api.port).hasPrefix(
                "HTTP/1.1 405"))
    }

    @Test(
        .enabled(
            if: FileManager.default.isExecutableFile(atPath: "/usr/bin/promtool"),
            "SKIPPED: promtool is not installed (apt install prometheus)"))
    func promtoolAcceptsTheMetrics() async throws {
        metrics.counter("tanba_timestamp_requests_total", help: "Requests.", labels: ["authority", "outcome"]).add(3, "demo \"1\"", "ok")
        metrics.histogram("tanba_timestamp_seconds", help: "Time.", labels: ["authority"], buckets: [0.1, 1]).observe(0.2, "demo")
        let api = try api()
        let answer = try await get(api, "/metrics")
        #expect(answer.status == 200 && answer.field("Content-Type") == "text/plain; version=0.0.4; charset=utf-8")
        let folder = try TestFolder()
        try folder.write(answer.body, to: "metrics")
        let said = try folder.run("sh", ["-c", "promtool check metrics <metrics"])
        #expect(said.output.isEmpty)
        #expect(text(answer).contains("tanba_timestamp_requests_total{authority=\"demo \\\"1\\\"\",outcome=\"ok\"} 3\n"))
    }

    @Test func afterStoppingThePortIsFree() async throws {
        let api = try api()
        api.stop()
        let error = await #expect(throws: HTTPError.self) { try await get(api, "/live") }
        #expect(error?.kind == .unreachable)
    }
}
