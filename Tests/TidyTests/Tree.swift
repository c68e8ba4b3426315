import Foundation

/// The text files of a source tree by their path from its root: the real one, or one that a test plants.
struct Tree: Sendable {
    var files: [String: String]

    /// Every folder, also those that hold only folders.
    var folders: Set<String> {
        var found: Set<String> = []
        for path in files.keys {
            var parts = path.split(separator: "/").dropLast()
            while !parts.isEmpty, found.insert(parts.joined(separator: "/")).inserted { parts.removeLast() }
        }
        return found
    }

    /// Paths under one of the folders, with one of the endings, in order.
    func paths(under roots: [String], endings: [String]) -> [String] {
        files.keys.filter { path in
            roots.contains { path.hasPrefix($0 + "/") } && endings.contains { path.hasSuffix("." + $0) }
        }.sorted()
    }

    func lines(of path: String) -> [Substring] {
        (files[path] ?? "").split(separator: "\n", omittingEmptySubsequences: false)
    }

    /// This package, as it lies on disk: without build products and what git keeps for itself.
    static let real: Tree = {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        var files: [String: String] = [:]
        let walk = FileManager.default.enumerator(atPath: root.path)
        while let path = walk?.nextObject() as? String {
            let name = path.split(separator: "/").last ?? ""
            if [".build", ".git", ".swiftpm", "__pycache__"].contains(name) { walk?.skipDescendants() }
            guard walk?.fileAttributes?[.type] as? FileAttributeType == .typeRegular, !path.hasPrefix(".git") else { continue }
            guard let data = FileManager.default.contents(atPath: root.appending(path: path).path), data.count < 1 << 20 else { continue }
            if let text = String(data: data, encoding: .utf8), !text.contains("\0") { files[path] = text }
        }
        return Tree(files: files)
    }()
}

/// One place where a rule is not kept. `line` counts from 1; 0 where the whole file is meant.
struct Violation: Hashable, Sendable, CustomStringConvertible {
    var rule: String
    var path: String
    var line = 0
    var what: String

    var description: String { "\(path)\(line > 0 ? ":\(line)" : ""): \(what) [\(rule)]" }
}
