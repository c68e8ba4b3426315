import OperatingSystem
import Testing

@Suite struct LineFileTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func lines(_ path: String) throws -> (lines: [String], torn: String) {
        var lines: [String] = []
        var places: [Int] = []
        let file = try LineFile(path: path, isWritten: false)
        let torn = try file.forEachLine { line, place in
            lines.append(String(decoding: line.indices.map { line[$0] }, as: UTF8.self))
            places.append(place)
        }
        for (line, place) in zip(lines, places) {
            #expect(try file.read(place..<(place + line.utf8.count + 1)) == Array((line + "\n").utf8))
        }
        return (lines, String(decoding: torn, as: UTF8.self))
    }

    @Test func linesAreAppendedAndRead() throws {
        let path = folder("a")
        var written: [String] = []
        for round in 0..<3 {
            let file = try LineFile(path: path, isWritten: true)
            // Longer than what is read at once
            let new = ["\(round)", "", String(repeating: "x", count: 700_000), "end"]
            try file.append(Array(new.map { $0 + "\n" }.joined().utf8))
            try file.synchronize()
            written += new
        }
        #expect(try lines(path).lines == written && lines(path).torn == "")
    }

    @Test func aTornLineIsGivenAndCutOff() throws {
        let path = try folder.file("a", "one\ntw")
        #expect(try lines(path) == (["one"], "tw"))
        let file = try LineFile(path: path, isWritten: true)
        try file.cut(to: file.size - 2)
        try file.append(Array("three\n".utf8))
        #expect(try lines(path) == (["one", "three"], ""))
    }

    @Test func oneWriterAtATimeAndRegularFilesOnly() throws {
        let path = folder("a")
        do {
            let file = try LineFile(path: path, isWritten: true)
            #expect(throws: LockFileInUse.self) { try LineFile(path: path, isWritten: true) }
            #expect(try lines(path) == ([], ""))
            withExtendedLifetime(file) {}
        }
        _ = try LineFile(path: path, isWritten: true)
        #expect(throws: FileProblem.self) { try LineFile(path: "/dev/null", isWritten: true) }
        #expect(throws: SystemError.self) { try LineFile(path: self.folder.path, isWritten: true) }
        #expect(throws: SystemError.self) { try LineFile(path: self.folder("none"), isWritten: false) }
    }
}
