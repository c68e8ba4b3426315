import Testing

/// A small house that keeps every rule, and for each rule changes that break it and nothing else.
struct Plant: Sendable, CustomTestStringConvertible {
    let rule: String
    let path: String
    let line: Int
    let change: @Sendable (inout Tree) -> Void

    /// `line` is where the violation is to be found; 0 for a whole file.
    init(_ rule: String, at path: String, _ line: Int = 0, _ change: @escaping @Sendable (inout Tree) -> Void) {
        self.rule = rule
        self.path = path
        self.line = line
        self.change = change
    }

    var testDescription: String { "\(rule) at \(path):\(line)" }

    static let house = Tree(files: [
        "Package.swift": """
        let package = Package(
            targets: [
                .systemModule("CToken", pkgConfig: "token", apt: "token-dev"),
                .shim("CKernel"),
                .wrapper("System", over: "CKernel"),
                .wrapper("PKCS11", over: "CToken", "System"),
                .instrument("Log", uses: "System"),
                .format("DER"),
                .format("CMS", uses: "DER"),
                .flow("SigningPipeline", uses: "CMS", "DER", "Log"),
                .flow("Auditor", uses: "CMS", "DER"),
                .adapter("TokenSigner", uses: "SigningPipeline", "PKCS11"),
                .program("tanba-auditor", uses: "Auditor"),
                .tests("HouseTests", uses: "PKCS11", "CToken"),
            ]
        )

        """,
        "Sources/0-Libraries/CToken/module.modulemap": "module CToken [system] { header \"shim.h\" }\n",
        "Sources/0-Libraries/CKernel/CKernel.c": "int kernel(void) { return 0; }\n",
        "Sources/1-Platform/System/System.swift": "import CKernel\npublic func kernel() -> Int { 0 }\n",
        "Sources/1-Platform/PKCS11/Token.swift": """
        import CToken
        import System

        /// Lent, never given away.
        final class Handle: @unchecked Sendable { var raw: OpaquePointer? }
        public struct Token { var handle: Handle }

        """,
        "Sources/1-Platform/Log/Log.swift": "import System\npublic struct Log: Sendable {}\n",
        "Sources/2-Formats/DER/DER.swift":
            "// An unsafe thing said in a comment, and \"Date()\" too\npublic let text = \"unsafe Date()\"\n",
        "Sources/2-Formats/CMS/CMS.swift": "public import DER\n",
        "Sources/4-Flow/SigningPipeline/Pipeline.swift": "import CMS\nimport struct DER.Reader\n",
        "Sources/4-Flow/Auditor/Auditor.swift": "import CMS\n",
        "Sources/5-Adapters/TokenSigner/TokenSigner.swift": "import PKCS11\npublic import SigningPipeline\n",
        "Sources/6-Programs/tanba-auditor/Main.swift": "import Auditor\n@main struct Main { static func main() {} }\n",
        "Tests/HouseTests/HouseTests.swift": "import Testing\n@testable import PKCS11\n",
        "README.md":
            "# House\n\n## Where to go\n\n[the floors](docs/floors.md#first-floor), [here](#where-to-go), [away](https://example.org/)\n",
        "docs/floors.md": "# Floors\n\n## First floor\n\nBack to [the house](../README.md).\n",
    ])

    static let all: [Plant] = [
        Plant("target-lines-are-readable", at: "Package.swift", 9) { tree in
            tree.replace(".format(\"DER\"),", with: ".format(\"DER\"),\n        .format(named(\"XML\")),", in: "Package.swift")
        },
        Plant("folders-are-declared", at: "Sources/2-Formats/XML") {
            $0.files["Sources/2-Formats/XML/XML.swift"] = "public struct XML {}\n"
        },
        Plant("folders-are-declared", at: "Package.swift", 7) { $0.files["Sources/1-Platform/Log/Log.swift"] = nil },
        Plant("uses-point-downwards", at: "Package.swift", 8) { tree in
            tree.replace(".format(\"DER\")", with: ".format(\"DER\", uses: \"CMS\")", in: "Package.swift")
        },
        Plant("c-modules-stay-in-their-wrapper", at: "Package.swift", 12) { tree in
            tree.replace(
                "uses: \"SigningPipeline\", \"PKCS11\"", with: "uses: \"SigningPipeline\", \"PKCS11\", \"CToken\"", in: "Package.swift")
        },
        Plant("c-modules-stay-in-their-wrapper", at: "Package.swift", 6) { tree in
            tree.replace("over: \"CToken\", \"System\"", with: "over: \"CToken\", \"CKernel\", \"System\"", in: "Package.swift")
        },
        Plant("auditor-reaches-nothing-that-signs", at: "Package.swift", 13) { tree in
            tree.replace("uses: \"Auditor\"", with: "uses: \"Auditor\", \"SigningPipeline\"", in: "Package.swift")
        },
        Plant("imports-are-declared", at: "Sources/5-Adapters/TokenSigner/TokenSigner.swift", 2) { tree in
            // CToken lies behind PKCS11: the compiler would let it through
            tree.files["Sources/5-Adapters/TokenSigner/TokenSigner.swift"] = "import PKCS11\nimport CToken\npublic import SigningPipeline\n"
        },
        Plant("imports-are-declared", at: "Sources/4-Flow/Auditor/Auditor.swift", 1) { tree in
            tree.files["Sources/4-Flow/Auditor/Auditor.swift"] = "@preconcurrency internal import struct Log.Event\n"
        },
        Plant("imports-are-declared", at: "Sources/2-Formats/DER/DER.swift", 1) {
            $0.files["Sources/2-Formats/DER/DER.swift"] = "import NIOCore\n"
        },
        Plant("formats-are-values", at: "Sources/2-Formats/CMS/CMS.swift", 2) {
            $0.add("let now = Date()", to: "Sources/2-Formats/CMS/CMS.swift")
        },
        Plant("formats-are-values", at: "Package.swift", 9) { tree in
            tree.replace("\"CMS\", uses: \"DER\")", with: "\"CMS\", uses: \"DER\", \"Log\")", in: "Package.swift")
        },
        Plant("nothing-unsafe-above-the-wrappers", at: "Sources/2-Formats/DER/DER.swift", 3) { tree in
            tree.add("let first = unsafe bytes[0]", to: "Sources/2-Formats/DER/DER.swift")
        },
        Plant("nothing-unsafe-above-the-wrappers", at: "Sources/1-Platform/Log/Log.swift", 3) { tree in
            tree.add("func write(_ bytes: UnsafeRawPointer) {}", to: "Sources/1-Platform/Log/Log.swift")
        },
        Plant("nothing-unsafe-above-the-wrappers", at: "Sources/4-Flow/Auditor/Auditor.swift", 2) { tree in
            tree.add("final class Shared: @unchecked Sendable {}", to: "Sources/4-Flow/Auditor/Auditor.swift")
        },
        Plant("nothing-unsafe-above-the-wrappers", at: "Sources/5-Adapters/TokenSigner/TokenSigner.swift", 3) { tree in
            tree.add("let permits = DispatchSemaphore(value: 2)", to: "Sources/5-Adapters/TokenSigner/TokenSigner.swift")
        },
        Plant("wrappers-show-no-c", at: "Sources/1-Platform/PKCS11/Token.swift", 1) { tree in
            tree.replace("import CToken", with: "public import CToken", in: "Sources/1-Platform/PKCS11/Token.swift")
        },
        Plant("wrappers-show-no-c", at: "Sources/1-Platform/System/System.swift", 3) { tree in
            tree.add("public func read(\n    into: UnsafeMutableRawPointer\n) {}", to: "Sources/1-Platform/System/System.swift")
        },
        Plant("files-are-not-empty", at: "Sources/4-Flow/Auditor/Empty.swift") { tree in
            tree.files["Sources/4-Flow/Auditor/Empty.swift"] = "// later\n/* import CMS */\n"
        },
        Plant("files-are-short", at: "Sources/4-Flow/Auditor/Auditor.swift") { tree in
            tree.add(String(repeating: "let x = 0\n", count: Rule.longestFile), to: "Sources/4-Flow/Auditor/Auditor.swift")
        },
        Plant("paths-have-no-spaces", at: "docs/old pages") { $0.files["docs/old pages/first.md"] = "# First\n" },
        Plant("no-workplace-is-named", at: "docs/floors.md", 6) { $0.add("It was built in /" + "work/main.", to: "docs/floors.md") },
        Plant("links-lead-somewhere", at: "docs/floors.md", 6) { $0.add("[the cellar](cellar.md)", to: "docs/floors.md") },
        Plant("links-lead-somewhere", at: "docs/floors.md", 6) { $0.add("[the roof](../README.md#roof)", to: "docs/floors.md") },
        Plant("links-lead-somewhere", at: "docs/floors.md", 6) { $0.add("[outside](../../secrets.md)", to: "docs/floors.md") },
    ]
}

extension Tree {
    /// Does nothing when `old` is not there: the test of the plant fails then, since nothing is broken.
    fileprivate mutating func replace(_ old: String, with new: String, in path: String) {
        files[path] = files[path]?.replacing(old, with: new)
    }

    fileprivate mutating func add(_ line: String, to path: String) {
        files[path, default: ""] += line + "\n"
    }
}
