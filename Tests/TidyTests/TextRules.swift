import Foundation

extension Rule {
    static let pathsHaveNoSpaces = Rule("paths-have-no-spaces") { tree in
        Set(tree.folders).union(tree.files.keys).filter { path in
            path.split(separator: "/").last?.contains(where: \.isWhitespace) ?? false
        }.sorted().map { ($0, 0, "a space in a name breaks scripts") }
    }

    /// What is written here is for readers anywhere: no path of the machine it was written on. `.ci` may name what lies beside it.
    static let noWorkplaceIsNamed = Rule("no-workplace-is-named") { tree in
        // written apart, so that this file does not break its own rule
        let folders = ["main", "wt", "shared", "steering", ".library"].map { "/" + "work/" + $0 }
        let forbidden = folders + ["/" + "farm/", "bash" + "_jobs", "../" + "shared"]
        return tree.files.keys.filter { !$0.hasPrefix(".ci/") }.sorted().flatMap { path in
            tree.lines(of: path).enumerated().compactMap { index, line in
                forbidden.first { line.contains($0) }.map { (path, index + 1, "names \($0)") }
            }
        }
    }

    /// Links of Markdown files lead to a file or folder of the tree and, where they name one, to a heading in it.
    static let linksLeadSomewhere = Rule("links-lead-somewhere") { tree in
        let folders = tree.folders
        return tree.files.keys.filter { $0.hasSuffix(".md") }.sorted().flatMap { path in
            links(in: tree.lines(of: path)).compactMap { line, link in
                if link.contains(/^[a-z]+:/) { return nil }
                let parts = link.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
                let folder = path.split(separator: "/").dropLast().map(String.init)
                let goal = parts[0].isEmpty ? path : resolve(parts[0], from: folder)
                guard let goal, tree.files[goal] != nil || folders.contains(goal) || goal.isEmpty else {
                    return (path, line, "\(link) leads nowhere")
                }
                guard parts.count == 2, goal.hasSuffix(".md") else { return nil }
                return headings(in: tree.lines(of: goal)).contains(parts[1]) ? nil : (path, line, "\(link): \(goal) has no such heading")
            }
        }
    }

    private static func links(in lines: [Substring]) -> [(line: Int, link: String)] {
        var isCode = false
        return lines.enumerated().flatMap { index, line -> [(Int, String)] in
            if line.hasPrefix("```") { isCode.toggle() }
            guard !isCode else { return [] }
            return line.matches(of: /\]\(([^)\s]+)[^)]*\)/).map { (index + 1, $0.1.removingPercentEncoding ?? String($0.1)) }
        }
    }

    /// The path from the root; nil when the link leaves the tree.
    private static func resolve(_ link: String, from folder: [String]) -> String? {
        var parts = link.hasPrefix("/") ? [] : folder
        for part in link.split(separator: "/") {
            switch part {
            case ".": break
            case "..":
                if parts.isEmpty { return nil }
                parts.removeLast()
            default: parts.append(String(part))
            }
        }
        return parts.joined(separator: "/")
    }

    /// Headings as links name them: lower case, hyphens for spaces, no punctuation.
    private static func headings(in lines: [Substring]) -> Set<String> {
        var isCode = false
        var found: Set<String> = []
        for line in lines {
            if line.hasPrefix("```") { isCode.toggle() }
            guard !isCode, let title = line.firstMatch(of: /^#{1,6} +(.*)/)?.1 else { continue }
            let kept = title.lowercased().filter { $0.isLetter || $0.isNumber || " -_".contains($0) }
            found.insert(kept.trimmingCharacters(in: .whitespaces).replacingOccurrences(of: " ", with: "-"))
        }
        return found
    }
}
