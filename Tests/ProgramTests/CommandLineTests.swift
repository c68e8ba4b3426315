import Foundation
import Testing

/// What the programs say of themselves, and to a command line or configuration that they cannot use.
@Suite struct CommandLineTests {
    private static let programs = ["tanba", "tanba-worker", "tanba-auditor"]

    @Test(arguments: programs) func helpAndVersion(program: String) async throws {
        let stand = try ProgramStand()
        let help = try await stand.run(program, ["--help"])
        #expect(help.status == 0, "\(help)")
        #expect(help.errors == "")
        for part in ["Usage: \(program)", "Examples:", "Exit status:", "  3  the world failed"] { #expect(help.output.contains(part), "\(help)") }
        let version = try await stand.run(program, ["--version"])
        #expect(version.status == 0)
        #expect(version.output.wholeMatch(of: /(\S+) \d+\.\d+\.\d+\n/)?.1 == program[...], "\(version)")
    }

    @Test(arguments: programs) func completionIsForTheShell(program: String) async throws {
        let stand = try ProgramStand()
        for shell in ["bash", "zsh", "fish"] {
            let script = try await stand.run(program, ["--completion", shell])
            #expect(script.status == 0, "\(script)")
            #expect(script.output.contains(program == "tanba-auditor" ? "trust" : "config"), "\(shell) completes options")
        }
        let bash = try await stand.run(program, ["--completion", "bash"])
        try stand.write(bash.output, to: "completion.bash")
        let checked = try await stand.run("/bin/bash", ["-n", stand("completion.bash")])
        #expect(checked.status == 0, "\(checked)")
        let unknown = try await stand.run(program, ["--completion", "csh"])
        #expect(unknown.status == 2, "\(unknown)")
    }

    @Test(arguments: ["sign", "enqueue", "results"]) func everyCommandHasHelp(command: String) async throws {
        let stand = try ProgramStand()
        let help = try await stand.run("tanba", [command, "--help"])
        #expect(help.status == 0, "\(help)")
        #expect(help.output.contains("Usage: tanba \(command)") && help.output.contains("\n  tanba \(command) "), "\(help)")
    }

    @Test(arguments: [
        ([], "a command is missing: sign, enqueue, results"), (["sing"], "did you mean sign?"),
        (["sign", "documents", "--profile", "p256-b"], "--out"), (["sign", "documents", "--out", "out"], "--profile"),
        (["sign", "--profile", "p256-b", "--out", "out"], "PATH… is missing"),
        (["sign", "documents", "--profil", "p256-b", "--out", "out"], "--profile"),
        (["sign", "documents", "--profile", "nobody", "--out", "out"], "no profile nobody; use one of: p256-b, p256-t, rsa2048-b, rsa2048-t"),
        (["enqueue", "documents", "--stream", "s", "--profile", "p256-b"], "--package"),
        (["enqueue", "documents", "--stream", "s", "--profile", "p256-b", "--package", "p"], "kafka.bootstrap is missing"),
        (["results"], "--stream"), (["results", "--stream", "s", "--wait"], "--package"),
        (["results", "--stream", "s", "more"], "the argument \"more\" is one too many"),
    ])
    func aCommandLineThatCannotBeUsedIsExplained(arguments: [String], part: String) async throws {
        let stand = try ProgramStand()
        try stand.writeDocuments(1)
        let ended = try await stand.run("tanba", arguments)
        #expect(ended.status == 2, "\(ended)")
        #expect(ended.errors.contains(part), "\(ended)")
        #expect(ended.output == "")
        #expect(try stand.signatures(in: "documents").count == 1)
    }

    @Test func numbersOfARunAreForPeopleAndForPrograms() async throws {
        let stand = try ProgramStand()
        try stand.writeDocuments(2)
        let text = try await stand.run("tanba", ["sign", "documents", "--profile", "p256-b", "--out", "out"])
        #expect(text.output.hasPrefix("2 signed, in "), "\(text)")
        #expect(text.output.hasSuffix("; signatures in out\n"), "\(text)")
        #expect(text.errors == "")
        let json = try await stand.sign()
        let object = try #require(try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any])
        #expect(object["alreadySigned"] as? Int == 2)
        #expect(object["documentsPerSecond"] is Double)
        #expect((object["stages"] as? [String: Any])?.keys.sorted() == ["intake", "publish", "sign", "timestamp", "total"])
    }
}

/// Configurations that cannot be used: the file, the line, the reason and the remedy are named, with exit status 2.
@Suite struct ConfigurationErrorTests {
    struct Mistake: Sendable, CustomTestStringConvertible {
        let replaced: String
        let by: String
        let said: String
        var testDescription: String { by }
    }

    @Test(arguments: [
        Mistake(replaced: "    sessions: 2", by: "    sesions: 2", said: "tokens[0].sesions is not a known key; known here: environment, label"),
        Mistake(replaced: "    sessions: 2", by: "    sessions: 0", said: "tokens[0].sessions must be a whole number from 1 to 1024"),
        Mistake(replaced: "    timeout: 10s", by: "    timeout: 10", said: "timestamp-authorities[0].timeout must be a time such as 200ms"),
        Mistake(replaced: "    policy: 1.2.3.4.1", by: "    policy: one", said: "has the policy one; write a dotted object identifier"),
        Mistake(replaced: "    level: B-B", by: "    level: B-X", said: "profile p256-b has the level B-X; use B-B or B-T"),
        Mistake(replaced: "    digest: sha256", by: "    digest: md5", said: "profile p256-b has the digest md5; use sha256, sha384 or sha512"),
        Mistake(replaced: "    label: tanba-demo", by: "    label: tanba-demo\n    label: x", said: "label"),
        Mistake(replaced: "    label: tanba-demo", by: "    label: [", said: "Check the indentation, quotation marks and brackets"),
        Mistake(replaced: "    timestamp-authority: demo", by: "    timestamp-authority: nobody", said: "names the timestamp authority nobody"),
    ])
    func theLineIsNamed(mistake: Mistake) async throws {
        let stand = try ProgramStand { text in
            guard let place = text.range(of: mistake.replaced) else { return "the configuration has no \(mistake.replaced)" }
            return text.replacingCharacters(in: place, with: mistake.by)
        }
        let ended = try await stand.sign(["."])
        #expect(ended.status == 2, "\(ended)")
        let place = try #require(ended.errors.firstMatch(of: /tanba: (\S+):(\d+): (.*)\n/), "\(ended)")
        #expect(String(place.1) == stand.configuration)
        #expect(place.3.contains(mistake.said), "\(ended)")
        // The line of the mistake, or of the beginning of what it is in
        let lines = String(decoding: try stand.read("tanba.yaml"), as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        let line = lines.firstIndex { $0 == mistake.by.split(separator: "\n").last! }! + 1
        #expect((line - 12...line + 1).contains(Int(place.2)!), "\(ended.errors) for line \(line)")
        // A worker says the same, as a log line
        let worker = try await stand.run("tanba-worker", ["--check"])
        #expect(worker.status == 2, "\(worker)")
        #expect(worker.errors.contains("\(stand.configuration):\(place.2): "), "\(worker)")
    }

    @Test func aFileThatIsNotThereIsNamed() async throws {
        let stand = try ProgramStand()
        for ended in [
            try await stand.run("tanba", ["sign", ".", "-p", "p256-b", "-o", "out", "--config", "nowhere.yaml"]),
            try await stand.run("tanba-worker", ["--config", "nowhere.yaml"]),
            try await stand.run("tanba", ["sign", ".", "-p", "p256-b", "-o", "out"], environment: ["TANBA_CONFIG": "nowhere.yaml"]),
        ] {
            #expect(ended.status == 2, "\(ended)")
            #expect(ended.errors.contains("nowhere.yaml"), "\(ended)")
        }
    }

    @Test func aPropertyThatThePromisesFixIsRefused() async throws {
        for property in ["enable.auto.commit", "isolation.level", "transactional.id", "enable.idempotence"] {
            let stand = try ProgramStand { "kafka:\n  bootstrap: 127.0.0.1:1\n  properties:\n    \(property): x\n" + $0 }
            let ended = try await stand.sign(["."])
            #expect(ended.status == 2, "\(ended)")
            #expect(ended.errors.contains("tanba.yaml:4: kafka.properties.\(property)"), "\(ended)")
        }
    }
}
