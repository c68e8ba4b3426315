import Foundation
import Testing

/// docs/tokens.md says what the program does.
@Suite struct GuideTests {
    private let page: String

    init() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        page = try String(contentsOf: root.appending(path: "docs/tokens.md"), encoding: .utf8)
    }

    /// The lines that an operator copies.
    private var commandLines: [[String]] {
        page.split(separator: "\n").filter { $0.hasPrefix("tanba tokens ") }.map { line in
            line.prefix { $0 != "#" }.split(separator: " ").map(String.init)
        }
    }

    @Test func itsCommandsAndOptionsAreThere() throws {
        let stand = try Stand()
        let lines = commandLines
        #expect(Set(lines.map { $0[2] }) == ["list", "watch", "test", "init", "key", "csr", "import"])
        for line in lines {
            let help = try stand.tokens([line[2], "--help"])
            #expect(help.status == 0, "\(help)")
            for option in line where option.hasPrefix("--") { #expect(help.output.contains(" \(option) "), "\(line): no \(option)") }
        }
        let key = try stand.tokens(["key", "--help"]).output
        for kind in ["rsa-2048", "rsa-3072", "rsa-4096", "p-256", "p-384", "ed25519"] {
            #expect(key.contains(kind) && page.contains("`\(kind)`"), "\(kind)")
        }
    }

    @Test func everyCommandIsInIt() throws {
        let help = try Stand().tokens(["--help"]).output
        let listed = help.split(separator: "\n").drop { $0 != "Commands:" }.dropFirst().prefix { $0.hasPrefix("  ") }
        #expect(listed.count == 7, "\(help)")
        for line in listed {
            let name = line.split(separator: " ")[0]
            #expect(commandLines.contains { $0[2] == name }, "\(name) is not in docs/tokens.md")
        }
    }
}
