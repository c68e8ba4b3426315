extension Rule {
    /// Outside the wrappers nothing is marked unsafe and no pointer is named; above the platform also no promise of thread safety
    /// that the compiler cannot check, and no semaphore, which would block the cooperative pool.
    static let nothingUnsafeAboveTheWrappers = Rule("nothing-unsafe-above-the-wrappers") { tree in
        Manifest(tree).targets.filter(\.isStrict).flatMap { target in
            let paths = tree.paths(under: [target.folder], endings: ["swift"])
            let unsafe = places(of: /\b(unsafe|Unsafe\w*Pointer|OpaquePointer|withUnsafe\w*|unsafeBitCast)\b/, in: paths, of: tree)
            let unchecked = places(of: /@unchecked\s+Sendable\b|\bDispatchSemaphore\b/, in: paths, of: tree)
            return (unsafe + (target.isAbovePlatform ? unchecked : [])).map { ($0.path, $0.line, "\($0.what) is a wrapper's business") }
        }
    }

    /// No C type in what a wrapper offers: its C module is imported for itself alone, and no declaration that is public names a
    /// pointer. (The compiler refuses the module's types in public declarations as long as the import is not public.)
    static let wrappersShowNoC = Rule("wrappers-show-no-c") { tree in
        let targets = Manifest(tree).targets
        let cModules = Set(targets.filter(\.isC).map(\.name))
        let publicImport = /^\s*(?:@_exported\s+|public\s+|package\s+)+import\s+(?:(?:struct|class|enum|func|var|let|typealias)\s+)?(\w+)/
        return targets.filter { $0.kind == .wrapper }.flatMap { target in
            tree.paths(under: [target.folder], endings: ["swift"]).flatMap { path in
                let lines = SwiftCode(tree.files[path] ?? "").lines
                let imports = lines.enumerated().compactMap { index, line -> (String, Int, String)? in
                    guard let module = line.firstMatch(of: publicImport)?.1, cModules.contains(String(module)) else { return nil }
                    return (path, index + 1, "imports \(module) for everyone")
                }
                return imports
                    + publicDeclarations(lines).compactMap { line, text in
                        text.firstMatch(of: /\b(?:Unsafe\w*Pointer|OpaquePointer|CVaListPointer)\b/)
                            .map { (path, line, "\($0.output) in a public declaration") }
                    }
            }
        }
    }

    /// Only a target that is still to be written may consist of one file without code.
    static let filesAreNotEmpty = Rule("files-are-not-empty") { tree in
        let paths = tree.paths(under: ["Sources", "Tests", "Fuzz", "Benchmarks"], endings: ["swift"])
        let inFolder = Dictionary(grouping: paths) { $0.split(separator: "/").dropLast().joined(separator: "/") }
        return inFolder.values.filter { $0.count > 1 }.flatMap { $0 }.sorted()
            .filter { SwiftCode(tree.files[$0] ?? "").isEmpty }
            .map { ($0, 0, "holds no code") }
    }

    static let longestFile = 400

    /// A file has one subject: what is longer than this usually has two. Those listed here have one all the same.
    static let filesAreShort = Rule("files-are-short") { tree in
        let allowed: [String: Int] = [:]
        let endings = ["swift", "c", "h", "sh", "py"]
        return tree.paths(under: ["Sources", "Tests", "Deploy", "Fuzz", "Benchmarks"], endings: endings).compactMap { path in
            let count = tree.lines(of: path).count - 1
            let most = allowed[path] ?? longestFile
            return count > most ? (path, 0, "has \(count) lines, more than \(most)") : nil
        }
    }

    /// Declarations that begin with `public`, `open` or `package`, each with its first line's number and its text up to the body.
    private static func publicDeclarations(_ lines: [String]) -> [(line: Int, text: String)] {
        lines.indices.filter { lines[$0].contains(/^\s*(?:@\w+(?:\([^)]*\))?\s+)*(?:public|open|package)\s/) }.map { start in
            var text = ""
            var depth = 0
            for line in lines[start...].prefix(12) {
                for character in line {
                    if character == "{" && depth == 0 { return (start + 1, text) }
                    if "([".contains(character) { depth += 1 }
                    if ")]".contains(character) { depth -= 1 }
                    text.append(character)
                }
                if depth <= 0 { break }
                text.append(" ")
            }
            return (start + 1, text)
        }
    }
}
