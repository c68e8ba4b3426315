import Foundation
import OperatingSystem
import SigningModel
import Testing

/// `tanba sign` on folders that are in order.
@Suite struct SignTests {
    @Test(arguments: ["p256-b", "p256-t", "rsa2048-b", "rsa2048-t"])
    func aFolderIsSigned(profile: String) async throws {
        let stand = try ProgramStand()
        let paths = try stand.writeDocuments(5)
        #expect(try await stand.signed(profile: profile) == SignSummary(signed: 5))
        #expect(try stand.signatures() == paths.map { $0 + ".p7s" })
        let log = try stand.log()
        #expect(log.signatures == Dictionary(uniqueKeysWithValues: try paths.map { ($0, [try stand.read("out/\($0).p7s")]) }))
        #expect(log.jobs.sorted().map { $0.prefix { $0 != "#" } } == paths.map { "\(profile)/\($0)" })
        for path in paths { try await stand.verify("documents/" + path, signature: "out/\(path).p7s") }
        for result in log.results {
            guard case .signed(let signature, let signer, let timestamp) = result.outcome else { continue }
            #expect(signature.level.rawValue == (profile.hasSuffix("t") ? "B-T" : "B-B"))
            #expect((timestamp != nil) == profile.hasSuffix("t"))
            #expect(signer.subject.contains(profile.hasPrefix("rsa") ? "Demo signer RSA-2048" : "Demo signer P-256"))
        }
    }

    @Test func againPublishesNothing() async throws {
        let stand = try ProgramStand()
        let paths = try stand.writeDocuments(4)
        _ = try await stand.signed()
        let first = try stand.log().signatures
        // What a crash or a person took away is made again from the log, not signed again
        try FileManager.default.removeItem(atPath: stand("out/\(paths[0]).p7s"))
        try stand.write("no signature", to: "out/\(paths[1]).p7s")
        #expect(try await stand.signed() == SignSummary(alreadySigned: 4))
        let log = try stand.log()
        #expect(log.jobs.count == 4)
        #expect(log.results.count == 4)
        #expect(log.signatures == first)
        for path in paths { #expect(try stand.read("out/\(path).p7s") == first[path]?[0]) }
    }

    @Test func aChangedFileIsSignedAnewAndARevertedOneIsNot() async throws {
        let stand = try ProgramStand()
        try stand.write("one", to: "documents/a.txt")
        try stand.write("other", to: "documents/b.txt")
        _ = try await stand.signed()
        let first = try stand.read("out/a.txt.p7s")
        try stand.write("two", to: "documents/a.txt")
        #expect(try await stand.signed() == SignSummary(signed: 1, alreadySigned: 1))
        let second = try stand.read("out/a.txt.p7s")
        #expect(second != first)
        try await stand.verify("documents/a.txt", signature: "out/a.txt.p7s")
        #expect(try stand.log().signatures["a.txt"] == [first, second])

        try stand.write("one", to: "documents/a.txt")
        #expect(try await stand.signed() == SignSummary(alreadySigned: 2))
        #expect(try stand.read("out/a.txt.p7s") == first)
        #expect(try stand.log().results.count == 3)
    }

    @Test func anotherProfileSignsAnew() async throws {
        let stand = try ProgramStand()
        try stand.writeDocuments(2)
        _ = try await stand.signed()
        #expect(try await stand.signed(profile: "rsa2048-b") == SignSummary(signed: 2))
        #expect(try await stand.signed() == SignSummary(alreadySigned: 2))
    }

    @Test func ownOutputsInsideTheFolderAreLeftOut() async throws {
        let stand = try ProgramStand()
        let paths = try stand.writeDocuments(3)
        // What a run that was killed while it wrote a signature leaves behind
        try stand.write("half", to: "documents/part-0/.tanba-0123456789abcdef.tmp")
        #expect(try await stand.signed(out: "documents").signed == 3)
        let again = try await stand.signed(out: "documents")
        #expect((again.signed, again.alreadySigned, again.problems) == (0, 3, 0))
        // The signatures, the log and its lock
        #expect(again.skippedOutputs >= 6)
        #expect(try stand.signatures(in: "documents").filter { $0.hasSuffix(".p7s") } == paths.map { $0 + ".p7s" })
    }

    /// The state of another run is no document, in whatever folder it is found.
    @Test func theStateOfAnotherRunIsLeftOut() async throws {
        let stand = try ProgramStand()
        let paths = try stand.writeDocuments(2)
        _ = try await stand.signed(out: "documents")
        _ = try await stand.signed(["documents/part-0"], out: "documents/part-0")
        let ended = try await stand.sign(out: "elsewhere")
        #expect(ended.status == 0, "\(ended)")
        // part-0 has a signature of each of the two runs: one for its document, which both gave the same name
        #expect(try stand.signatures(in: "elsewhere") == (paths + paths.map { $0 + ".p7s" }).map { $0 + ".p7s" }.sorted())
    }

    @Test func symbolicLinksAreNotFollowed() async throws {
        let stand = try ProgramStand()
        try stand.write("one", to: "documents/a.txt")
        try stand.write("secret", to: "elsewhere/b.txt")
        try FileManager.default.createSymbolicLink(atPath: stand("documents/link.txt"), withDestinationPath: stand("elsewhere/b.txt"))
        try FileManager.default.createSymbolicLink(atPath: stand("documents/folder"), withDestinationPath: stand("elsewhere"))
        #expect(mkfifo(stand("documents/pipe"), 0o600) == 0)
        #expect(try await stand.signed() == SignSummary(signed: 1))
        #expect(try stand.signatures() == ["a.txt.p7s"])
        let named = try await stand.sign(["documents/link.txt", "documents/pipe", "documents/a.txt"], out: "named")
        #expect(named.status == 1, "\(named)")
        #expect(try SignSummary(named) == SignSummary(signed: 1, problems: 2))
        #expect(named.errors.contains("documents/link.txt is a symbolic link"))
        #expect(named.errors.contains("documents/pipe is not a regular file"))
    }

    @Test func namesOfEveryKindAreKept() async throws {
        let stand = try ProgramStand()
        let names = ["құжат 1.pdf", "-dash", "a\"b\\c.txt", "x.p7s.txt", "empty", "deep/er/and/deeper/file", "#hash#", "%41"]
        for name in names { try stand.write(name == "empty" ? "" : name, to: "documents/" + name) }
        #expect(try await stand.signed() == SignSummary(signed: names.count))
        for name in names { try await stand.verify("documents/" + name, signature: "out/\(name).p7s") }
        #expect(try await stand.signed() == SignSummary(alreadySigned: names.count))
    }
}
