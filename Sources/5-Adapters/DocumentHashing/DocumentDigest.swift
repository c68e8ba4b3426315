public import LibCrypto
import OperatingSystem

/// A document with the hash of its bytes.
public struct HashedDocument: Sendable {
    public let document: DocumentSet.Document
    /// As many bytes as were hashed.
    public let sizeBytes: Int
    public let digest: [UInt8]
}

extension DocumentSet {
    /// Hashes files in parallel, as many at once as there are cores.
    ///
    /// - Returns: in the order of `documents`; a problem for a file that cannot be read or that changed while it was read.
    public static func hash(_ documents: [Document], with function: DigestFunction) async -> [Result<HashedDocument, Problem>] {
        await CPUWork.map(documents) { document in
            hash(document, with: function)
        }
    }

    /// Hashes one file.
    public static func hash(_ document: Document, with function: DigestFunction) -> Result<HashedDocument, Problem> {
        var hasher = function.makeHasher()
        do {
            let status = try Files.forEachChunk(of: document.path) { hasher.update($0) }
            return .success(HashedDocument(document: document, sizeBytes: status.size, digest: hasher.finish()))
        } catch {
            return .failure(Problem(path: document.path, reason: "\(error)", remedy: "sign it again when it is readable and at rest"))
        }
    }
}

extension DocumentSet.Problem: Error {}
