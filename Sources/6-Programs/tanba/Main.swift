import CommandLineOptions
import Configuration
import EmbeddedJobLog
import Glibc
import KafkaJobLog
import KafkaResultStream
import LibCrypto
import OperatingSystem
import ResultExport
import SigningModel
import SigningPipeline
import SigningSetup
import TokenCeremony

/// `tanba`: for who has documents to sign and results to read.
@main struct Tanba {
    static let program = Program(
        "tanba", version: TanbaVersion.text, summary: "Signs many documents at once with keys that stay in their tokens.",
        commands: [
            SignCommand.declaration, EnqueueCommand.declaration, ResultsCommand.declaration, TokensCommand.declaration,
            TimestampCommand.declaration,
        ],
        exitStatuses: ExitStatus.explanations)

    static func main() async {
        ProcessHardening.disableCoreDumps()
        SecureHeap.prepare()
        switch program.parse(Array(CommandLine.arguments.dropFirst())) {
        case .print(let text):
            StandardStreams.writeOut(text)
            exit(.done)
        case .refused(let text):
            StandardStreams.writeError(text)
            exit(.usage)
        case .run(let invocation):
            exit(await run(invocation))
        }
    }

    private static func run(_ invocation: Invocation) async -> ExitStatus {
        do {
            switch invocation.command {
            case "sign": return try await SignCommand(invocation).run()
            case "enqueue": return try await EnqueueCommand(invocation).run()
            case let command where command.hasPrefix("tokens "): return try await TokensCommand.run(invocation)
            case let command where command.hasPrefix("timestamp "): return try await TimestampCommand.run(invocation)
            default: return try await ResultsCommand(invocation).run()
            }
        } catch {
            StandardStreams.writeError("tanba: \(error)\n")
            return exitStatus(of: error)
        }
    }

    /// What went wrong, by kind: the user's command or configuration, or the world.
    private static func exitStatus(of error: any Error) -> ExitStatus {
        switch error {
        case is UsageError, is ConfigurationError, is SigningProfileError, is ResultExportError: .usage
        case let error as SignerError where error.isMisfit: .usage
        case let error as CeremonyError: error.exitStatus
        case let error as JobLogError where error.kind == .misconfigured: .usage
        case let error as KafkaStreamError where error.isMisconfigured: .usage
        default: .worldFailed
        }
    }

    private static func exit(_ status: ExitStatus) -> Never {
        if status != .usage, let failure = StandardStreams.outFailure {
            StandardStreams.writeError("tanba: \(failure)\n")
            Glibc.exit(ExitStatus.worldFailed.rawValue)
        }
        Glibc.exit(status.rawValue)
    }
}

/// A command line that parses and still cannot be used.
struct UsageError: Error, CustomStringConvertible {
    let description: String
}

extension Option {
    static let configuration = Option("config", argument: "FILE", help: "configuration (else $TANBA_CONFIG, else \(TanbaConfiguration.defaultPath))")
    static let json = Option("json", argument: nil, help: "print what a program reads instead of what a person reads")
}

extension Invocation {
    /// The configuration that this command line names.
    func configuration() throws(ConfigurationError) -> TanbaConfiguration {
        let path = value("config") ?? Host.environment("TANBA_CONFIG") ?? TanbaConfiguration.defaultPath
        return try TanbaConfiguration.read(path, refusedKafkaProperty: KafkaProperties.refused)
    }
}
