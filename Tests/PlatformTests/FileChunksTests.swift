import Foundation
import OperatingSystem
import Testing

@Suite struct FileChunksTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func chunks(_ path: String, whileReading: () throws -> Void = {}) throws -> (content: [UInt8], sizes: [Int], status: FileStatus) {
        var content: [UInt8] = []
        var sizes: [Int] = []
        let status = try Files.forEachChunk(of: path) { chunk in
            sizes.append(chunk.count)
            for index in chunk.indices { content.append(chunk[index]) }
            if sizes.count == 1 { try! whileReading() }
        }
        return (content, sizes, status)
    }

    @Test(arguments: [0, 1, 262_143, 262_144, 262_145, 1_000_000]) func everyByteComesOnceInOrder(size: Int) throws {
        let content = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7 ^ $0 >> 8) }
        let read = try chunks(try folder.file("a", content))
        #expect(read.content == content)
        #expect(read.sizes.allSatisfy { $0 <= 262_144 })
        #expect(read.status.size == size)
    }

    /// Each way in which somebody can change a file under the reader; the change is made between the first chunk and the end.
    @Test(arguments: ["grow", "shrink", "overwrite", "overwrite and set the time back", "replace", "remove"])
    func aFileThatChangesWhileItIsReadIsAnError(change: String) throws {
        let path = try folder.file("a", [UInt8](repeating: 1, count: 600_000))
        let time = Date(timeIntervalSince1970: 1_000_000)
        try FileManager.default.setAttributes([.modificationDate: time], ofItemAtPath: path)
        let error = #expect(throws: FileProblem.self) {
            _ = try chunks(path) {
                let handle = try #require(FileHandle(forUpdatingAtPath: path))
                switch change {
                case "grow":
                    try handle.seekToEnd()
                    try handle.write(contentsOf: Data([2]))
                case "shrink": try handle.truncate(atOffset: 100)
                case "replace": try Files.writeAtomically([UInt8](repeating: 1, count: 600_000), to: path)
                case "remove": try Files.remove(path)
                default: try handle.write(contentsOf: Data([2]))
                }
                try handle.close()
                if change.contains("time") { try FileManager.default.setAttributes([.modificationDate: time], ofItemAtPath: path) }
            }
        }
        #expect(error?.kind == .changedWhileRead)
        #expect(error?.description == "\(path) changed while it was read")
        #expect(error?.remedy.isEmpty == false)
    }

    /// A write, the reader's first look and a second write of the same size within one tick of the kernel's clock leave equal time stamps.
    @Test func aFileChangedJustNowIsGivenATickToShowFurtherChanges() throws {
        for round in 0..<20 {
            let path = try folder.file("a\(round)", [UInt8](repeating: 1, count: 300_000))
            #expect(throws: FileProblem.self, "round \(round)") {
                _ = try chunks(path) {
                    let handle = try #require(FileHandle(forUpdatingAtPath: path))
                    try handle.write(contentsOf: Data([2]))
                    try handle.close()
                }
            }
        }
    }

    @Test func whatIsNoRegularFileIsNotRead() throws {
        try folder.file("a", "x")
        try FileManager.default.createSymbolicLink(atPath: folder("link"), withDestinationPath: folder("a"))
        let link = #expect(throws: SystemError.self) { try chunks(folder("link")) }
        #expect(link?.description.contains("ELOOP") == true)
        #expect(link?.remedy.contains("symbolic link") == true)
        #expect(mkfifo(folder("pipe"), 0o600) == 0)
        for path in [folder("pipe"), folder.path, "/dev/zero"] {
            let error = #expect(throws: FileProblem.self) { try chunks(path) }
            #expect(error?.kind == .notRegular)
        }
        #expect(throws: SystemError.self) { try chunks(folder("missing")) }
    }

    @Test func manyReadersHaveABufferEach() async throws {
        let contents = (0..<16).map { seed in (0..<500_000).map { UInt8(truncatingIfNeeded: $0 &* (2 * seed + 1) >> 4) } }
        let paths = try contents.enumerated().map { try folder.file("f\($0.offset)", $0.element) }
        try await withThrowingTaskGroup(of: (Int, [UInt8]).self) { group in
            for (index, path) in paths.enumerated() {
                group.addTask {
                    try await SerialLane(label: "reader \(index)").run {
                        var content: [UInt8] = []
                        try Files.forEachChunk(of: path) { chunk in
                            for index in chunk.indices { content.append(chunk[index]) }
                        }
                        return (index, content)
                    }
                }
            }
            for try await (index, content) in group { #expect(content == contents[index]) }
        }
    }
}
