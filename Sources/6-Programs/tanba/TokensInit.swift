import CommandLineOptions
import JSON
import OperatingSystem
import TokenCeremony

/// `tanba tokens init`: a new token.
struct TokensInitCommand {
    static let declaration = Command(
        "init", arguments: "", summary: "make a new, empty token with its PINs",
        options: [
            .configuration, .token, .module, .tokenLabel, .slot, .pin,
            Option("so-pin", argument: "SOURCE", help: "where the security officer's PIN (PUK) is: file:/path, fd:NUMBER or env:NAME"),
            Option("erase", help: "DESTROY the token that is there, with all its keys"),
            .json,
        ],
        examples: [
            Example("tanba tokens init --token hsm --so-pin file:/etc/tanba/so-pin", "label and user's PIN come from the configuration"),
            Example("tanba tokens init --module PATH --label office --pin env:PIN --so-pin env:PUK", "without a configuration"),
        ])

    private let step: TokenInitialisation
    private let isJSON: Bool

    init(_ invocation: Invocation) throws {
        step = TokenInitialisation(
            try invocation.tokenPlace(), officerPIN: try invocation.secretSource("so-pin"), erases: invocation.flag("erase"))
        isJSON = invocation.flag("json")
    }

    func run() throws -> ExitStatus {
        let done = try step.run()
        guard isJSON else {
            StandardStreams.writeOut(shown("token \"\(done.label)\", serial \(done.serialNumber), made in slot \(done.slot)") + "\n")
            return .done
        }
        var writer = JSONWriter()
        writer.beginObject()
        writer.text("label", done.label)
        writer.text("serialNumber", done.serialNumber)
        writer.key("slot")
        writer.integer(Int64(clamping: done.slot))
        writer.endObject()
        StandardStreams.writeOut(writer.finish() + [UInt8(ascii: "\n")])
        return .done
    }
}
