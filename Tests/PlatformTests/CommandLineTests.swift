import CommandLineOptions
import Foundation
import Testing

/// A program with commands, and one without.
let sampleProgram = Program(
    "tanba", version: "1.2.3", summary: "sign documents in batches",
    commands: [
        Command(
            "sign", arguments: "PATH…", summary: "Sign the files under each path",
            options: [
                Option("profile", short: "p", argument: "NAME", help: "Signing profile of the configuration.", required: true),
                Option("out", short: "o", argument: "DIR", help: "Where the signatures go; it's made: [here].", required: true),
                Option("trust", argument: "PEM", help: "Trust anchors.", repeats: true),
                Option("log", argument: "kafka|embedded", help: "Which log.", default: "embedded"),
                Option("json", short: "j", help: "Print JSON."),
                Option("verbose", short: "v", help: "Say more, " + String(repeating: "and more ", count: 20) + "still.", repeats: true),
            ],
            examples: [Example("tanba sign contracts --profile p256-t --out signed", "Signs every file under contracts.")]),
        Command("results", arguments: "", summary: "Print results", options: [Option("wait", help: "Wait.")], examples: []),
        Command("check", arguments: "FILE [DIR]", summary: "Check one", options: [], examples: []),
        Command(
            "tokens", summary: "See tokens, and make keys in them",
            commands: [
                Command(
                    "list", arguments: "[DIR]", summary: "List what is there", options: [Option("json", short: "j", help: "Print JSON.")],
                    examples: [Example("tanba tokens list --json", "Lists tokens."), Example("tanba tokens list", "Lists them too.")]),
                Command(
                    "key", arguments: "", summary: "Make a key",
                    options: [
                        Option("kind", argument: "rsa|ec", help: "Which kind.", required: true),
                        Option("out", short: "o", argument: "FILE", help: "Where to."),
                    ], examples: [Example("tanba tokens key --kind ec", "Makes a key.")]),
            ]),
    ], exitStatuses: [(0, "Done."), (2, "The command line or the configuration is wrong.")])

let samplePlainProgram = Program(
    "tanba-worker", version: "1.2.3", summary: "sign what a stream asks for",
    commands: [
        Command("", arguments: "", summary: "Run", options: [Option("config", argument: "FILE", help: "Configuration.")], examples: [])
    ], exitStatuses: [(0, "Done.")])

@Suite struct CommandLineTests {
    private func run(_ arguments: String..., in program: Program = sampleProgram) throws -> Invocation {
        guard case .run(let invocation) = program.parse(arguments) else {
            throw Unexpected(parsed: "\(program.parse(arguments))")
        }
        return invocation
    }

    private struct Unexpected: Error { let parsed: String }

    @Test(arguments: [
        ["sign", "a", "b", "--profile", "p", "--out", "d", "--json"], ["sign", "--profile=p", "a", "--out=d", "b", "--json"],
        ["sign", "-p", "p", "-od", "-j", "a", "b"], ["sign", "-jp", "p", "-o", "d", "--", "a", "b"],
    ])
    func optionsComeInAllForms(arguments: [String]) throws {
        guard case .run(let invocation) = sampleProgram.parse(arguments) else {
            Issue.record("\(sampleProgram.parse(arguments))")
            return
        }
        #expect(invocation.command == "sign")
        #expect(invocation.arguments == ["a", "b"])
        #expect(invocation.value("profile") == "p")
        #expect(invocation.values("out") == ["d"])
        #expect(invocation.flag("json"))
        #expect(!invocation.flag("verbose"))
        #expect(invocation.values("trust") == [])
        #expect(invocation.value("trust") == nil)
        #expect(invocation.value("log") == "embedded")
    }

    @Test func oddWordsAreArgumentsAndValues() throws {
        let invocation = try run(
            "sign", "--profile", "-", "--out=a=b c", "--trust", "x", "--trust=", "-v", "-vv", "-", "Таңба", "--", "--json", "-q", "")
        #expect(invocation.value("profile") == "-")
        #expect(invocation.value("out") == "a=b c")
        #expect(invocation.values("trust") == ["x", ""])
        #expect(invocation.flag("verbose"))
        #expect(!invocation.flag("json"))
        #expect(invocation.arguments == ["-", "Таңба", "--json", "-q", ""])
    }

    @Test(arguments: [
        ([], "tanba: a command is missing: sign, results, check, tokens. See: tanba --help\n"),
        (["tokens"], "tanba tokens: a command is missing: list, key. See: tanba tokens --help\n"),
        (["tokens", "lits"], "tanba tokens: there is no command \"lits\"; did you mean list? See: tanba tokens --help\n"),
        (["tokens", "--json", "list"], "tanba tokens: there is no option --json. See: tanba tokens --help\n"),
        (["tokens", "--completion", "bash"], "tanba tokens: there is no option --completion. See: tanba tokens --help\n"),
        (["tokens", "key"], "tanba tokens key: --kind rsa|ec is missing. See: tanba tokens key --help\n"),
        (["tokens", "key", "--kind", "es"], "tanba tokens key: --kind is rsa or ec, not \"es\"; did you mean ec? See: tanba tokens key --help\n"),
        (["list"], "tanba: there is no command \"list\". See: tanba --help\n"),
        (["sing"], "tanba: there is no command \"sing\"; did you mean sign? See: tanba --help\n"),
        (["res"], "tanba: there is no command \"res\"; did you mean results? See: tanba --help\n"),
        (["frobnicate\u{1B}"], "tanba: there is no command \"frobnicate\u{FFFD}\". See: tanba --help\n"),
        (["--json", "sign"], "tanba: there is no option --json. See: tanba --help\n"),
        (["--verison"], "tanba: there is no option --verison; did you mean --version? See: tanba --help\n"),
        (["--completion", "tcsh"], "tanba: --completion is bash, zsh or fish, not \"tcsh\". See: tanba --help\n"),
        (["--completion"], "tanba: --completion needs a value: --completion bash|zsh|fish. See: tanba --help\n"),
        (["sign"], "tanba sign: --profile NAME and --out DIR are missing. See: tanba sign --help\n"),
        (["sign", "-p", "x", "a"], "tanba sign: --out DIR is missing. See: tanba sign --help\n"),
        (["sign", "-p", "x", "-o", "d"], "tanba sign: PATH… is missing. See: tanba sign --help\n"),
        (["sign", "--profle=secret"], "tanba sign: there is no option --profle; did you mean --profile? See: tanba sign --help\n"),
        (["sign", "--xyzzy"], "tanba sign: there is no option --xyzzy. See: tanba sign --help\n"),
        (["sign", "-x"], "tanba sign: there is no option -x. See: tanba sign --help\n"),
        (["sign", "-jx"], "tanba sign: there is no option -jx. See: tanba sign --help\n"),
        (["sign", "--out"], "tanba sign: --out needs a value: --out DIR. See: tanba sign --help\n"),
        (["sign", "-o"], "tanba sign: --out needs a value: --out DIR. See: tanba sign --help\n"),
        (["sign", "--json=yes"], "tanba sign: --json takes no value. See: tanba sign --help\n"),
        (["sign", "-p", "x", "-p", "y"], "tanba sign: --profile is given twice; give it once. See: tanba sign --help\n"),
        (
            ["sign", "a", "-p", "x", "-o", "d", "--log", "kafak"],
            "tanba sign: --log is kafka or embedded, not \"kafak\"; did you mean kafka? See: tanba sign --help\n"
        ),
        (["results", "x"], "tanba results: the argument \"x\" is one too many. See: tanba results --help\n"),
        (["check", "a", "b", "c"], "tanba check: the argument \"c\" is one too many; it takes FILE [DIR]. See: tanba check --help\n"),
        (["check"], "tanba check: FILE [DIR] is missing. See: tanba check --help\n"),
    ])
    func mistakesNameTheOptionAndTheWayOut(arguments: [String], text: String) {
        #expect(sampleProgram.parse(arguments) == .refused(text))
    }

    @Test func aProgramWithoutCommandsHasEverythingAtOnce() throws {
        #expect(try run("--config", "a", in: samplePlainProgram).value("config") == "a")
        #expect(try run(in: samplePlainProgram).command == "")
        #expect(samplePlainProgram.parse(["--version"]) == .print("tanba-worker 1.2.3\n"))
        #expect(samplePlainProgram.parse(["x"]) == .refused("tanba-worker: the argument \"x\" is one too many. See: tanba-worker --help\n"))
        guard case .print(let help) = samplePlainProgram.parse(["-h"]) else {
            Issue.record("no help")
            return
        }
        #expect(help.hasPrefix("tanba-worker 1.2.3: sign what a stream asks for\n\nUsage: tanba-worker [OPTIONS]\n\nOptions:\n"))
        #expect(help.contains("    --config FILE "))
        #expect(help.contains("    --completion bash|zsh|fish"))
    }

    @Test func theVersionIsPrintedAnywhere() {
        #expect(sampleProgram.parse(["--version"]) == .print("tanba 1.2.3\n"))
        #expect(sampleProgram.parse(["sign", "--version"]) == .print("tanba 1.2.3\n"))
    }

    @Test func theHelpOfACommandHasExamplesAndExitStatuses() throws {
        guard case .print(let help) = sampleProgram.parse(["sign", "--help"]) else {
            Issue.record("no help")
            return
        }
        #expect(
            help == """
                tanba sign: Sign the files under each path

                Usage: tanba sign PATH… --profile NAME --out DIR [OPTIONS]

                Options:
                  -p, --profile NAME        Signing profile of the configuration. (required)
                  -o, --out DIR             Where the signatures go; it's made: [here].
                                            (required)
                      --trust PEM           Trust anchors. (may be repeated)
                      --log kafka|embedded  Which log. (default: embedded)
                  -j, --json                Print JSON.
                  -v, --verbose             Say more, and more and more and more and more and
                                            more and more and more and more and more and more
                                            and more and more and more and more and more and
                                            more and more and more and more and more still. (may
                                            be repeated)
                  -h, --help                Print this text.
                      --version             Print the version.

                Examples:
                  tanba sign contracts --profile p256-t --out signed
                      Signs every file under contracts.

                Exit status:
                  0  Done.
                  2  The command line or the configuration is wrong.

                """)
        #expect(sampleProgram.parse(["help", "sign"]) == .print(help))
        #expect(sampleProgram.parse(["sign", "a", "--help", "--nonsense"]) == .print(help))
    }

    @Test func theHelpOfAProgramListsItsCommands() {
        guard case .print(let help) = sampleProgram.parse(["--help"]) else {
            Issue.record("no help")
            return
        }
        #expect(
            help == """
                tanba 1.2.3: sign documents in batches

                Usage: tanba COMMAND [OPTIONS]

                Commands:
                  sign     Sign the files under each path
                  results  Print results
                  check    Check one
                  tokens   See tokens, and make keys in them

                Options:
                  -h, --help                      Print this text.
                      --version                   Print the version.
                      --completion bash|zsh|fish  Print the completion script for a shell.

                Examples:
                  tanba sign contracts --profile p256-t --out signed
                      Signs every file under contracts.
                  tanba tokens list --json
                      Lists tokens.

                Exit status:
                  0  Done.
                  2  The command line or the configuration is wrong.

                For a command's options and more examples: tanba COMMAND --help

                """)
        #expect(sampleProgram.parse(["-h"]) == .print(help))
        #expect(sampleProgram.parse(["help"]) == .print(help))
        #expect(help.split(separator: "\n").allSatisfy { $0.count <= 80 })
    }

    @Test func commandsUnderACommandAreRunByBothWords() throws {
        let list = try run("tokens", "list", "-j", "d")
        #expect(list.command == "tokens list")
        #expect(list.flag("json"))
        #expect(list.arguments == ["d"])
        let key = try run("tokens", "key", "--kind=ec", "-of")
        #expect(key.command == "tokens key")
        #expect(key.value("kind") == "ec")
        #expect(key.value("out") == "f")
    }

    @Test func theHelpOfACommandOfCommandsListsThem() {
        guard case .print(let help) = sampleProgram.parse(["tokens", "--help"]) else {
            Issue.record("no help")
            return
        }
        #expect(
            help == """
                tanba tokens: See tokens, and make keys in them

                Usage: tanba tokens COMMAND [OPTIONS]

                Commands:
                  list  List what is there
                  key   Make a key

                Options:
                  -h, --help     Print this text.
                      --version  Print the version.

                Examples:
                  tanba tokens list --json
                      Lists tokens.
                  tanba tokens key --kind ec
                      Makes a key.

                Exit status:
                  0  Done.
                  2  The command line or the configuration is wrong.

                For a command's options and more examples: tanba tokens COMMAND --help

                """)
        #expect(sampleProgram.parse(["help", "tokens"]) == .print(help))
        #expect(sampleProgram.parse(["tokens", "help"]) == .print(help))
        #expect(sampleProgram.parse(["tokens", "-h", "key"]) == .print(help))
        guard case .print(let key) = sampleProgram.parse(["tokens", "key", "--help"]) else {
            Issue.record("no help")
            return
        }
        #expect(key.hasPrefix("tanba tokens key: Make a key\n\nUsage: tanba tokens key --kind rsa|ec [OPTIONS]\n\nOptions:\n"))
        #expect(key.contains("\n  tanba tokens key --kind ec\n"))
        #expect(sampleProgram.parse(["help", "tokens", "key"]) == .print(key))
        #expect(sampleProgram.parse(["tokens", "help", "key"]) == .print(key))
        #expect(sampleProgram.parse(["tokens", "key", "--version"]) == .print("tanba 1.2.3\n"))
    }

    @Test func mistakesInTheDeclarationStopTheProgram() async {
        await #expect(processExitsWith: .failure) { _ = Option("json", help: "A required flag.", required: true) }
        await #expect(processExitsWith: .failure) { _ = Option("--json", help: "Dashes.") }
        await #expect(processExitsWith: .failure) {
            _ = Command("a", arguments: "", summary: "", options: [Option("help", help: "Ours.")], examples: [])
        }
        await #expect(processExitsWith: .failure) { _ = Command("a", summary: "", commands: []) }
        await #expect(processExitsWith: .failure) { _ = Command("a", summary: "", commands: [sampleProgram.commands[3]]) }
        await #expect(processExitsWith: .failure) {
            if case .run(let invocation) = samplePlainProgram.parse([]) { _ = invocation.flag("undeclared") }
        }
    }
}
