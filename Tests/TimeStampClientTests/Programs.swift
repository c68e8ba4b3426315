import Foundation
import Testing

/// A folder of one test's own, gone with the last reference to it.
final class TestFolder: Sendable {
    let url: URL

    init() throws {
        url = FileManager.default.temporaryDirectory.appending(path: "tanba-timestamp-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: false)
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    /// The path of a name in the folder.
    func callAsFunction(_ name: String) -> String { url.path + "/" + name }

    func write(_ bytes: some Sequence<UInt8>, to name: String) throws { try Data(bytes).write(to: url.appending(path: name)) }
    func read(_ name: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: url.appending(path: name))) }

    /// Runs a program in the folder to its end; returns what it said, both streams together.
    @discardableResult
    func run(_ program: String, _ arguments: [String], expecting expected: Int32? = 0, location: SourceLocation = #_sourceLocation) throws
        -> (status: Int32, output: String)
    {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [program] + arguments
        process.currentDirectoryURL = url
        // A file and not a pipe: nothing to keep emptying
        let said = url.appending(path: UUID().uuidString)
        try Data().write(to: said)
        let output = try FileHandle(forWritingTo: said)
        (process.standardOutput, process.standardError) = (output, output)
        process.standardInput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        let text = String(decoding: try Data(contentsOf: said), as: UTF8.self)
        if let expected, process.terminationStatus != expected {
            Issue.record("\(program) \(arguments.joined(separator: " ")): \(process.terminationStatus) \(text)", sourceLocation: location)
        }
        return (process.terminationStatus, text)
    }

    @discardableResult
    func openssl(_ arguments: String, expecting expected: Int32? = 0, location: SourceLocation = #_sourceLocation) throws
        -> (status: Int32, output: String)
    {
        try run("openssl", arguments.split(separator: " ").map(String.init), expecting: expected, location: location)
    }
}
