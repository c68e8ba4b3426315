import Auditor
import CommandLineOptions
import Configuration
import DocumentHashing
import KafkaResultStream
import Log
import OperatingSystem
import SigningModel

/// `tanba results`: what became of the jobs of a stream.
struct ResultsCommand {
    static let declaration = Command(
        "results", arguments: "", summary: "read the results of a stream, as JSON lines or as signature files",
        options: [
            Option("stream", short: "s", argument: "NAME", help: "the stream", required: true),
            Option("package", argument: "NAME", help: "only this package's results"),
            Option("wait", argument: nil, help: "return when every document of the package has its result"),
            Option("out", short: "o", argument: "DIR", help: "write each signature to DIR/document.p7s instead of printing JSON lines"),
            .configuration,
        ],
        examples: [
            Example("tanba results --stream office --package november --wait --out signed", "fetch a package's signatures"),
            Example("tanba results --stream office | jq -r 'select(.outcome==\"refused\") | .refusal.message'", "list what was refused, and why"),
        ])

    private let stream: String
    private let package: String?
    private let waits: Bool
    private let out: String?
    private let configuration: TanbaConfiguration

    init(_ invocation: Invocation) throws {
        stream = invocation.value("stream")!
        package = invocation.value("package")
        waits = invocation.flag("wait")
        out = invocation.value("out")
        guard invocation.arguments.isEmpty else { throw UsageError(description: "tanba results takes no arguments, but \(invocation.arguments[0])") }
        guard !waits || package != nil else { throw UsageError(description: "--wait waits for a package; name it with --package") }
        configuration = try invocation.configuration()
    }

    func run() async throws -> ExitStatus {
        let kafka = try configuration.requiredKafka()
        let follower = ResultFollower(
            bootstrap: kafka.bootstrap, stream: stream, properties: kafka.properties, report: .text(program: "tanba", minimum: .warning))
        let folder = out.map { SignatureFolder(path: $0) }
        if let out { try Files.createDirectory(out) }
        let progress = ProgressLine("results")
        var state = ResultCount(isPackage: package != nil)
        var problems = 0
        /// Which job each file is of: two that would share one are told, not mixed up.
        var owners: [String: String?] = [:]
        while true {
            let caught = try await follower.next(limit: 500, wait: .milliseconds(500))
            for followed in caught.results {
                guard let value = followed.record.value else { continue }
                let result: JobResult
                do {
                    result = try JobResult.read(value)
                } catch {
                    problems += 1
                    tell("partition \(followed.partition), offset \(followed.record.offset): \(error)", progress)
                    continue
                }
                if let package, result.package?.id != package { continue }
                state.note(result)
                if let folder {
                    problems += write(result, to: folder, &owners, progress)
                } else {
                    StandardStreams.writeOut(value + [UInt8(ascii: "\n")])
                }
            }
            if let count = state.count { progress.expect(count) }
            progress.advance(to: state.settled)
            if waits ? state.isComplete : caught.isAtEnd { break }
        }
        progress.clear()
        if let folder {
            try folder.synchronize()
            StandardStreams.writeOut("\(state.signed) signed, \(state.refused) refused; signatures in \(folder.path)\n")
        }
        return state.refused + problems > 0 ? .refused : .done
    }

    /// - Returns: 1 when the signature could not be given a file, else 0.
    private func write(
        _ result: JobResult, to folder: SignatureFolder, _ owners: inout [String: String?], _ progress: ProgressLine
    ) -> Int {
        switch result.outcome {
        case .signed(let signature, _, _):
            let name = result.documentID ?? result.job ?? ""
            if let owner = owners.updateValue(result.job, forKey: name), owner != result.job {
                tell(
                    "\(name): jobs \(owner ?? "null") and \(result.job ?? "null") are both of it; fetch one --package at a time, or without --out",
                    progress)
                owners[name] = owner
                return 1
            }
            do {
                try folder.write(signature.value, for: name)
            } catch {
                tell("\(error)", progress)
                return 1
            }
        case .refused(let refusal): tell("\(result.documentID ?? result.job ?? "\(result.source)"): \(refusal.message) \(refusal.remedy)", progress)
        case .duplicate: break
        }
        return 0
    }

    private func tell(_ text: String, _ progress: ProgressLine) {
        progress.clear()
        StandardStreams.writeError("tanba: \(text)\n")
    }
}

/// How many documents have which result. Of a package each document is known, so that one that was refused, came again and was signed
/// counts as signed; of a whole stream, which has no end, the results are counted.
private struct ResultCount {
    private enum Outcome { case signed, refused }

    let isPackage: Bool
    private var others = (signed: 0, refused: 0)
    private var outcomes: [String: Outcome] = [:]
    private var indices: Set<Int64> = []
    /// How many documents the package has; nil before its first result.
    private(set) var count: Int?

    init(isPackage: Bool) { self.isPackage = isPackage }

    var signed: Int { others.signed + outcomes.values.count { $0 == .signed } }
    var refused: Int { others.refused + outcomes.values.count { $0 == .refused } }
    var settled: Int { isPackage ? outcomes.count : others.signed + others.refused }
    var isComplete: Bool { count.map { indices.count >= $0 } ?? false }

    mutating func note(_ result: JobResult) {
        guard isPackage else {
            switch result.outcome {
            case .signed: others.signed += 1
            case .refused: others.refused += 1
            case .duplicate: break
            }
            return
        }
        if let package = result.package { count = Int(package.count) }
        let id = result.job ?? "\(result.source)"
        switch result.outcome {
        case .signed: outcomes[id] = .signed
        case .refused: if outcomes[id] == nil { outcomes[id] = .refused }
        case .duplicate: return
        }
        if let package = result.package { indices.insert(package.index) }
    }
}
