import Dispatch
import Glibc
import HTTPClient
import HTTPServer
import OperatingSystem
import SigningTestKit
import Testing

@Suite struct HTTPClientTests {
    private static func client(_ change: (inout HTTPClient.Settings) -> Void = { _ in }) throws -> HTTPClient {
        var settings = HTTPClient.Settings()
        settings.timeout = .seconds(20)
        change(&settings)
        return try HTTPClient(settings)
    }

    /// The error that a request to this URL ends with; nil when an answer came.
    private static func failure(_ client: HTTPClient, _ url: String) async throws -> HTTPError? {
        let request = HTTPRequest(.get, try HTTPAddress(url))
        do throws(HTTPError) {
            _ = try await client.send(request)
            return nil
        } catch {
            return error
        }
    }

    // MARK: addresses

    @Test(arguments: [
        "", "localhost", "/path", "ftp://host/", "file:///etc/passwd", "gopher://host/", "http://", "http://a b/", "http://h:99999/",
        "http://h\0.x/",
    ])
    func onlyAbsoluteHTTPAddressesAreTaken(_ text: String) {
        #expect(throws: HTTPError.self) { try HTTPAddress(text) }
    }

    @Test func anAddressShowsNoCredentialsAndNoQuery() throws {
        let address = try HTTPAddress("https://user:secret@tsa.example:8443/stamp?key=hidden#part")
        #expect(address.description == "https://tsa.example:8443/stamp")
        #expect(try HTTPAddress("HTTP://127.0.0.1").description == "http://127.0.0.1/")
    }

    // MARK: answers

    @Test func aPostArrivesWholeAndTheAnswerComesBackWhole() async throws {
        let server = try HTTPServer { request in
            #expect(request.method == "POST" && request.path == "/a b" && request.contentType == "application/octet-stream")
            #expect(request.query.map { "\($0.name)=\($0.value)" } == ["x=1", "y="])
            return HTTPServerResponse(
                201, contentType: "Application/X-Test; charset=none", fields: [("X-Mark", " seen ")], body: request.body.reversed())
        }
        let body = (0..<40_000).map { UInt8(truncatingIfNeeded: $0) }
        let request = HTTPRequest(
            .post, try HTTPAddress("http://127.0.0.1:\(server.port)/a%20b?x=1&y"), fields: [("Content-Type", "application/octet-stream")],
            body: body)
        let answer = try await Self.client().send(request)
        #expect(answer.status == 201)
        #expect(answer.body == body.reversed())
        #expect(answer.mediaType == "application/x-test")
        #expect(answer.field("x-mark") == "seen")
        #expect(answer.field("absent") == nil)
        #expect(answer.elapsed > .zero && answer.elapsed < .seconds(20))
    }

    @Test func anEmptyPostIsAPost() async throws {
        let server = try HTTPServer { HTTPServerResponse(200, text: "\($0.method) \($0.body.count)") }
        let answer = try await Self.client().send(HTTPRequest(.post, try HTTPAddress("http://127.0.0.1:\(server.port)/")))
        #expect(String(decoding: answer.body, as: UTF8.self) == "POST 0")
    }

    @Test func aConnectionIsUsedAgainAndHandlesChangeMethod() async throws {
        let server = try HTTPServer { HTTPServerResponse(200, text: "\($0.method) \($0.body.count)") }
        let (client, address) = (try Self.client(), try HTTPAddress("http://127.0.0.1:\(server.port)/"))
        var seen: [String] = []
        for request in [HTTPRequest(.post, address, body: [1, 2]), HTTPRequest(.get, address), HTTPRequest(.post, address, body: [3])] {
            let answer = try await client.send(request)
            seen.append("\(String(decoding: answer.body, as: UTF8.self)) \(answer.reusedConnection)")
        }
        #expect(seen == ["POST 2 false", "GET 0 true", "POST 1 true"])
    }

    @Test func aRedirectIsAnAnswerNotAJourney() async throws {
        let server = try HTTPServer { _ in
            HTTPServerResponse(302, contentType: "text/plain", fields: [("Location", "file:///etc/passwd")], body: [])
        }
        let answer = try await Self.client().send(HTTPRequest(.get, try HTTPAddress("http://127.0.0.1:\(server.port)/")))
        #expect(answer.status == 302 && answer.field("Location") == "file:///etc/passwd")
    }

    @Test func twoHundredAtOnceGetEachItsOwnAnswer() async throws {
        var settings = HTTPServer.Settings()
        (settings.connectionsMax, settings.threads) = (256, 2)
        let server = try HTTPServer(settings) { HTTPServerResponse(200, text: $0.path) }
        let client = try Self.client { $0.inFlightMax = 32 }
        let answers = try await withThrowingTaskGroup(of: (String, String).self) { group in
            for number in 0..<200 {
                group.addTask {
                    let answer = try await client.send(HTTPRequest(.get, try HTTPAddress("http://127.0.0.1:\(server.port)/\(number)")))
                    return ("/\(number)", String(decoding: answer.body, as: UTF8.self))
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(answers.count == 200 && answers.allSatisfy { $0.0 == $0.1 })
    }

    /// Each handler blocks until the test lets one go, so requests pile up at the bound.
    @Test func noMoreThanTheBoundAreInFlight() async throws {
        let (inside, most) = (Locked(0), Locked(0))
        let (arrived, mayLeave) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        var settings = HTTPServer.Settings()
        // Threads enough that one connection each is no bound of its own
        settings.threads = 16
        let server = try HTTPServer(settings) { _ in
            let now = inside.withLock { inside in
                inside += 1
                return inside
            }
            most.withLock { $0 = max($0, now) }
            arrived.signal()
            mayLeave.wait()
            inside.withLock { $0 -= 1 }
            return HTTPServerResponse(200, text: "")
        }
        let client = try Self.client { $0.inFlightMax = 3 }
        let usher = SerialLane(label: "usher")
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<12 {
                group.addTask { _ = try await client.send(HTTPRequest(.get, try HTTPAddress("http://127.0.0.1:\(server.port)/"))) }
            }
            await usher.run {
                for _ in 0..<12 {
                    arrived.wait()
                    mayLeave.signal()
                }
            }
            try await group.waitForAll()
        }
        #expect((1...3).contains(most.withLock { $0 }))
    }

    // MARK: failures

    @Test func nobodyListens() async throws {
        let url = "http://user:secret@127.0.0.1:\(try refusingPort())/x?token=hidden"
        let error = try #require(try await Self.failure(Self.client(), url))
        #expect(error.kind == .unreachable)
        #expect(error.description.contains("127.0.0.1"))
        #expect(!error.description.contains("secret") && !error.description.contains("hidden"))
    }

    @Test func anUnknownHost() async throws {
        let error = try #require(try await Self.failure(Self.client { $0.connectTimeout = .seconds(30) }, "http://no-such-host.invalid/"))
        #expect(error.kind == .unresolved || error.kind == .connectTimeout)  // the latter where the name service itself is away
    }

    @Test func aSilentServerIsGivenUp() async throws {
        let server = try RawServer(.silent)
        let error = try #require(try await Self.failure(Self.client { $0.timeout = .milliseconds(100) }, server.url))
        #expect(error.kind == .answerTimeout)
    }

    /// A full backlog drops what wants to connect, as a host that is not there does.
    @Test func aConnectionThatIsNeverMadeIsGivenUp() async throws {
        let server = try RawServer(.silent, backlog: 0)
        let fillers = try (0..<4).map { _ in try RawServer.connect(to: server.port) }
        server.waitForConnection()
        let error = try #require(try await Self.failure(Self.client { $0.connectTimeout = .milliseconds(100) }, server.url))
        for filler in fillers { Glibc.close(filler) }
        #expect(error.kind == .connectTimeout)
    }

    @Test(arguments: ["Content-Length: 1001\r\n\r\n", "Connection: close\r\n\r\n"])
    func anOversizeAnswerIsCutOff(_ rest: String) async throws {
        let server = try RawServer(.says("HTTP/1.1 200 OK\r\n" + rest + String(repeating: "x", count: 1001)))
        let error = try #require(try await Self.failure(Self.client { $0.answerBytesMax = 1000 }, server.url))
        #expect(error.kind == .answerTooLarge)
        #expect(try await Self.failure(Self.client { $0.answerBytesMax = 1001 }, server.url) == nil)
    }

    @Test func anEndlessHeaderIsCutOff() async throws {
        let server = try RawServer(
            .says("HTTP/1.1 200 OK\r\n" + String(repeating: "X: " + String(repeating: "y", count: 900) + "\r\n", count: 100) + "\r\n"))
        #expect(try await Self.failure(Self.client(), server.url)?.kind == .answerTooLarge)
    }

    @Test(arguments: ["SSH-2.0-OpenSSH_9.2\r\n", "", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive5"])
    func whatIsNoWholeAnswerIsBrokenOff(_ text: String) async throws {
        let server = try RawServer(.says(text))
        #expect(try await Self.failure(Self.client(), server.url)?.kind == .brokenOff)
    }

    @Test func aPlainServerFailsTLS() async throws {
        let server = try RawServer(.says("HTTP/1.1 400 Bad Request\r\n\r\n"))
        #expect(try await Self.failure(Self.client(), "https://127.0.0.1:\(server.port)/")?.kind == .tlsFailed)
    }

    /// The server hangs up after each answer without saying so: the kept connection is dead when the next request takes it.
    @Test func aDeadKeptConnectionIsReplaced() async throws {
        let server = try RawServer(.says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
        let client = try Self.client()
        for _ in 0..<3 { #expect(try await Self.failure(client, server.url) == nil) }
        #expect(server.connections == 3)
    }

    // MARK: ending

    @Test func cancellingEndsTheWaitAndTheTransfer() async throws {
        let server = try RawServer(.silent)
        let client = try Self.client { $0.inFlightMax = 1 }
        let travelling = Task { try await Self.failure(client, server.url) }
        await SerialLane(label: "wait").run { server.waitForConnection() }
        let queued = Task { try await Self.failure(client, server.url) }
        queued.cancel()
        #expect(try await queued.value?.kind == .cancelled)
        travelling.cancel()
        #expect(try await travelling.value?.kind == .cancelled)
        // The place in flight is free again
        let other = try HTTPServer { _ in HTTPServerResponse(204, text: "") }
        #expect(try await Self.failure(client, "http://127.0.0.1:\(other.port)/") == nil)
    }

    @Test func aTaskCancelledBeforehandDoesNotWait() async throws {
        let server = try RawServer(.silent)
        let client = try Self.client()
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await Self.failure(client, server.url)
        }
        #expect(try await task.value?.kind == .cancelled)
    }

    @Test func closingEndsWhatIsInFlight() async throws {
        let server = try RawServer(.silent)
        let client = try Self.client { $0.inFlightMax = 1 }
        let tasks = (0..<3).map { _ in Task { try await Self.failure(client, server.url) } }
        await SerialLane(label: "wait").run { server.waitForConnection() }
        await client.close()
        for task in tasks { #expect(try await task.value?.kind == .closed) }
        #expect(try await Self.failure(client, server.url)?.kind == .closed)
        await client.close()
    }

    /// More clients come and go than this process may have threads for other reasons.
    @Test(.timeLimit(.minutes(1))) func aClientThatGoesAwayLeavesNoThread() async throws {
        for _ in 0..<400 { _ = try Self.client() }
        while threadCount() > 300 { await Task.yield() }
    }
}

/// The threads of this process, as the kernel lists them.
private func threadCount() -> Int {
    let directory = opendir("/proc/self/task")!
    defer { closedir(directory) }
    var count = -2  // "." and ".."
    while readdir(directory) != nil { count += 1 }
    return count
}
