import CommandLineOptions
import JSON
import OperatingSystem
import TokenCeremony

/// `tanba tokens key`: a key pair made inside a token.
struct TokensKeyCommand {
    static let declaration = Command(
        "key", arguments: "", summary: "make a key pair inside a token, which it never leaves",
        options: [
            .keyID,
            Option("kind", argument: KeyCreation.kinds.joined(separator: "|"), help: "kind of key", default: "p-256"),
            Option("key-label", argument: "TEXT", help: "the key's label, for people", default: "tanba"),
            .configuration, .token, .module, .tokenLabel, .slot, .pin, .json,
        ],
        examples: [Example("tanba tokens key --token hsm --id 01 --kind rsa-3072", "the id is what the configuration calls the key")])

    private let step: KeyCreation
    private let isJSON: Bool

    init(_ invocation: Invocation) throws {
        step = KeyCreation(
            try invocation.tokenPlace(), kind: invocation.value("kind")!, id: try invocation.keyID(), label: invocation.value("key-label")!)
        isJSON = invocation.flag("json")
    }

    func run() throws -> ExitStatus {
        let key = try step.run()
        guard isJSON else {
            StandardStreams.writeOut(shown("key \(key.id) \"\(key.label)\" made: \(key.words)") + "\n")
            return .done
        }
        var writer = JSONWriter()
        key.write(to: &writer)
        StandardStreams.writeOut(writer.finish() + [UInt8(ascii: "\n")])
        return .done
    }
}

extension Option {
    static let keyID = Option("id", argument: "HEX", help: "the key's id (CKA_ID) in hexadecimal digits, as in 01", required: true)
}
