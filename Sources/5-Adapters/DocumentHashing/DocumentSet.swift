import OperatingSystem

/// The files that some paths name, each with the relative path by which results know it.
///
/// A folder gives all regular files in it, by their path from it; a file gives itself, by its name. No symbolic link is
/// followed, and Tanba's own output is left out.
public struct DocumentSet: Sendable {
    public struct Document: Sendable, Hashable {
        public let path: String
        /// With `/` between its parts; unique in the set.
        public let relativePath: String
        public let sizeBytes: Int
    }

    /// A file that is not taken, and why.
    public struct Problem: Sendable {
        public let path: String
        public let reason: String
        public let remedy: String

        public init(path: String, reason: String, remedy: String) {
            self.path = path
            self.reason = reason
            self.remedy = remedy
        }
    }

    public private(set) var documents: [Document] = []
    public private(set) var problems: [Problem] = []
    /// Files left out because they are signatures under `output`, or the state of any run, which is in folders called `.tanba`.
    public private(set) var skippedOutputs = 0

    /// Lists the files; reads none.
    ///
    /// - Parameters:
    ///   - paths: files and folders.
    ///   - output: a folder whose `.tanba` and `.p7s` files are Tanba's own.
    public init(paths: [String], output: String?) {
        let output = output.map { Files.canonical($0) }
        var places: [String: [Document]] = [:]
        for path in paths {
            for found in found(at: path) {
                if Self.isState(found.relativePath) || output.map({ Self.isOutput(Files.canonical(found.path), of: $0) }) ?? false {
                    skippedOutputs += 1
                    continue
                }
                places[found.relativePath, default: []].append(found)
            }
        }
        for (relativePath, found) in places {
            if found.count == 1 {
                documents.append(found[0])
                continue
            }
            // The same file named twice is one document; two files that would write one signature are none.
            if Set(found.map { Files.canonical($0.path) }).count == 1 {
                documents.append(found[0])
                continue
            }
            for document in found {
                problems.append(
                    Problem(
                        path: document.path, reason: "\(found.count) files would be signed as \(relativePath)",
                        remedy: "name their common folder instead, or sign them into different folders"))
            }
        }
        documents.sort { $0.relativePath.utf8.lexicographicallyPrecedes($1.relativePath.utf8) }
        problems.sort { $0.path < $1.path }
    }

    private mutating func found(at path: String) -> [Document] {
        do {
            return try Files.walk(path).compactMap { file in
                if let error = file.problem {
                    problems.append(Problem(path: file.path, reason: "\(error)", remedy: "make it readable for this user"))
                    return nil
                }
                return Document(path: file.path, relativePath: file.relativePath, sizeBytes: file.size)
            }
        } catch {
            problems.append(Problem(path: path, reason: "\(error)", remedy: "name a file or folder that exists and is readable"))
            return []
        }
    }

    private static func isOutput(_ path: String, of output: String) -> Bool {
        guard path.hasPrefix(output + "/") else { return false }
        // The last: what a run that was killed left of a signature that it was writing
        return path.hasPrefix(output + "/.tanba/") || path.hasSuffix(".p7s") || path.contains("/.tanba-") && path.hasSuffix(".tmp")
    }

    /// The state of a run is no document, whichever run it was.
    private static func isState(_ relativePath: String) -> Bool {
        relativePath.hasPrefix(".tanba/") || relativePath.contains("/.tanba/")
    }
}
