import Auditor
import CommandLineOptions
import Configuration
import DocumentHashing
import KafkaResultStream
import Log
import OperatingSystem
import ResultExport
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
            Option("follow", short: "f", argument: nil, help: "go on with the results that come, until SIGINT or SIGTERM"),
            Option(
                "export", argument: "FILE",
                help: "append every result that FILE does not have yet, a JSON line with its place each; run it again to go on"),
            .configuration,
        ],
        examples: [
            Example("tanba results --stream office --package november --wait --out signed", "fetch a package's signatures"),
            Example("tanba results --stream office | jq -r 'select(.outcome==\"refused\") | .refusal.message'", "list what was refused, and why"),
            Example("tanba results --stream office --follow", "print results as they come"),
            Example("tanba results --stream office --export office.jsonl", "keep all results in a file, from a timer; with --follow as a service"),
        ])

    private let stream: String
    private let package: String?
    private let waits: Bool
    private let follows: Bool
    private let out: String?
    private let export: String?
    private let configuration: TanbaConfiguration
    private let progress = ProgressLine("results")

    init(_ invocation: Invocation) throws {
        stream = invocation.value("stream")!
        package = invocation.value("package")
        waits = invocation.flag("wait")
        follows = invocation.flag("follow")
        out = invocation.value("out")
        export = invocation.value("export")
        guard invocation.arguments.isEmpty else { throw UsageError(description: "tanba results takes no arguments, but \(invocation.arguments[0])") }
        guard !waits || package != nil else { throw UsageError(description: "--wait waits for a package; name it with --package") }
        guard !waits || !follows else { throw UsageError(description: "--wait ends with its package and --follow never; give one of them") }
        guard export == nil || package == nil else {
            throw UsageError(description: "--export keeps all results, so that nothing is missing in the file; choose a package from it with jq")
        }
        guard export == nil || out == nil else { throw UsageError(description: "--export and --out are two ways to keep results; give one of them") }
        configuration = try invocation.configuration()
    }

    func run() async throws -> ExitStatus {
        let isAskedToEnd = Locked(false)
        let signals = follows ? TerminationSignals { _ in isAskedToEnd.withLock { $0 = true } } : nil
        defer { withExtendedLifetime(signals) {} }
        let isEnding = { @Sendable in isAskedToEnd.withLock { $0 } || StandardStreams.outFailure != nil }
        if let export { return try await run(exportingTo: export, isEnding) }
        return try await run(isEnding)
    }

    private func follower(from places: [Partition: Offset] = [:]) throws -> ResultFollower {
        let kafka = try configuration.requiredKafka()
        return ResultFollower(
            bootstrap: kafka.bootstrap, stream: stream, properties: kafka.properties, from: places,
            report: .text(program: "tanba", minimum: .warning))
    }

    /// Prints results, or writes their signatures.
    private func run(_ isEnding: @Sendable () -> Bool) async throws -> ExitStatus {
        let follower = try follower()
        let folder = out.map { SignatureFolder(path: $0) }
        if let out { try Files.createDirectory(out) }
        var state = ResultCount(isPackage: package != nil)
        var problems = 0
        /// Which job each file is of: two that would share one are told, not mixed up.
        var owners: [String: String?] = [:]
        while !isEnding() {
            let caught = try await follower.next(limit: 500, wait: .milliseconds(500))
            problems += tell(caught.deleted, isFirst: state.isEmpty)
            var lines: [UInt8] = []
            for followed in caught.results {
                guard let value = followed.record.value else { continue }
                let result: JobResult
                do {
                    result = try JobResult.read(value)
                } catch {
                    problems += 1
                    tell("partition \(followed.partition), offset \(followed.record.offset): \(error)")
                    continue
                }
                if let package, result.package?.id != package { continue }
                state.note(result)
                if let folder {
                    problems += write(result, to: folder, &owners)
                } else {
                    lines += value + [UInt8(ascii: "\n")]
                }
            }
            if !lines.isEmpty { StandardStreams.writeOut(lines) }
            if let count = state.count { progress.expect(count) }
            progress.advance(to: state.settled)
            if waits ? state.isComplete : caught.isAtEnd && !follows { break }
        }
        progress.clear()
        if let folder {
            try folder.synchronize()
            StandardStreams.writeOut("\(state.signed) signed, \(state.refused) refused; signatures in \(folder.path)\n")
        }
        // Who follows meets refusals as results like others.
        return (follows ? 0 : state.refused) + problems > 0 ? .refused : .done
    }

    /// Brings the file up to now, or goes on with it.
    private func run(exportingTo path: String, _ isEnding: @Sendable () -> Bool) async throws -> ExitStatus {
        let export = try ResultExport(path: path, stream: stream)
        if export.tornBytes > 0 { tell("\(path): the last line was torn and is written anew") }
        let before = export.count
        let follower = try follower(from: export.places)
        var problems = 0
        while !isEnding() {
            let caught = try await follower.next(limit: 500, wait: .milliseconds(500))
            if export.count == 0 { _ = tell(caught.deleted, isFirst: true) }
            for deletion in caught.deleted { export.noteDeleted(deletion.offsets, in: deletion.partition) }
            let results = caught.results.map {
                ExportedResult(
                    stream: stream, partition: $0.partition, offset: $0.record.offset, time: $0.record.time, key: $0.record.key,
                    value: $0.record.value)
            }
            for gap in try export.append(results) {
                problems += 1
                tell("\(path): \(gap)")
            }
            progress.advance(to: export.count)
            guard caught.isAtEnd else { continue }
            try export.synchronize()
            if !follows { break }
        }
        progress.clear()
        try export.synchronize()
        for gap in export.openGaps {
            problems += 1
            tell("\(path): \(gap)")
        }
        StandardStreams.writeOut("\(export.count - before) results exported, \(export.count) in \(path)\n")
        return problems > 0 ? .refused : .done
    }

    /// - Returns: how many of these are a problem: that the oldest results are gone when reading begins is none.
    private func tell(_ deleted: [ResultFollower.Deletion], isFirst: Bool) -> Int {
        let atBeginning = deleted.filter { isFirst && $0.offsets.lowerBound == Offset(0) }
        if !atBeginning.isEmpty {
            tell("the oldest results of \(atBeginning.count) partitions were deleted with their time: they are not among these")
        }
        let others = deleted.filter { !isFirst || $0.offsets.lowerBound > Offset(0) }
        for deletion in others {
            let place = "partition \(deletion.partition), offsets \(deletion.offsets.lowerBound) to \(deletion.offsets.upperBound.rawValue - 1)"
            tell("\(place): deleted by retention before they were read")
        }
        return others.count
    }

    /// - Returns: 1 when the signature could not be given a file, else 0.
    private func write(_ result: JobResult, to folder: SignatureFolder, _ owners: inout [String: String?]) -> Int {
        switch result.outcome {
        case .signed(let signature, _, _):
            let name = result.documentID ?? result.job ?? ""
            if let owner = owners.updateValue(result.job, forKey: name), owner != result.job {
                tell("\(name): jobs \(owner ?? "null") and \(result.job ?? "null") are both of it; fetch one --package at a time, or without --out")
                owners[name] = owner
                return 1
            }
            do {
                try folder.write(signature.value, for: name)
            } catch {
                tell("\(error)")
                return 1
            }
        case .refused(let refusal): tell("\(result.documentID ?? result.job ?? "\(result.source)"): \(refusal.message) \(refusal.remedy)")
        case .duplicate: break
        }
        return 0
    }

    private func tell(_ text: String) {
        progress.clear()
        StandardStreams.writeError("tanba: \(text)\n")
    }
}
