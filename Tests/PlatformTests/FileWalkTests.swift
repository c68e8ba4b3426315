import Foundation
import OperatingSystem
import Testing

@Suite struct FileWalkTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test func regularFilesComeSortedByTheBytesOfTheirPaths() throws {
        for name in ["b", "a/z", "a.txt", "a/b/c", "Z", "ә", "a b", ".hidden/x"] { try folder.file(name, name) }
        try FileManager.default.createDirectory(atPath: folder("empty"), withIntermediateDirectories: true)
        let found = try Files.walk(folder.path)
        #expect(found.map(\.relativePath) == [".hidden/x", "Z", "a b", "a.txt", "a/b/c", "a/z", "b", "ә"])
        #expect(found.map(\.path) == found.map { folder($0.relativePath) })
        #expect(found.map(\.size) == found.map(\.relativePath.utf8.count))
        #expect(found.allSatisfy { $0.problem == nil })
        #expect(try Files.walk(folder.path + "/").map(\.path) == found.map(\.path))
    }

    @Test func aRootThatIsAFileGivesItself() throws {
        let path = try folder.file("a/b.pdf", "12345")
        let found = try Files.walk(path)
        #expect(found.map(\.path) == [path])
        #expect(found.map(\.relativePath) == ["b.pdf"])
        #expect(found.map(\.size) == [5])
    }

    @Test func linksAndDevicesArePassedOver() throws {
        try folder.file("outside/secret", "x")
        try folder.file("in/a", "x")
        let link = FileManager.default.createSymbolicLink(atPath:withDestinationPath:)
        try link(folder("in/to-file"), folder("in/a"))
        try link(folder("in/to-folder"), folder("outside"))
        try link(folder("in/to-itself"), folder("in"))
        try link(folder("in/to-nothing"), folder("nothing"))
        #expect(mkfifo(folder("in/pipe"), 0o600) == 0)
        var skipped: [String] = []
        let found = try Files.walk(folder("in")) { skipped.append($0) }
        #expect(found.map(\.relativePath) == ["a"])
        #expect(skipped.sorted() == ["pipe", "to-file", "to-folder", "to-itself", "to-nothing"].map { folder("in/" + $0) })
        #expect(throws: FileProblem(path: folder("in/to-folder"), kind: .symbolicLink)) { try Files.walk(folder("in/to-folder")) }
    }

    @Test func aRootThatCannotBeReadIsAnError() throws {
        let missing = #expect(throws: SystemError.self) { try Files.walk(folder("none")) }
        #expect(missing?.path == folder("none"))
        #expect(throws: FileProblem(path: "/dev/null", kind: .notRegular)) { try Files.walk("/dev/null") }
    }

    @Test func aNameThatIsNotUTF8IsAProblemInItsPlace() throws {
        try folder.file("a", "x")
        try folder.file("c", "x")
        let bytes = Array(folder.path.utf8) + [UInt8(ascii: "/"), UInt8(ascii: "b"), 0xFF, 0]
        let descriptor = bytes.withUnsafeBytes { creat($0.baseAddress!.assumingMemoryBound(to: CChar.self), 0o600) }
        try #require(descriptor >= 0)
        close(descriptor)
        let found = try Files.walk(folder.path)
        #expect(found.map(\.relativePath) == ["a", "b\u{FFFD}", "c"])
        #expect((found[1].problem as? FileProblem)?.kind == .nameNotUTF8)
    }

    @Test func aDirectoryTooDeepIsAProblemAndTheRestIsFound() throws {
        let deep = String(repeating: "d/", count: 258)
        try folder.file(deep + "lost", "x")
        try folder.file("z", "x")
        let found = try Files.walk(folder.path)
        #expect(found.count == 2)
        #expect(found.last?.relativePath == "z")
        let problem = try #require(found[0].problem as? FileProblem)
        #expect(problem.kind == .nestedTooDeep(limit: 256))
    }

    @Test(.enabled(if: getuid() != 0, "SKIPPED: root may read every directory"))
    func anUnreadableDirectoryIsAProblemInItsPlace() throws {
        try folder.file("a", "x")
        try folder.file("locked/x", "x")
        #expect(chmod(folder("locked"), 0) == 0)
        defer { chmod(folder("locked"), 0o700) }
        let found = try Files.walk(folder.path)
        #expect(found.map(\.relativePath) == ["a", "locked"])
        #expect((found[1].problem as? SystemError)?.errno == EACCES)
    }
}
