import Foundation

/// A folder of one test, gone with this object.
final class Folder: Sendable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appending(path: "tanba-ceremony-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func callAsFunction(_ name: String) -> String { path + "/" + name }

    func write(_ bytes: [UInt8], to name: String) throws { try Data(bytes).write(to: URL(fileURLWithPath: self(name))) }
    func write(_ text: String, to name: String) throws { try write(Array(text.utf8), to: name) }
    func read(_ name: String) throws -> String { try String(contentsOfFile: self(name), encoding: .utf8) }
}

/// How a program ended, and what it said.
struct Ended: Sendable, CustomStringConvertible {
    let status: Int32
    let output: String
    let errors: String

    var description: String { "exit status \(status)\n--- standard output\n\(output)\n--- standard error\n\(errors)" }
}

/// Runs a program to its end; after three minutes it is killed.
///
/// - Parameter environment: beside what this process has, without its `TANBA_…` and with no SoftHSM folder of its own.
func run(_ path: String, _ arguments: [String], environment: [String: String] = [:], in folder: String? = nil) throws -> Ended {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = arguments
    if let folder { process.currentDirectoryURL = URL(fileURLWithPath: folder) }
    let inherited = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("TANBA_") && $0.key != "SOFTHSM2_CONF" }
    process.environment = inherited.merging(environment) { $1 }
    // Files and not pipes: nothing to keep emptying
    let name = FileManager.default.temporaryDirectory.appending(path: "tanba-ceremony-said-\(UUID().uuidString)").path
    defer { for suffix in [".out", ".err"] { try? FileManager.default.removeItem(atPath: name + suffix) } }
    for suffix in [".out", ".err"] { try Data().write(to: URL(fileURLWithPath: name + suffix)) }
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: name + ".out"))
    process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: name + ".err"))
    try process.run()
    let killer = DispatchWorkItem { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }
    DispatchQueue.global().asyncAfter(deadline: .now() + 180, execute: killer)
    process.waitUntilExit()
    killer.cancel()
    return Ended(
        status: process.terminationStatus, output: (try? String(contentsOfFile: name + ".out", encoding: .utf8)) ?? "",
        errors: (try? String(contentsOfFile: name + ".err", encoding: .utf8)) ?? "")
}
