import Glibc
import HTTPClient
import HTTPServer
import OperatingSystem
import Testing

@Suite struct HTTPServerTests {
    private static func get(_ port: UInt16, _ path: String = "/") async throws -> HTTPAnswer {
        try await HTTPClient().send(HTTPRequest(.get, try HTTPAddress("http://127.0.0.1:\(port)\(path)")))
    }

    @Test func aPortOfTheSystemsChoiceIsReadBack() async throws {
        let (one, two) = (
            try HTTPServer { _ in HTTPServerResponse(200, text: "one") }, try HTTPServer { _ in HTTPServerResponse(200, text: "two") }
        )
        #expect(one.port != 0 && one.port != two.port)
        #expect(try await Self.get(one.port).body == Array("one".utf8))
        #expect(try await Self.get(two.port).body == Array("two".utf8))
    }

    @Test func itListensOnIPv6AsWell() async throws {
        let server = try HTTPServer(.init(address: "::1")) { _ in HTTPServerResponse(200, text: "six") }
        let answer = try await HTTPClient().send(HTTPRequest(.get, try HTTPAddress("http://[::1]:\(server.port)/")))
        #expect(answer.body == Array("six".utf8))
    }

    @Test func aTakenPortIsAnErrorWithARemedy() throws {
        let server = try HTTPServer { _ in HTTPServerResponse(200, text: "") }
        let error = try #require(throws: HTTPServerError.self) {
            try HTTPServer(.init(port: server.port)) { _ in HTTPServerResponse(200, text: "") }
        }
        #expect(error.errno == EADDRINUSE && error.port == server.port && error.remedy.contains("another port"))
        #expect(throws: HTTPServerError.self) { try HTTPServer(.init(address: "example.org")) { _ in HTTPServerResponse(200, text: "") } }
    }

    @Test func tooLongABodyIsRefused() async throws {
        var settings = HTTPServer.Settings()
        settings.bodyBytesMax = 1000
        let server = try HTTPServer(settings) { HTTPServerResponse(200, text: "\($0.body.count)") }
        let (client, address) = (try HTTPClient(), try HTTPAddress("http://127.0.0.1:\(server.port)/"))
        #expect(try await client.send(HTTPRequest(.post, address, body: [UInt8](repeating: 1, count: 1000))).status == 200)
        #expect(try await client.send(HTTPRequest(.post, address, body: [UInt8](repeating: 1, count: 1001))).status == 413)
        #expect(try await client.send(HTTPRequest(.post, address, body: [UInt8](repeating: 1, count: 100_000))).status == 413)
    }

    /// The only place is taken by a connection that says nothing; once that has been idle too long, the request behind it is served.
    @Test func connectionsAreBoundedAndIdleOnesEnd() async throws {
        var settings = HTTPServer.Settings()
        (settings.connectionsMax, settings.idleTimeout) = (1, .seconds(1))
        let server = try HTTPServer(settings) { _ in HTTPServerResponse(200, text: "late") }
        let idler = try RawServer.connect(to: server.port)
        defer { close(idler) }
        let answer = try await Self.get(server.port)
        #expect(answer.body == Array("late".utf8))
        // The idler has been hung up on: its end of the connection reads "no more"
        var byte: UInt8 = 0
        var poll = pollfd(fd: idler, events: Int16(POLLIN), revents: 0)
        _ = Glibc.poll(&poll, 1, 10_000)
        #expect(recv(idler, &byte, 1, 0) == 0)
    }

    @Test func afterStoppingNobodyListens() async throws {
        let server = try HTTPServer { _ in HTTPServerResponse(200, text: "") }
        #expect(try await Self.get(server.port).status == 200)
        server.stop()
        server.stop()
        let error = await #expect(throws: HTTPError.self) { try await Self.get(server.port) }
        #expect(error?.kind == .unreachable)
    }
}
