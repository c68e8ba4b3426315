import CommandLineOptions
import Configuration
import Glibc
import KafkaJobLog
import LibCrypto
import Log
import OperatingSystem
import SigningModel
import SigningPipeline

/// `tanba-worker`: signs the jobs of its streams until it is told to stop.
@main struct TanbaWorker {
    static let program = Program(
        "tanba-worker", version: TanbaVersion.text, summary: "Signs the jobs of Kafka streams with the keys of its tokens.",
        commands: [
            Command(
                "", arguments: "", summary: "run until SIGTERM, which drains: what is in flight is finished, committed, and the tokens logged out",
                options: [
                    Option("config", argument: "FILE", help: "configuration (else $TANBA_CONFIG, else \(TanbaConfiguration.defaultPath))"),
                    Option("check", argument: nil, help: "check the configuration and open the tokens, then end"),
                ],
                examples: [
                    Example("tanba-worker --config /etc/tanba/tanba.yaml", "run in the foreground, as a service manager wants it"),
                    Example("tanba-worker --config new.yaml --check", "try a configuration before it is used"),
                ])
        ], exitStatuses: ExitStatus.explanations)

    static func main() async {
        ProcessHardening.disableCoreDumps()
        SecureHeap.prepare()
        switch program.parse(Array(CommandLine.arguments.dropFirst())) {
        case .print(let text):
            StandardStreams.writeOut(text)
            exit(ExitStatus.done.rawValue)
        case .refused(let text):
            StandardStreams.writeError(text)
            exit(ExitStatus.usage.rawValue)
        case .run(let invocation):
            exit(await run(invocation).rawValue)
        }
    }

    /// The one place that says how the world's failures end the process.
    private static func run(_ invocation: Invocation) async -> ExitStatus {
        let report = Log.jsonLines(program: "tanba-worker")
        do {
            let path = invocation.value("config") ?? Host.environment("TANBA_CONFIG") ?? TanbaConfiguration.defaultPath
            let configuration = try TanbaConfiguration.read(path, refusedKafkaProperty: KafkaProperties.refused)
            let service = try await Service(configuration, waitsForTokens: !invocation.flag("check"), report: report)
            if invocation.flag("check") {
                await service.close()
                if let error = service.firstUnusable { throw error }
                return .done
            }
            try await service.run()
            return .done
        } catch {
            report.error("ended", "\(error)")
            return exitStatus(of: error)
        }
    }

    private static func exitStatus(of error: any Error) -> ExitStatus {
        switch error {
        case is ConfigurationError, is SigningProfileError: .usage
        case let error as SignerError where error.isMisfit: .usage
        case let error as JobLogError where error.kind == .misconfigured: .usage
        default: .worldFailed
        }
    }
}
