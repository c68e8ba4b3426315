import Foundation
import Testing

/// Octets from hexadecimal text; spaces are skipped.
func bytes(_ hex: String) -> [UInt8] {
    let digits = hex.filter { $0 != " " }.map { UInt8($0.hexDigitValue!) }
    precondition(digits.count % 2 == 0)
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}

/// SplitMix64. Its description, printed with a failure, is the seed; `TANBA_TEST_SEED` runs that seed again.
struct SeededRandom: RandomNumberGenerator, CustomStringConvertible {
    let seed: UInt64
    private var state: UInt64

    init() {
        seed = ProcessInfo.processInfo.environment["TANBA_TEST_SEED"].flatMap(UInt64.init) ?? .random(in: 0 ... .max)
        state = seed
        print("seed: \(seed)")
    }

    var description: String { "TANBA_TEST_SEED=\(seed)" }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    mutating func bytes(_ count: ClosedRange<Int>) -> [UInt8] {
        let count = Int.random(in: count, using: &self)
        // Most tests need random octets only to differ; a block repeated makes long ones fast in a debug build
        let block = (0..<min(count, 97)).map { _ in UInt8.random(in: 0...255, using: &self) }
        let whole = Array(repeatElement(block, count: count / 97 + 1).joined())
        return Array(whole.prefix(count))
    }
}

/// A folder that is removed when the test ends.
final class TemporaryFolder {
    let path: String

    init() throws {
        let url = FileManager.default.temporaryDirectory.appending(path: "tanba-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        path = url.path
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Writes a file and gives its path.
    func write(_ bytes: [UInt8], _ name: String) throws -> String {
        try Data(bytes).write(to: URL(fileURLWithPath: path + "/" + name))
        return path + "/" + name
    }

    func read(_ name: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: URL(fileURLWithPath: path + "/" + name)))
    }
}

/// The openssl command, the judge of what we write.
enum OpenSSL {
    struct Outcome {
        let status: Int32
        let output: String
        let errors: String
    }

    static func run(_ arguments: String...) throws -> Outcome {
        try run(arguments)
    }

    /// Throws, with what openssl wrote, unless it succeeds.
    static func succeed(_ arguments: [String], in folder: TemporaryFolder) throws {
        let outcome = try run(arguments, in: folder)
        guard outcome.status == 0 else { throw Failure(arguments: arguments, errors: outcome.errors) }
    }

    struct Failure: Error {
        let arguments: [String]
        let errors: String
    }

    static func run(_ arguments: [String], in folder: TemporaryFolder? = nil) throws -> Outcome {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["openssl"] + arguments
        if let folder { process.currentDirectoryURL = URL(fileURLWithPath: folder.path) }
        let output = Pipe()
        let errors = Pipe()
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        let outputBytes = output.fileHandleForReading.readDataToEndOfFile()
        let errorBytes = errors.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return Outcome(
            status: process.terminationStatus, output: String(decoding: outputBytes, as: UTF8.self),
            errors: String(decoding: errorBytes, as: UTF8.self))
    }
}
