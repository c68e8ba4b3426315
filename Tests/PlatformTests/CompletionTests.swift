import CommandLineOptions
import Foundation
import Testing

/// The scripts are given to the shells themselves, which answer what they would offer at the cursor.
@Suite struct CompletionTests {
    let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        for (shell, suffix) in [("bash", "bash"), ("zsh", "zsh"), ("fish", "fish")] {
            for (program, name) in [(sampleProgram, "tanba"), (samplePlainProgram, "tanba-worker")] {
                guard case .print(let script) = program.parse(["--completion", shell]) else {
                    Issue.record("no script for \(shell)")
                    continue
                }
                try folder.file("\(name).\(suffix)", script)
            }
        }
        try folder.file("files/a file.pem", "x")
    }

    static let cases: [(line: [String], offered: [String])] = [
        (["tanba", "s"], ["sign"]),
        (["tanba", "--v"], ["--version"]),
        (["tanba", "--completion", ""], ["bash", "fish", "zsh"]),
        (["tanba", "sign", "--p"], ["--profile"]),
        (["tanba", "sign", "x", "--j"], ["--json"]),
        (["tanba", "sign", "--log", ""], ["embedded", "kafka"]),
        (["tanba", "sign", "--profile", ""], []),
        (["tanba", "sign", "--out", "a"], ["a file.pem"]),
        (["tanba", "sign", "-o", "a"], ["a file.pem"]),
        (["tanba", "sign", "a"], ["a file.pem"]),
        (["tanba", "results", "--w"], ["--wait"]),
        (["tanba", "results", "a"], []),
        (["tanba", "t"], ["tokens"]),
        (["tanba", "tokens", "l"], ["list"]),
        (["tanba", "tokens", "--v"], ["--version"]),
        (["tanba", "tokens", "key", "--k"], ["--kind"]),
        (["tanba", "tokens", "key", "--kind", ""], ["ec", "rsa"]),
        (["tanba", "tokens", "key", "-o", "a"], ["a file.pem"]),
        (["tanba", "tokens", "key", "a"], []),
        (["tanba", "tokens", "list", "--j"], ["--json"]),
        (["tanba", "tokens", "list", "a"], ["a file.pem"]),
        (["tanba-worker", "--config", "a"], ["a file.pem"]),
        (["tanba-worker", "--co"], ["--completion", "--config"]),
        (["tanba-worker", "a"], []),
    ]

    @Test(arguments: cases) func bashOffers(line: [String], offered: [String]) throws {
        let words = line.map { "'\($0)'" }.joined(separator: " ")
        let function = line[0] == "tanba" ? "_tanba" : "_tanba_worker"
        let script = """
            cd '\(folder("files"))'; source '\(folder(line[0])).bash' || exit 1
            COMP_WORDS=(\(words)); COMP_CWORD=\(line.count - 1); \(function)
            printf '%s\\n' "${COMPREPLY[@]}"
            """
        let result = try runProgram("/bin/bash", ["-uc", script])
        #expect(result.status == 0, "\(result.output)")
        #expect(result.output.split(separator: "\n").map(String.init).sorted() == offered)
    }

    /// bash splits a word at the equals sign.
    @Test func bashOffersValuesBehindAnEqualsSign() throws {
        for (words, expected) in [("tanba sign --log =", "embedded\nkafka\n"), ("tanba sign --log = k", "kafka\n")] {
            let count = words.split(separator: " ").count
            let script = """
                source '\(folder("tanba.bash"))'; COMP_WORDS=(\(words)); COMP_CWORD=\(count - 1); _tanba
                printf '%s\\n' "${COMPREPLY[@]}" | sort
                """
            #expect(try runProgram("/bin/bash", ["-c", script]).output == expected)
        }
    }

    static let fish = "/usr/bin/fish"

    @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: fish), "SKIPPED: fish is not installed"), arguments: cases)
    func fishOffers(line: [String], offered: [String]) throws {
        let script = """
            cd '\(folder("files"))'; source '\(folder(line[0])).fish'; or exit 1
            complete -C '\(line.joined(separator: " "))'
            """
        let result = try runProgram(Self.fish, ["--no-config", "-c", script])
        #expect(result.status == 0, "\(result.output)")
        let answers = result.output.split(separator: "\n").map { line in
            String(line.prefix { $0 != "\t" }).replacing("\\ ", with: " ")
        }
        #expect(answers.sorted() == offered)
    }

    static let zsh = "/usr/bin/zsh"

    /// zsh completes only at a terminal: a pseudo-terminal is given the words and a tab, and what it shows is searched.
    @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: zsh), "SKIPPED: zsh is not installed"), arguments: cases)
    func zshOffers(line: [String], offered: [String]) throws {
        let typed = line.joined(separator: " ")
        let script = """
            zmodload zsh/zpty || exit 1
            zpty shell zsh -f -i
            feed() { zpty -w shell "$1"; }
            feed "PS1='<''>'; autoload -Uz compinit; compinit -u -D; cd '\(folder("files"))'; source '\(folder(line[0])).zsh'"
            feed 'show() { print -r -- "LINE[$BUFFER]"END; }; zle -N show; bindkey "^T" show; print -r READY-""NOW'
            zpty -r shell text '*READY-NOW*<>*' || exit 2
            zpty -n -w shell '\(typed)'$'\\t\\C-t'
            zpty -r shell text '*]END*' || exit 3
            print -r -- $text
            zpty -d shell
            """
        let result = try runProgram(Self.zsh, ["-f", "-c", script])
        #expect(result.status == 0, "\(result.output)")
        let shown = result.output.replacing("\\ ", with: " ")
        for word in offered { #expect(shown.contains(word), "\(typed): \(word) is not in \(shown.debugDescription)") }
        if offered.isEmpty { #expect(!shown.contains("file.pem"), "\(typed): \(shown.debugDescription)") }
    }
}
