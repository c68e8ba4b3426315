import Foundation
import OperatingSystem

/// What all tests of this process share: a sandbox of `Deploy/local` with PKI, token and time-stamping authority, and the programs
/// that were built together with the tests.
///
/// A shell holds the sandbox and takes it down when this process is gone, however that ends: its standard input is at an end then.
final class ProgramLab: Sendable {
    static let shared = Result { try ProgramLab() }

    /// The sandbox; `configuration/tanba.yaml`, `pki` and `token` are in it.
    let sandbox: String
    /// Where `tanba`, `tanba-worker` and `tanba-auditor` are.
    let programs: String
    /// The sandbox's configuration for `tanba`, as it was written.
    let configuration: String
    let repository: String
    private let holder: Process
    private let hold: Pipe

    private init() throws {
        let tests = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        programs = (tests as NSString).deletingLastPathComponent
        repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path
        sandbox = FileManager.default.temporaryDirectory.appending(path: "tanba-programs-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: sandbox, withIntermediateDirectories: true)
        hold = Pipe()
        holder = Process()
        holder.executableURL = URL(fileURLWithPath: "/bin/bash")
        holder.arguments = [
            "-c",
            #"""
            trap '' INT TERM
            "$1" up --dir "$2" --log embedded > "$2/up.log" 2>&1; echo $? > "$2/up.part"; mv "$2/up.part" "$2/up.status"
            cat > /dev/null
            "$1" down --dir "$2" > /dev/null 2>&1; rm -rf "$2"
            """#, "tanba-program-lab", repository + "/Deploy/local", sandbox,
        ]
        holder.standardInput = hold
        holder.standardOutput = FileHandle.nullDevice
        holder.standardError = FileHandle.nullDevice
        try holder.run()
        while !Files.exists(sandbox + "/up.status") {
            guard holder.isRunning else { throw ProgramError("the shell that holds the sandbox ended") }
            usleep(5000)
        }
        let status = String(decoding: try Files.read(sandbox + "/up.status", atMost: 16), as: UTF8.self)
        guard status == "0\n" else {
            throw ProgramError("Deploy/local up: \(status)\(String(decoding: try Files.read(sandbox + "/up.log", atMost: 1 << 20), as: UTF8.self))")
        }
        configuration = String(decoding: try Files.read(sandbox + "/configuration/tanba.yaml", atMost: 1 << 20), as: UTF8.self)
        for name in ["tanba", "tanba-worker", "tanba-auditor"] where !Files.exists(programs + "/" + name) {
            throw ProgramError("no \(name) in \(programs), where the tests are")
        }
    }

    /// The time-stamping authority of the sandbox, at a port of the caller's; listens when this returns.
    func startAuthority(port: Int, in folder: String) async throws -> RunningProgram {
        let portFile = folder + "/authority-\(UUID().uuidString)"
        let authority = try RunningProgram(
            sandbox + "/bin/demo-tsa",
            ["--certificate", sandbox + "/pki/tsa.pem", "--key", sandbox + "/pki/tsa.key", "--policy", "1.2.3.4.1", "--port", "\(port)"]
                + ["--port-file", portFile], in: folder)
        try await authority.wait(for: "its port") { Files.exists(portFile) }
        return authority
    }

    /// The line of the sandbox's configuration with the authority's address.
    var authorityLine: String { configuration.split(separator: "\n").map(String.init).first { $0.contains("    url: ") }! }
}
