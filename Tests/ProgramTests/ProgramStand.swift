import Foundation
import OperatingSystem
import SQLite
import SigningModel
import Testing

/// One test's own folder, with documents, and the programs run in it.
final class ProgramStand: Sendable {
    let lab: ProgramLab
    let folder: String
    /// The configuration that programs get unless another is named.
    let configuration: String

    /// - Parameter edit: changes the sandbox's configuration for this test.
    init(_ edit: (String) -> String = { $0 }) throws {
        lab = try ProgramLab.shared.get()
        folder = FileManager.default.temporaryDirectory.appending(path: "tanba-program-\(UUID().uuidString)").path
        configuration = folder + "/tanba.yaml"
        try Files.createDirectory(folder)
        // A copy of the token: a process that looks for SoftHSM's tokens while another logs in there may find none
        try FileManager.default.copyItem(atPath: lab.sandbox + "/token", toPath: folder + "/token")
        try write("directories.tokendir = \(folder)/token/objects\nlog.level = ERROR\n", to: "token/softhsm2.conf")
        try write(edit(lab.configuration.replacing(lab.sandbox + "/token/", with: folder + "/token/")), to: "tanba.yaml")
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    /// The path of a name in the folder.
    func callAsFunction(_ name: String) -> String { folder + "/" + name }

    func write(_ text: String, to name: String) throws {
        try Files.createDirectory((self(name) as NSString).deletingLastPathComponent)
        try Data(text.utf8).write(to: URL(fileURLWithPath: self(name)))
    }

    func read(_ name: String) throws -> [UInt8] { try Files.read(self(name), atMost: 1 << 24) }

    /// Writes so many documents under `documents`, in folders, and returns their relative paths.
    @discardableResult func writeDocuments(_ count: Int) throws -> [String] {
        let paths = (0..<count).map { "part-\($0 % 2)/document \($0).txt" }
        for (index, path) in paths.enumerated() { try write("document \(index) of \(folder)\n", to: "documents/" + path) }
        return paths.sorted()
    }

    // MARK: Programs

    /// Starts one of Tanba's programs, or one of the system's by its path.
    func start(_ program: String, _ arguments: [String], environment: [String: String] = [:]) throws -> RunningProgram {
        try RunningProgram(
            program.hasPrefix("/") ? program : lab.programs + "/" + program, arguments,
            environment: ["TANBA_CONFIG": configuration].merging(environment) { $1 }, in: folder)
    }

    func run(_ program: String, _ arguments: [String], environment: [String: String] = [:], within limit: Duration = .seconds(180)) async throws
        -> Ended
    {
        try await start(program, arguments, environment: environment).ended(within: limit)
    }

    /// `tanba sign` of the folder `documents` into `out`.
    func sign(_ paths: [String] = ["documents"], profile: String = "p256-b", out: String = "out", environment: [String: String] = [:]) async throws
        -> Ended
    {
        try await run("tanba", ["sign"] + paths + ["--profile", profile, "--out", out, "--json"], environment: environment)
    }

    /// The same, which must end with that status; returns what it printed for programs.
    func signed(
        _ paths: [String] = ["documents"], profile: String = "p256-b", out: String = "out", expecting status: Int32 = 0,
        location: SourceLocation = #_sourceLocation
    ) async throws -> SignSummary {
        let ended = try await sign(paths, profile: profile, out: out)
        #expect(ended.status == status, "\(ended)", sourceLocation: location)
        return try SignSummary(ended)
    }

    /// GET of a worker's page, whose port stands in `port`: status and text. Status 0 while nobody listens.
    func get(_ page: String) async throws -> (status: Int, text: String) {
        guard let port = try? String(decoding: read("port"), as: UTF8.self).trimmingCharacters(in: .newlines) else { return (0, "") }
        let ended = try await run("/usr/bin/env", ["python3", "-c", Self.getter, "http://127.0.0.1:\(port)\(page)"])
        let parts = ended.output.split(separator: "\n", maxSplits: 1).map(String.init)
        return (parts.first.flatMap { Int($0) } ?? 0, parts.count > 1 ? parts[1] : "")
    }

    private static let getter = #"""
        import sys, urllib.error, urllib.request
        try:
            answer = urllib.request.urlopen(sys.argv[1], timeout=30)
        except urllib.error.HTTPError as error:
            answer = error
        print(answer.status, answer.read().decode(), sep="\n")
        """#

    // MARK: What was written

    /// Relative paths of the signatures in a folder, sorted.
    func signatures(in out: String = "out") throws -> [String] {
        try Files.walk(self(out)).map(\.relativePath).filter { !$0.hasPrefix(".tanba/") }
    }

    /// `openssl cms -verify` of a signature, trusting the sandbox's root.
    func verify(_ document: String, signature: String, location: SourceLocation = #_sourceLocation) async throws {
        let ended = try await run(
            "/usr/bin/openssl",
            ["cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", self(signature), "-content", self(document)]
                + ["-CAfile", lab.sandbox + "/pki/ca.pem", "-purpose", "any", "-out", "/dev/null"])
        #expect(ended.status == 0, "\(signature): \(ended)", sourceLocation: location)
    }

    /// `tanba-auditor audit`, which must find nothing wrong and so many jobs signed.
    func audit(_ stream: [String] = ["--log", "out"], signed: Int, location: SourceLocation = #_sourceLocation) async throws {
        let trust = ["--trust", lab.sandbox + "/pki/ca.pem", "--tsa-trust", lab.sandbox + "/pki/tsa-ca.pem", "--json"]
        let ended = try await run("tanba-auditor", ["audit"] + stream + trust)
        #expect(ended.status == 0, "\(ended)", sourceLocation: location)
        let report = try JSONDecoder().decode([String: AuditedValue].self, from: Data(ended.output.utf8))
        #expect(report["jobs"]?.count == signed && report["signed"]?.count == signed, "\(ended)", sourceLocation: location)
    }

    /// The log of `tanba sign`, read as anyone may read it.
    func log(in out: String = "out") throws -> EmbeddedLog { try EmbeddedLog(self(out) + "/.tanba/log.sqlite") }
}

/// What `tanba sign --json` prints.
struct SignSummary: Decodable, Equatable {
    var signed: Int
    var alreadySigned: Int
    var refused: Int
    var problems: Int
    var skippedOutputs: Int

    init(signed: Int = 0, alreadySigned: Int = 0, refused: Int = 0, problems: Int = 0, skippedOutputs: Int = 0) {
        self.signed = signed
        self.alreadySigned = alreadySigned
        self.refused = refused
        self.problems = problems
        self.skippedOutputs = skippedOutputs
    }

    init(_ ended: Ended) throws {
        do { self = try JSONDecoder().decode(Self.self, from: Data(ended.output.utf8)) } catch { throw ProgramError("no summary: \(ended)") }
    }
}

/// A value of the auditor's report, of which the tests read the counts.
private struct AuditedValue: Decodable {
    let count: Int?

    init(from decoder: any Decoder) throws { count = try? decoder.singleValueContainer().decode(Int.self) }
}

/// The jobs and results of an embedded log.
struct EmbeddedLog {
    /// Keys of the jobs, in order.
    let jobs: [String]
    let results: [JobResult]

    init(_ path: String) throws {
        let connection = try Connection(path: path, readOnly: true)
        var jobs: [String] = []
        let keys = try connection.prepare("SELECT offset, key FROM jobs ORDER BY offset")
        while try keys.step() {
            guard try keys.integer(0) == jobs.count else { throw ProgramError("the jobs have a hole before \(try keys.integer(0))") }
            jobs.append(String(decoding: try keys.bytes(1), as: UTF8.self))
        }
        var results: [JobResult] = []
        let values = try connection.prepare("SELECT source, value FROM results ORDER BY source")
        while try values.step() {
            guard try values.integer(0) == results.count else { throw ProgramError("the results have a hole before \(try values.integer(0))") }
            results.append(try JobResult.read(try values.bytes(1)))
        }
        (self.jobs, self.results) = (jobs, results)
    }

    /// Signatures by the document's relative path, in the order of their results.
    var signatures: [String: [[UInt8]]] {
        var signatures: [String: [[UInt8]]] = [:]
        for result in results {
            if case .signed(let signature, _, _) = result.outcome { signatures[result.documentID ?? "", default: []].append(signature.value) }
        }
        return signatures
    }
}
