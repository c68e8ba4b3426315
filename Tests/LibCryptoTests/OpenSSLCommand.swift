import Foundation
import Testing

/// The `openssl` program as the outside judge, with a folder of its own that goes when the last reference does.
final class OpenSSLCommand: Sendable {
    let folder: URL

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "tanba-crypto-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
    }

    deinit {
        try? FileManager.default.removeItem(at: folder)
    }

    struct Outcome {
        var status: Int32
        var output: [UInt8]
        var text: String { String(decoding: output, as: UTF8.self) }
        var lines: [String] { text.split(separator: "\n").map(String.init) }
    }

    /// `run` with the arguments in one string, parted by spaces.
    @discardableResult
    func run(_ arguments: String, expecting expected: Int32? = 0, location: SourceLocation = #_sourceLocation) throws -> Outcome {
        try run(arguments.split(separator: " ").map(String.init), expecting: expected, location: location)
    }

    /// Runs `openssl` in the folder and returns its standard output. Another exit status than expected is a failure of the test.
    @discardableResult
    func run(_ arguments: [String], expecting expected: Int32? = 0, location: SourceLocation = #_sourceLocation) throws -> Outcome {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["openssl"] + arguments
        process.currentDirectoryURL = folder
        let errors = folder.appending(path: UUID().uuidString)
        try Data().write(to: errors)
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = try FileHandle(forWritingTo: errors)
        try process.run()
        let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        if let expected, process.terminationStatus != expected {
            let said = (try? String(contentsOf: errors, encoding: .utf8)) ?? ""
            Issue.record("openssl \(arguments.joined(separator: " ")): \(process.terminationStatus) \(said)", sourceLocation: location)
        }
        return Outcome(status: process.terminationStatus, output: [UInt8](output))
    }

    func read(_ name: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: folder.appending(path: name)))
    }

    func write(_ bytes: [UInt8], to name: String) throws {
        try Data(bytes).write(to: folder.appending(path: name))
    }
}

func hex(_ bytes: [UInt8]) -> String {
    bytes.map { String(format: "%02x", $0) }.joined()
}
