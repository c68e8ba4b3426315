extension Rule {
    static let targetLinesAreReadable = Rule("target-lines-are-readable") { tree in
        let manifest = Manifest(tree)
        return manifest.unread.map { ("Package.swift", $0, "a target is declared in a form that the rules cannot read") }
            + (manifest.targets.isEmpty ? [("Package.swift", 0, "no target was found")] : [])
    }

    /// Every folder of a floor is a target, and every target has sources.
    static let foldersAreDeclared = Rule("folders-are-declared") { tree in
        let targets = Manifest(tree).targets
        let declared = Set(targets.map(\.folder))
        let folders = tree.folders
        let strangers = folders.filter { folder in
            let parts = folder.split(separator: "/")
            return parts.count == 3 && parts[0] == "Sources" && !declared.contains(folder)
        }
        let empty = targets.filter { tree.paths(under: [$0.folder], endings: ["swift", "c", "modulemap"]).isEmpty }
        return strangers.sorted().map { ($0, 0, "is not a target of Package.swift") }
            + empty.map { ("Package.swift", $0.line, "\($0.name) has no sources in \($0.folder)") }
    }

    /// A target uses only targets of the lines above its own.
    static let usesPointDownwards = Rule("uses-point-downwards") { tree in
        var above: Set<String> = []
        return Manifest(tree).targets.flatMap { target in
            defer { above.insert(target.name) }
            let upwards = target.uses.filter { !above.contains($0) }
            return upwards.map { ("Package.swift", target.line, "\(target.name) uses \($0), which is not above it") }
        }
    }

    /// A C module is used by one wrapper, and by nobody else but tests.
    static let cModulesStayInTheirWrapper = Rule("c-modules-stay-in-their-wrapper") { tree in
        let targets = Manifest(tree).targets
        let cModules = Set(targets.filter(\.isC).map(\.name))
        var owners: [String: String] = [:]
        return targets.filter { !$0.isTest }.flatMap { target in
            target.uses.filter(cModules.contains).compactMap { module -> Place? in
                let owner = target.kind == .wrapper ? owners[module] : "a wrapper"
                owners[module] = owners[module] ?? target.name
                return owner.map { ("Package.swift", target.line, "\(target.name) uses \(module), which is \($0)'s") }
            }
        }
    }

    /// The auditor shares no signing code: whatever path one follows from its wing, one never comes to what signs, nor back.
    static let auditorReachesNothingThatSigns = Rule("auditor-reaches-nothing-that-signs") { tree in
        let manifest = Manifest(tree)
        let wing: Set = ["Auditor", "KafkaResultStream", "EmbeddedResultStream", "tanba-auditor"]
        let signing: Set = [
            "SigningPipeline", "SignatureTemplate", "PKCS11", "TokenSigner", "FileKeySigner", "TokenCeremony", "TimeStampClient",
            "KafkaJobLog",
            "EmbeddedJobLog", "Configuration",
        ]
        return manifest.targets.filter { wing.contains($0.name) || $0.name == "SigningPipeline" }.flatMap { target in
            let forbidden = wing.contains(target.name) ? signing : wing
            let reached = manifest.reached(from: target.name).intersection(forbidden).sorted()
            return reached.map { ("Package.swift", target.line, "\(target.name) reaches \($0)") }
        }
    }

    /// What a file imports is declared for its target, also where another target would bring it along; from outside the package
    /// comes nothing but the toolchain's own modules.
    static let importsAreDeclared = Rule("imports-are-declared") { tree in
        let toolchain: Set = ["Foundation", "FoundationEssentials", "Dispatch", "Synchronization", "Testing", "Glibc"]
        let targets = Manifest(tree).targets
        let names = Set(targets.map(\.name))
        return targets.flatMap { target in
            imports(of: target, in: tree).compactMap { path, line, module in
                if target.uses.contains(module) || toolchain.contains(module) { return nil }
                return (
                    path, line,
                    "imports \(module), which \(names.contains(module) ? "\(target.name) does not declare" : "is not of this package")"
                )
            }
        }
    }

    /// Formats do no I/O and read no clock and no randomness: time and nonce are arguments.
    static let formatsAreValues = Rule("formats-are-values") { tree in
        let formats = Manifest(tree).targets.filter { $0.kind == .format }
        let outside: Set = ["OperatingSystem", "HTTPClient", "HTTPServer", "SQLite", "Kafka", "PKCS11", "Log", "Metrics"]
        let declared = formats.flatMap { target in
            target.uses.filter(outside.contains).map { ("Package.swift", target.line, "\(target.name) is a format and uses \($0)") }
        }
        let forbidden = /\bDate(\(\)|\.now\b)|\b(Continuous|Suspending)Clock\b|\bSystemRandomNumberGenerator\b|\.random\(|\bFileManager\b/
        let used = places(of: forbidden, in: tree.paths(under: formats.map(\.folder), endings: ["swift"]), of: tree)
        return declared + used.map { ($0.path, $0.line, "\($0.what): a format takes time, nonces and bytes as arguments") }
    }

    private static func imports(of target: Manifest.Target, in tree: Tree) -> [(path: String, line: Int, module: String)] {
        let importLine =
            /^\s*(?:@\w+(?:\([^)]*\))?\s+)*(?:\w+\s+)?import\s+(?:(?:struct|class|enum|protocol|func|var|let|typealias)\s+)?(\w+)/
        return tree.paths(under: [target.folder], endings: ["swift"]).flatMap { path in
            SwiftCode(tree.files[path] ?? "").lines.enumerated().compactMap { index, line in
                line.firstMatch(of: importLine).map { (path, index + 1, String($0.1)) }
            }
        }
    }

    /// Where a pattern stands in the code of Swift files; `what` is the text found.
    static func places<Output>(of pattern: Regex<Output>, in paths: [String], of tree: Tree) -> [Place] {
        paths.flatMap { path in
            SwiftCode(tree.files[path] ?? "").lines.enumerated().flatMap { index, line in
                line.matches(of: pattern).map { (path, index + 1, String(line[$0.range])) }
            }
        }
    }
}
