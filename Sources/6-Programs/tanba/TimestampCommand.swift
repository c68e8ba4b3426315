import CommandLineOptions

/// `tanba timestamp`: what the operator does with time-stamping authorities, one file a command (Timestamp*.swift).
enum TimestampCommand {
    static let declaration = Command(
        "timestamp", summary: "ask a time-stamping authority and check its answer", commands: [TimestampTestCommand.declaration])

    static func run(_ invocation: Invocation) async throws -> ExitStatus {
        switch invocation.command {
        case "timestamp test": try await TimestampTestCommand(invocation).run()
        default: preconditionFailure("\(invocation.command) is declared and not run")
        }
    }
}
