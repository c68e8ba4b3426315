import CommandLineOptions
import Configuration
import DocumentHashing
import EmbeddedJobLog
import FoundationEssentials
import JSON
import Log
import Metrics
import OperatingSystem
import SigningModel
import SigningPipeline
import SigningSetup

/// `tanba sign`: a folder of documents, no broker.
struct SignCommand {
    static let declaration = Command(
        "sign", arguments: "PATH…", summary: "sign files and folders on this machine, without a broker",
        options: [
            Option("profile", short: "p", argument: "NAME", help: "signing profile of the configuration", required: true),
            Option("out", short: "o", argument: "DIR", help: "folder for FILE.p7s and, in .tanba, the state of the run", required: true),
            .configuration, .json,
        ],
        examples: [
            Example("tanba sign contracts --profile office --out signed", "sign a folder; run it again to go on after an interruption"),
            Example("tanba sign a.pdf b.pdf --profile office --out .", "write a.pdf.p7s and b.pdf.p7s beside them"),
        ])

    /// Documents hashed at once before their jobs are appended.
    private static let chunkMax = 256
    /// Jobs that may wait in the log ahead of the pipeline.
    private static let waitingMax = 8192

    private let paths: [String]
    private let profileName: String
    private let out: String
    private let isJSON: Bool
    private let configuration: TanbaConfiguration

    init(_ invocation: Invocation) throws {
        paths = invocation.arguments
        guard !paths.isEmpty else { throw UsageError(description: "name at least one file or folder to sign; tanba sign --help shows how") }
        profileName = invocation.value("profile")!
        out = invocation.value("out")!
        isJSON = invocation.flag("json")
        configuration = try invocation.configuration()
    }

    func run() async throws -> ExitStatus {
        let report = Log.text(program: "tanba", minimum: .warning)
        let metrics = Metrics()
        let start = ContinuousClock.now
        try Files.createDirectory(out)
        let log = try EmbeddedJobLog(directory: out + "/.tanba", stream: "local")
        let set = DocumentSet(paths: paths, output: out)
        let setup = try await SigningSetup(
            configuration, profiles: [profileName], waitsForTokens: false, stateDirectory: out + "/.tanba", report: report, metrics: metrics)
        if let (_, error) = setup.unusable.first { throw error }
        var settings = configuration.limits.pipelineSettings
        settings.endsWithLog = true
        // There is nobody to leave the documents to.
        (settings.giveUpAfter, settings.stampDeadline) = (nil, nil)
        let pipeline = Pipeline(
            log: log, profiles: setup.profiles, worker: configuration.worker.id, settings: settings, report: report, metrics: metrics)
        let progress = ProgressLine("documents", total: set.documents.count)
        let tally = Tally(progress: progress)
        for problem in set.problems { tally.note(problem) }
        let outputs = SignatureOutputs(log: log, folder: SignatureFolder(path: out), tally: tally)
        let interruption = Interruption()
        let signals = TerminationSignals { _ in interruption.raise(pipeline) }
        defer { withExtendedLifetime(signals) {} }

        let feeder = FolderFeeder(
            log: log, profile: setup.profiles[0], outputs: outputs, tally: tally, chunkMax: Self.chunkMax, waitingMax: Self.waitingMax)
        let firstNew = try await log.resultCount()
        do {
            try await withThrowingTaskGroup { group in
                group.addTask { try await feeder.feed(set.documents, until: interruption) }
                group.addTask {
                    try await pipeline.run()
                    outputs.pipelineEnded()
                }
                group.addTask { try await outputs.follow(from: Offset(Int64(firstNew))) }
                try await group.waitForAll()
            }
        } catch {
            progress.clear()
            await setup.close()
            throw error
        }
        await setup.close()
        try SignatureFolder(path: out).synchronize()
        progress.clear()
        let summary = tally.summary(
            seconds: (ContinuousClock.now - start).seconds, skippedOutputs: set.skippedOutputs, stages: pipeline.stageTotals)
        StandardStreams.writeOut(isJSON ? summary.json : summary.text(out: out))
        if interruption.isRaised {
            StandardStreams.writeError("tanba: interrupted; run the same command again to go on\n")
            return .worldFailed
        }
        return summary.refused + summary.problems > 0 ? .refused : .done
    }
}

/// SIGINT or SIGTERM: what is in flight is finished, nothing new begins.
final class Interruption: Sendable {
    private let raised = Locked(false)

    func raise(_ pipeline: Pipeline) {
        raised.withLock { $0 = true }
        Task { await pipeline.drain() }
    }

    var isRaised: Bool { raised.withLock { $0 } }
}
