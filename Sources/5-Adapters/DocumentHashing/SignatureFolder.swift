import OperatingSystem

/// Where signatures of files are written: `FOLDER/relative path.p7s`.
public struct SignatureFolder: Sendable {
    public let path: String

    public init(path: String) { self.path = path }

    /// Writes a signature so that a reader sees the old file, or none, or the whole new one.
    ///
    /// A file that already holds these bytes is left alone. The data reaches the disk with `synchronize`.
    /// - Parameter relativePath: of the document. It comes from results, so it is not believed: absolute ones and those that
    ///   lead out of the folder are refused.
    /// - Returns: whether the file was written.
    @discardableResult
    public func write(_ contentInfo: [UInt8], for relativePath: String) throws -> Bool {
        let file = try place(of: relativePath)
        if (try? Files.read(file, atMost: contentInfo.count + 1)) == contentInfo { return false }
        if let slash = file.lastIndex(of: "/") { try Files.createDirectory(String(file[..<slash])) }
        try Files.writeAtomically(contentInfo, to: file, durably: false)
        return true
    }

    /// Waits until everything written is on the disk.
    public func synchronize() throws { try Files.synchronize(path) }

    private func place(of relativePath: String) throws -> String {
        let parts = relativePath.split(separator: "/", omittingEmptySubsequences: false)
        guard !parts.isEmpty, !relativePath.utf8.contains(0), parts.allSatisfy({ !$0.isEmpty && $0 != "." && $0 != ".." }), parts[0] != ".tanba"
        else {
            throw SignatureFolderError(relativePath: relativePath)
        }
        return path + "/" + relativePath + ".p7s"
    }
}

/// A document name that does not name a file under the folder.
public struct SignatureFolderError: Error, CustomStringConvertible {
    public let relativePath: String

    public var description: String {
        "the document is called \(relativePath), which is no path below the output folder; read its result without --out"
    }
}
