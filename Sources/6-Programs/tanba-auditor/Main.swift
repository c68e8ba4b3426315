import Auditor
import CommandLineOptions
import Glibc
import KafkaResultStream
import OperatingSystem
import ResultExport
import SigningModel

/// `tanba-auditor`: proves from results and trust anchors alone.
@main struct TanbaAuditor {
    static let program = Program(
        "tanba-auditor", version: TanbaVersion.text, summary: "Verifies signatures, and proves that a stream lost, added and forged nothing.",
        commands: [VerifyCommand.declaration, AuditCommand.declaration],
        exitStatuses: [
            (0, "everything holds"), (1, "something does not: the findings say what"),
            (2, "the command line or the client's properties cannot be used"),
            (3, "the world failed: a broker, a file"),
        ])

    static func main() async {
        switch program.parse(Array(CommandLine.arguments.dropFirst())) {
        case .print(let text):
            StandardStreams.writeOut(text)
            exit(.done)
        case .refused(let text):
            StandardStreams.writeError(text)
            exit(.usage)
        case .run(let invocation):
            do {
                exit(try await invocation.command == "verify" ? VerifyCommand(invocation).run() : AuditCommand(invocation).run())
            } catch {
                StandardStreams.writeError("tanba-auditor: \(error)\n")
                exit(status(of: error))
            }
        }
    }

    private static func status(of error: any Error) -> ExitStatus {
        switch error {
        case is UsageError: .usage
        case let error as KafkaStreamError where error.isMisconfigured: .usage
        case let error as ResultExportError:
            switch error.kind {
            case .otherStream: .usage
            case .unfinished: .worldFailed
            case .damaged: .refused
            }
        default: .worldFailed
        }
    }

    private static func exit(_ status: ExitStatus) -> Never {
        if let failure = StandardStreams.outFailure {
            StandardStreams.writeError("tanba-auditor: \(failure)\n")
            Glibc.exit(ExitStatus.worldFailed.rawValue)
        }
        Glibc.exit(status.rawValue)
    }
}
