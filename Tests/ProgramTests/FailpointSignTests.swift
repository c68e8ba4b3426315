import Failpoints
import Foundation
import OperatingSystem
import SigningTestKit
import Testing

private let noFailpoints: Comment = "SKIPPED: this build has no failpoints (--traits Failpoints)"

/// `tanba sign` is killed at every point of its way and run again: each document has one signature, in the log and in its file.
@Suite(.enabled(if: Failpoint.areBuiltIn, noFailpoints)) struct FailpointSignTests {
    /// Points that `tanba sign` never passes, because it has no Kafka; the crash matrix (Deploy/crash) passes them, in workers.
    private static let elsewhere = Failpoint.all.filter { $0.rawValue.hasPrefix("kafka-") }

    struct Place: Sendable, CustomTestStringConvertible {
        let point: Failpoint
        let passing: Int
        var testDescription: String { "\(point.rawValue):\(passing)" }
    }

    private static let places = Failpoint.all.filter { !elsewhere.contains($0) }.flatMap { point in
        [1, 3].map { Place(point: point, passing: $0) }
    }

    /// Few jobs at once and few in a batch, so that seven documents pass every point three times.
    private static func stand() throws -> ProgramStand {
        try ProgramStand { $0 + "limits:\n  in-flight: 2\n  batch-results: 2\n" }
    }

    @Test(arguments: places) func aRunThatIsKilledIsFinishedByTheNext(place: Place) async throws {
        let stand = try Self.stand()
        let paths = try stand.writeDocuments(7)
        let killed = try await stand.sign(profile: "p256-t", environment: ["TANBA_FAILPOINT": place.testDescription])
        // A point that is not passed so often is an error here: this is how one that is lost is found
        try #require(killed.signal == SIGKILL, "\(killed)")

        // Whatever is there is whole, and from the log
        let before = try stand.log()
        for signature in try stand.signatures() {
            #expect(before.signatures[String(signature.dropLast(4))] == [try stand.read("out/" + signature)])
        }

        let summary = try await stand.signed(profile: "p256-t")
        #expect(summary.signed + summary.alreadySigned == 7 && summary.refused + summary.problems == 0, "\(summary)")
        let log = try stand.log()
        #expect(log.jobs.count == 7)
        #expect(log.results.count == 7)
        #expect(log.results.prefix(before.results.count) == before.results[...])
        #expect(try stand.signatures() == paths.map { $0 + ".p7s" })
        #expect(log.signatures == Dictionary(uniqueKeysWithValues: try paths.map { ($0, [try stand.read("out/\($0).p7s")]) }))
        try await stand.audit(signed: 7)
        for path in [paths[0], paths[6]] { try await stand.verify("documents/" + path, signature: "out/\(path).p7s") }

        #expect(try await stand.signed(profile: "p256-t") == SignSummary(alreadySigned: 7))
        #expect(try stand.log().results == log.results)
    }

    /// A run that dies while a changed file is signed, and the file is changed back: its old signature is the one it must have.
    @Test func aRevertedFileKeepsItsSignatureAfterACrash() async throws {
        let stand = try Self.stand()
        try stand.write("one", to: "documents/a.txt")
        _ = try await stand.signed()
        let first = try stand.read("out/a.txt.p7s")
        try stand.write("two", to: "documents/a.txt")
        let killed = try await stand.sign(environment: ["TANBA_FAILPOINT": "sign-before"])
        try #require(killed.signal == SIGKILL, "\(killed)")
        #expect(try stand.log().jobs.count == 2)
        try stand.write("one", to: "documents/a.txt")
        // The job that waited is signed: it is in the log. But it is not the file's.
        // It is not one of the documents of this run, and is told beside them
        #expect(try await stand.signed() == SignSummary(signed: 1, alreadySigned: 1))
        #expect(try stand.read("out/a.txt.p7s") == first)
        try await stand.verify("documents/a.txt", signature: "out/a.txt.p7s")
        try stand.write("two", to: "documents/a.txt")
        #expect(try await stand.signed() == SignSummary(alreadySigned: 1))
        try await stand.verify("documents/a.txt", signature: "out/a.txt.p7s")
    }

    /// Two runs that died, each with another version of the file; its signature is that of the version it has now.
    @Test func aFileHasTheSignatureOfItsVersionAfterTwoCrashes() async throws {
        // Without an authority nothing is published, so that both jobs are left behind
        let (lab, port) = (try ProgramLab.shared.get(), try refusingPort())
        let stand = try ProgramStand { $0.replacing(lab.authorityLine, with: "    url: \"http://127.0.0.1:\(port)/\"") }
        for (text, failpoint) in [("one", "validate-before"), ("two", "validate-before:2")] {
            try stand.write(text, to: "documents/a.txt")
            let killed = try await stand.sign(profile: "p256-t", environment: ["TANBA_FAILPOINT": failpoint])
            try #require(killed.signal == SIGKILL, "\(killed)")
        }
        #expect(try stand.log().jobs.count == 2)
        #expect(try stand.log().results.isEmpty)
        let authority = try await lab.startAuthority(port: port, in: stand.folder)
        try stand.write("one", to: "documents/a.txt")
        #expect(try await stand.signed(profile: "p256-t") == SignSummary(signed: 2))
        try await stand.verify("documents/a.txt", signature: "out/a.txt.p7s")
        #expect(try await stand.signed(profile: "p256-t") == SignSummary(alreadySigned: 1))
        try await stand.audit(signed: 2)
        #expect(authority.isRunning)
    }

    /// The other way round: killed, changed meanwhile, run again.
    @Test func aFileThatChangedSinceTheCrashHasItsNewSignature() async throws {
        let stand = try Self.stand()
        try stand.write("one", to: "documents/a.txt")
        let killed = try await stand.sign(environment: ["TANBA_FAILPOINT": "publish-before"])
        try #require(killed.signal == SIGKILL, "\(killed)")
        try stand.write("two", to: "documents/a.txt")
        #expect(try await stand.signed() == SignSummary(signed: 2))
        try await stand.verify("documents/a.txt", signature: "out/a.txt.p7s")
        #expect(try stand.log().signatures["a.txt"]?.count == 2)
    }

    @Test func aPointThatDoesNotExistIsAnError() async throws {
        let stand = try Self.stand()
        try stand.writeDocuments(1)
        let ended = try await stand.sign(environment: ["TANBA_FAILPOINT": "sign-befor"])
        #expect(ended.status == 2, "\(ended)")
        #expect(ended.errors.contains("the names are: intake-before-receive"))
    }
}
