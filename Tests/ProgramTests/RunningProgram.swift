import Foundation
import OperatingSystem

/// How a program ended, and what it said.
struct Ended: Sendable, CustomStringConvertible {
    /// Its exit status; nil when a signal ended it.
    let status: Int32?
    let signal: Int32?
    let output: String
    let errors: String

    var description: String {
        let end = status.map { "exit status \($0)" } ?? "signal \(signal ?? 0)"
        return "\(end)\n--- standard output\n\(output)\n--- standard error\n\(errors)"
    }
}

/// A program that a test started; it ends with this object at the latest.
final class RunningProgram: Sendable {
    let name: String
    private let process: Process
    private let outputFile: String
    private let errorFile: String

    var pid: Int32 { process.processIdentifier }
    var isRunning: Bool { process.isRunning }

    /// - Parameters:
    ///   - path: of the program.
    ///   - environment: beside what this process has, without its `TANBA_…` and what other tests set in it for libraries.
    ///   - folder: where it runs, and where files for what it says are made.
    init(_ path: String, _ arguments: [String], environment: [String: String] = [:], in folder: String) throws {
        name = (path as NSString).lastPathComponent
        let said = folder + "/said-" + UUID().uuidString
        (outputFile, errorFile) = (said + ".out", said + ".err")
        process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        process.currentDirectoryURL = URL(fileURLWithPath: folder)
        let inherited = ProcessInfo.processInfo.environment.filter { variable in
            !variable.key.hasPrefix("TANBA_") && !["SOFTHSM2_CONF", "PCSCLITE_CSOCK_NAME"].contains(variable.key)
        }
        process.environment = inherited.merging(environment) { $1 }
        // Files and not pipes: nothing to keep emptying
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try Self.file(outputFile)
        process.standardError = try Self.file(errorFile)
        try process.run()
    }

    deinit {
        if process.isRunning {
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
        }
        try? FileManager.default.removeItem(atPath: outputFile)
        try? FileManager.default.removeItem(atPath: errorFile)
    }

    /// What it wrote to standard output so far.
    var outputSoFar: String { (try? String(contentsOfFile: outputFile, encoding: .utf8)) ?? "" }
    /// What it wrote to standard error so far.
    var errorsSoFar: String { (try? String(contentsOfFile: errorFile, encoding: .utf8)) ?? "" }

    func send(_ signal: Int32) { kill(pid, signal) }

    /// Waits for its end; kills it when the time is over, and throws then.
    func ended(within limit: Duration = .seconds(180)) async throws -> Ended {
        let end = ContinuousClock.now + limit
        while process.isRunning {
            guard ContinuousClock.now < end else {
                kill(pid, SIGKILL)
                process.waitUntilExit()
                throw ProgramError("\(name) was still running after \(limit)\n\(said(nil, nil))")
            }
            try await Task.sleep(for: .milliseconds(5))
        }
        // Reaped at once: it is not running any more
        process.waitUntilExit()
        return process.terminationReason == .exit ? said(process.terminationStatus, nil) : said(nil, process.terminationStatus)
    }

    /// Waits until a condition on the running program holds; throws when it ends before or the time is over.
    func wait(for what: String, within limit: Duration = .seconds(90), _ condition: () async throws -> Bool) async throws {
        let end = ContinuousClock.now + limit
        while !(try await condition()) {
            guard process.isRunning else { throw ProgramError("\(name) ended while waiting for \(what)\n\(said(nil, nil))") }
            guard ContinuousClock.now < end else { throw ProgramError("\(name): no \(what) after \(limit)\n\(said(nil, nil))") }
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    private func said(_ status: Int32?, _ signal: Int32?) -> Ended {
        let output = (try? Data(contentsOf: URL(fileURLWithPath: outputFile))) ?? Data()
        return Ended(status: status, signal: signal, output: String(decoding: output, as: UTF8.self), errors: errorsSoFar)
    }

    private static func file(_ path: String) throws -> FileHandle {
        try Data().write(to: URL(fileURLWithPath: path))
        return try FileHandle(forWritingTo: URL(fileURLWithPath: path))
    }
}

/// A program that did what the test cannot go on after.
struct ProgramError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
