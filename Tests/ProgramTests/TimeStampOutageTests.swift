import Foundation
import OperatingSystem
import SigningTestKit
import Testing

/// A time-stamping authority that is away or answers garbage: nothing is refused, the documents wait and are signed when it is mended.
@Suite struct TimeStampOutageTests {
    private static func stand(port: Int) throws -> ProgramStand {
        let lab = try ProgramLab.shared.get()
        return try ProgramStand { $0.replacing(lab.authorityLine, with: "    url: \"http://127.0.0.1:\(port)/\"") }
    }

    @Test func anAuthorityThatIsAwayIsWaitedFor() async throws {
        let port = try refusingPort()
        let stand = try Self.stand(port: port)
        let paths = try stand.writeDocuments(4)
        let sign = try stand.start("tanba", ["sign", "documents", "--profile", "p256-t", "--out", "out", "--json"])
        try await sign.wait(for: "a warning that names the authority") { sign.errorsSoFar.contains("time-stamp authority demo") }
        #expect(try stand.signatures() == [])
        let authority = try await stand.lab.startAuthority(port: port, in: stand.folder)
        let ended = try await sign.ended()
        #expect(authority.isRunning)
        #expect(ended.status == 0, "\(ended)")
        #expect(try SignSummary(ended) == SignSummary(signed: 4))
        #expect(try stand.signatures() == paths.map { $0 + ".p7s" })
        #expect(try stand.log().results.count == 4)
    }

    /// What answers is a web server, and not an authority.
    @Test func garbageIsNoTimeStamp() async throws {
        let port = try refusingPort()
        let stand = try Self.stand(port: port)
        try stand.writeDocuments(2)
        let garbage = try stand.start("/usr/bin/env", ["python3", "-c", Self.liar, "\(port)"])
        try await garbage.wait(for: "a port") { garbage.errorsSoFar.contains("listening") }
        let sign = try stand.start("tanba", ["sign", "documents", "--profile", "p256-t", "--out", "out", "--json"])
        try await sign.wait(for: "a warning that names the authority") { sign.errorsSoFar.contains("time-stamp authority demo") }
        #expect(try stand.signatures() == [])
        garbage.send(SIGKILL)
        _ = try await garbage.ended()
        let authority = try await stand.lab.startAuthority(port: port, in: stand.folder)
        let ended = try await sign.ended()
        #expect(authority.isRunning)
        #expect(ended.status == 0, "\(ended)")
        #expect(try SignSummary(ended) == SignSummary(signed: 2))
    }

    private static let liar = #"""
        import http.server, sys
        class Liar(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(200)
                self.send_header("Content-Type", "application/timestamp-reply")
                self.send_header("Content-Length", "7")
                self.end_headers()
                self.wfile.write(b"garbage")
            def log_message(self, *arguments): pass
        server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Liar)
        print("listening", file=sys.stderr, flush=True)
        server.serve_forever()
        """#
}
