import DocumentHashing
import Foundation
import LibCrypto
import OperatingSystem
import Testing

/// Which files are documents, under which name, and what becomes of their signatures.
@Suite struct DocumentSetTests {
    let folder = FileManager.default.temporaryDirectory.appending(path: "documents-\(UInt64.random(in: .min ... .max))").path

    private func put(_ path: String, _ text: String = "x") throws {
        let file = URL(fileURLWithPath: folder + "/" + path)
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: file)
    }

    @Test func foldersKeepRelativePathsAndFilesTheirNames() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try put("a/one.txt")
        try put("a/deep/two.txt")
        try put("b/three.txt")
        let set = DocumentSet(paths: [folder + "/a", folder + "/b/three.txt"], output: nil)
        #expect(set.documents.map(\.relativePath) == ["deep/two.txt", "one.txt", "three.txt"])
        #expect(set.problems.isEmpty)
    }

    @Test func collisionsAreRefusedAndDoublesAreOne() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try put("a/same.txt")
        try put("b/same.txt")
        try put("b/other.txt")
        let set = DocumentSet(paths: [folder + "/a", folder + "/b", folder + "/b/other.txt"], output: nil)
        #expect(set.documents.map(\.relativePath) == ["other.txt"])
        #expect(set.problems.count == 2 && set.problems.allSatisfy { $0.reason.contains("same.txt") })
    }

    @Test func ownOutputsAndSymbolicLinksAreLeftOut() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try put("doc.txt")
        try put("doc.txt.p7s")
        try put(".tanba/log.sqlite")
        try FileManager.default.createSymbolicLink(atPath: folder + "/link.txt", withDestinationPath: folder + "/doc.txt")
        let set = DocumentSet(paths: [folder], output: folder)
        #expect(set.documents.map(\.relativePath) == ["doc.txt"])
        #expect(set.skippedOutputs == 2)
        let elsewhere = DocumentSet(paths: [folder], output: folder + "/elsewhere").documents.map(\.relativePath)
        #expect(elsewhere == ["doc.txt", "doc.txt.p7s"], "a signature is a document like any other, the state of a run is none")
    }

    @Test func whatIsMissingIsAProblemWithAName() throws {
        let set = DocumentSet(paths: [folder + "/nothing"], output: nil)
        #expect(set.documents.isEmpty && set.problems.first?.path == folder + "/nothing")
    }

    @Test func hashesAreThoseOfTheBytes() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let large = String(repeating: "0123456789abcdef", count: 60_000)
        try put("empty", "")
        try put("large", large)
        let set = DocumentSet(paths: [folder], output: nil)
        let hashed = try await DocumentSet.hash(set.documents, with: .sha256).map { try $0.get() }
        #expect(hashed.map(\.sizeBytes) == [0, 960_000])
        #expect(hashed[0].digest == DigestFunction.sha256.digest([]))
        #expect(hashed[1].digest == DigestFunction.sha256.digest(Array(large.utf8)))
        try FileManager.default.removeItem(atPath: folder + "/large")
        let second = await DocumentSet.hash(set.documents, with: .sha256)
        #expect(throws: DocumentSet.Problem.self) { try second[1].get() }
    }

    @Test func signaturesStandBelowTheirFolderOnly() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try Files.createDirectory(folder)
        let signatures = SignatureFolder(path: folder)
        #expect(try signatures.write([1, 2], for: "a/b.txt"))
        #expect(try !signatures.write([1, 2], for: "a/b.txt"), "the same bytes are left alone")
        #expect(try signatures.write([3], for: "a/b.txt"))
        #expect(try Files.read(folder + "/a/b.txt.p7s", atMost: 10) == [3])
        for bad in ["", "/etc/passwd", "../x", "a/../../x", "a//b", ".", ".tanba/log.sqlite", "a\0b"] {
            #expect(throws: SignatureFolderError.self, "\(bad)") { try signatures.write([1], for: bad) }
        }
    }
}
