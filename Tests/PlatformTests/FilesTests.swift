import Foundation
import OperatingSystem
import Testing

@Suite struct FilesTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test(arguments: [0, 1, 65_535, 65_536, 200_000]) func aFileIsReadWhole(size: Int) throws {
        let content = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let path = try folder.file("a", content)
        #expect(try Files.read(path, atMost: size) == content)
        #expect(try Files.read(path, atMost: size + 1) == content)
        if size > 0 {
            let error = #expect(throws: FileProblem.self) { try Files.read(path, atMost: size - 1) }
            #expect(error?.kind == .tooLarge(limit: size - 1))
            #expect(error?.description.contains(path) == true)
        }
    }

    @Test func aFileWithoutAKnownSizeIsReadToItsEnd() throws {
        let status = try Files.read("/proc/self/status", atMost: 100_000)
        #expect(String(decoding: status, as: UTF8.self).contains("VmRSS"))
        #expect(throws: FileProblem.self) { try Files.read("/dev/zero", atMost: 10_000) }
    }

    @Test func errorsNameTheCallTheFileAndTheRemedy() throws {
        let missing = #expect(throws: SystemError.self) { try Files.read(folder("none"), atMost: 10) }
        #expect(missing?.description == "open \(folder("none")): No such file or directory (ENOENT)")
        #expect(missing?.remedy.contains("Check the path") == true)
        let directory = #expect(throws: SystemError.self) { try Files.read(folder.path, atMost: 10) }
        #expect(directory?.description.contains("EISDIR") == true)
        #expect(SystemError(call: "x", errno: 9999).description == "x: unknown error (errno 9999)")
        #expect(SystemError(call: "open", path: "a\u{1B}[31m\n", errno: 2).description.contains("a\u{FFFD}[31m\u{FFFD}"))
    }

    @Test(arguments: [true, false]) func aWriteReplacesTheWholeFile(durably: Bool) throws {
        let path = try folder.file("a", "old and longer")
        try Files.writeAtomically(Array("new".utf8), to: path, durably: durably)
        #expect(try Files.read(path, atMost: 100) == Array("new".utf8))
        try Files.writeAtomically([], to: folder("b"), mode: 0o600, durably: durably)
        #expect(try Files.read(folder("b"), atMost: 100) == [])
        #expect(try FileManager.default.attributesOfItem(atPath: folder("b"))[.posixPermissions] as? Int == 0o600)
        #expect(folder.names == ["a", "b"], "a temporary file was left")
    }

    @Test func aBareNameIsWrittenInTheCurrentDirectory() throws {
        let name = "tanba-bare-\(UUID().uuidString)"
        try Files.writeAtomically([1], to: name)
        defer { try? Files.remove(name) }
        #expect(try Files.read("./" + name, atMost: 1) == [1])
    }

    @Test func aFailedWriteLeavesEverythingAsItWas() throws {
        try folder.file("directory/inside", "x")
        let error = #expect(throws: SystemError.self) { try Files.writeAtomically([1], to: folder("directory")) }
        #expect(error?.call == "rename")
        #expect(error?.path == folder("directory"))
        #expect(folder.names == ["directory"], "a temporary file was left")
        #expect(throws: SystemError.self) { try Files.writeAtomically([1], to: folder("missing/a")) }
    }

    /// /dev/full has room for nothing, but a rename needs a directory: so the error of a full disk is shown on a stream of its own.
    @Test func aFullDiskIsRememberedForTheExitStatus() async {
        await #expect(processExitsWith: .exitCode(3)) {
            #expect(StandardStreams.outFailure == nil)
            let full = open("/dev/full", O_WRONLY)
            dup2(full, 1)
            StandardStreams.writeOut("lost")
            StandardStreams.writeOut("lost too")
            let failure = StandardStreams.outFailure
            let said = failure?.description == "write standard output: No space left on device (ENOSPC)"
            exit(said ? 3 : 1)
        }
    }

    @Test func directoriesAreMadeDownToTheLast() throws {
        try Files.createDirectory(folder("a/b//c/"), mode: 0o700)
        #expect(Files.exists(folder("a/b/c")))
        #expect(try FileManager.default.attributesOfItem(atPath: folder("a/b/c"))[.posixPermissions] as? Int == 0o700)
        try Files.createDirectory(folder("a/b/c"))
        try folder.file("file", "x")
        let error = #expect(throws: SystemError.self) { try Files.createDirectory(folder("file")) }
        #expect(error?.description.contains("ENOTDIR") == true)
        #expect(throws: SystemError.self) { try Files.createDirectory(folder("file/below")) }
    }

    @Test func removingTwiceIsNoError() throws {
        let path = try folder.file("a", "x")
        try Files.remove(path)
        #expect(!Files.exists(path))
        try Files.remove(path)
        #expect(throws: SystemError.self) { try Files.remove(folder.path) }
    }
}
