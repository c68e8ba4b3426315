import Foundation
import OperatingSystem
import SigningTestKit
import Testing

/// `tanba sign` with input that cannot be used: it is told which, and everything else is signed.
@Suite struct SignProblemTests {
    @Test func twoFilesThatCollideAreRefused() async throws {
        let stand = try ProgramStand()
        try stand.write("one", to: "a/contract.txt")
        try stand.write("two", to: "b/contract.txt")
        try stand.write("three", to: "b/other.txt")
        let ended = try await stand.sign(["a", "b"])
        #expect(ended.status == 1, "\(ended)")
        #expect(try SignSummary(ended) == SignSummary(signed: 1, problems: 2))
        for path in ["a/contract.txt", "b/contract.txt"] { #expect(ended.errors.contains("\(path): 2 files would be signed as contract.txt")) }
        #expect(try stand.signatures() == ["other.txt.p7s"])
        // The same file named twice is one document
        #expect(try await stand.signed(["a", "a/contract.txt", "a"], out: "twice") == SignSummary(signed: 1))
    }

    @Test func whatCannotBeReadIsNamedAndTheRestIsSigned() async throws {
        let stand = try ProgramStand()
        let paths = try stand.writeDocuments(3)
        try stand.write("closed", to: "documents/closed.txt")
        try stand.write("closed", to: "documents/closed/inside.txt")
        chmod(stand("documents/closed.txt"), 0)
        chmod(stand("documents/closed"), 0)
        defer { chmod(stand("documents/closed"), 0o700) }
        let sign = ["sign", "documents", "missing", "--profile", "p256-b", "--out", "out", "--json"]
        // As root without the rights that pass over those of files
        let dropped = "-dac_override,-dac_read_search"
        let ended =
            geteuid() == 0
            ? try await stand.run("/usr/bin/setpriv", ["--inh-caps", dropped, "--bounding-set", dropped, stand.lab.programs + "/tanba"] + sign)
            : try await stand.run("tanba", sign)
        #expect(ended.status == 1, "\(ended)")
        #expect(try SignSummary(ended) == SignSummary(signed: 3, problems: 3))
        for name in ["documents/closed.txt", "documents/closed", "missing"] { #expect(ended.errors.contains("tanba: \(name): "), "\(ended)") }
        #expect(try stand.signatures() == paths.map { $0 + ".p7s" })
    }

    @Test func aJobIDOverTheBoundIsRefused() async throws {
        let stand = try ProgramStand()
        let long = (0..<5).map { _ in String(repeating: "x", count: 220) }.joined(separator: "/")
        try stand.write("far away", to: "documents/\(long)/far.txt")
        try stand.write("near", to: "documents/near.txt")
        let ended = try await stand.sign()
        #expect(ended.status == 1, "\(ended)")
        #expect(try SignSummary(ended) == SignSummary(signed: 1, problems: 1))
        #expect(ended.errors.contains("1024 are allowed; name a folder nearer to it"), "\(ended)")
        #expect(try await stand.signed(["documents/\(long)"], out: "near") == SignSummary(signed: 1))
    }

    @Test func aSecondRunInTheSameFolderIsTurnedAway() async throws {
        // A first run that cannot end: its authority is away
        let port = try refusingPort()
        let lab = try ProgramLab.shared.get()
        let stand = try ProgramStand { $0.replacing(lab.authorityLine, with: "    url: \"http://127.0.0.1:\(port)/\"") }
        try stand.writeDocuments(2)
        let first = try stand.start("tanba", ["sign", "documents", "--profile", "p256-t", "--out", "out"])
        try await first.wait(for: "its first try of the authority") { first.errorsSoFar.contains("time-stamp authority demo") }
        let second = try await stand.sign()
        #expect(second.status == 3, "\(second)")
        #expect(second.errors.contains("out/.tanba/log.lock is in use by pid \(first.pid)"), "\(second)")
        #expect(second.output == "")
        #expect(first.isRunning)
        // Elsewhere it may
        #expect(try await stand.signed(out: "elsewhere") == SignSummary(signed: 2))
    }

    @Test func anInterruptedRunSaysSoAndGoesOnLater() async throws {
        let port = try refusingPort()
        let lab = try ProgramLab.shared.get()
        let stand = try ProgramStand {
            $0.replacing(lab.authorityLine, with: "    url: \"http://127.0.0.1:\(port)/\"") + "limits:\n  drain: 300ms\n"
        }
        let paths = try stand.writeDocuments(3)
        let first = try stand.start("tanba", ["sign", "documents", "--profile", "p256-t", "--out", "out"])
        try await first.wait(for: "its first try of the authority") { first.errorsSoFar.contains("time-stamp authority demo") }
        first.send(SIGINT)
        let ended = try await first.ended()
        #expect(ended.status == 3, "\(ended)")
        #expect(ended.errors.contains("interrupted; run the same command again to go on"), "\(ended)")
        #expect(try stand.signatures() == [])
        let authority = try await lab.startAuthority(port: port, in: stand.folder)
        defer { withExtendedLifetime(authority) {} }
        #expect(try await stand.signed(profile: "p256-t") == SignSummary(signed: 3))
        #expect(try stand.log().jobs.count == 3)
        #expect(try stand.signatures() == paths.map { $0 + ".p7s" })
    }
}
