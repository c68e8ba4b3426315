import CommandLineOptions
import Configuration
import OperatingSystem
import TokenCeremony

/// `tanba tokens`: what the operator does with tokens, one file a command (Tokens*.swift).
enum TokensCommand {
    static let declaration = Command(
        "tokens", summary: "list, watch and test tokens, and make tokens, keys and requests for certificates",
        commands: [
            TokensListCommand.declaration, TokensWatchCommand.declaration, TokensTestCommand.declaration, TokensInitCommand.declaration,
            TokensKeyCommand.declaration,
            TokensCSRCommand.declaration, TokensImportCommand.declaration,
        ])

    static func run(_ invocation: Invocation) async throws -> ExitStatus {
        switch invocation.command {
        case "tokens list": try TokensListCommand(invocation).run()
        case "tokens watch": try await TokensWatchCommand(invocation).run()
        case "tokens test": try await TokensTestCommand(invocation).run()
        case "tokens init": try TokensInitCommand(invocation).run()
        case "tokens key": try TokensKeyCommand(invocation).run()
        case "tokens csr": try TokensCSRCommand(invocation).run()
        case "tokens import": try TokensImportCommand(invocation).run()
        default: preconditionFailure("\(invocation.command) is declared and not run")
        }
    }
}

extension Option {
    static let token = Option("token", short: "t", argument: "NAME", help: "token of the configuration; not needed where it has one")
    static let module = Option("module", short: "m", argument: "PATH", help: "PKCS#11 module, in place of a configuration")
    static let tokenLabel = Option("label", short: "l", argument: "TEXT", help: "the token's label, with --module")
    static let slot = Option("slot", argument: "NUMBER", help: "the token's slot, as tokens list shows it")
    static let pin = Option(
        "pin", argument: "SOURCE", help: "where the user's PIN is: file:/path, fd:NUMBER or env:NAME (else the configuration's)")
}

extension Invocation {
    /// The token that the command line names, by configuration or by module.
    func tokenPlace() throws -> TokenPlace {
        if value("module") != nil { return try placeByModule() }
        let configuration = try tokenConfiguration()
        let token: TanbaConfiguration.Token
        if let name = value("token") {
            token = try self.token(name, in: configuration)
        } else {
            guard configuration.tokens.count == 1 else {
                let known = configuration.tokens.map(\.name).joined(separator: ", ")
                throw UsageError(
                    description: "\(configuration.file) has \(known.isEmpty ? "no tokens" : "several tokens"); "
                        + (known.isEmpty ? "add one, or use --module" : "choose one with --token: \(known)"))
            }
            token = configuration.tokens[0]
        }
        var place = TokenPlace(token, in: configuration)
        if let pin = try secretSource("pin") { place.pin = pin }
        place.slot = try slotNumber()
        return place
    }

    /// The tokens to look at, module by module.
    func tokenModules() throws -> [(path: String, environment: [String: String], places: [TokenPlace])] {
        if let module = value("module") {
            let isNamed = value("label") != nil || value("slot") != nil
            guard isNamed || value("pin") == nil else {
                throw UsageError(description: "--pin needs --label or --slot, so that no other token is given it")
            }
            return [(module, [:], isNamed ? [try placeByModule()] : [])]
        }
        guard value("slot") == nil else {
            throw UsageError(description: "--slot goes with --module; the tokens of a configuration are named with --token")
        }
        let configuration = try tokenConfiguration()
        var tokens = configuration.tokens
        if let name = value("token") { tokens = [try token(name, in: configuration)] }
        guard !tokens.isEmpty else { throw UsageError(description: "\(configuration.file) has no tokens; add one, or use --module") }
        var modules: [(path: String, environment: [String: String], places: [TokenPlace])] = []
        for token in tokens {
            var place = TokenPlace(token, in: configuration)
            if let pin = try secretSource("pin") { place.pin = pin }
            guard let index = modules.firstIndex(where: { $0.path == token.module }) else {
                modules.append((token.module, place.environment, [place]))
                continue
            }
            modules[index].places.append(place)
        }
        return modules
    }

    /// Where a secret is; nil when it was not said.
    func secretSource(_ option: String) throws -> SecretSource? {
        guard let text = value(option) else { return nil }
        // The text is not shown: it may be the PIN itself.
        guard let source = SecretSource(text) else {
            throw UsageError(description: "--\(option) must say where the PIN is, not what it is: file:/path, fd:NUMBER or env:NAME")
        }
        return source
    }

    /// Bytes of an id, as the configuration's `key` writes them.
    func keyID() throws -> [UInt8] {
        let text = value("id")!
        let digits = text.utf8.compactMap { Character(UnicodeScalar($0)).hexDigitValue }
        guard digits.count == text.utf8.count, digits.count.isMultiple(of: 2), 2...64 ~= digits.count else {
            throw UsageError(description: "--id is 2 to 64 hexadecimal digits, as in --id 01")
        }
        return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }

    private func slotNumber() throws -> UInt? {
        guard let text = value("slot") else { return nil }
        guard let number = UInt(text) else { throw UsageError(description: "--slot is a number, as tanba tokens list shows it") }
        return number
    }

    private func placeByModule() throws -> TokenPlace {
        guard value("config") == nil, value("token") == nil else {
            throw UsageError(description: "--module stands in place of a configuration; leave --config and --token out, or --module")
        }
        let (label, slot) = (value("label"), try slotNumber())
        let name = label ?? slot.map { "in slot \($0)" } ?? "of \(value("module")!)"
        return TokenPlace(name: name, module: value("module")!, label: label, slot: slot, pin: try secretSource("pin"))
    }

    private func tokenConfiguration() throws -> TanbaConfiguration {
        guard value("label") == nil else {
            throw UsageError(description: "--label goes with --module; the tokens of a configuration are named with --token")
        }
        return try configuration()
    }

    private func token(_ name: String, in configuration: TanbaConfiguration) throws -> TanbaConfiguration.Token {
        guard let token = configuration.tokens.first(where: { $0.name == name }) else {
            let known = configuration.tokens.map(\.name).joined(separator: ", ")
            throw UsageError(description: "\(configuration.file) has no token \(name); it has: \(known.isEmpty ? "none" : known)")
        }
        return token
    }
}

extension TokenPlace {
    init(_ token: TanbaConfiguration.Token, in configuration: TanbaConfiguration) {
        self.init(
            name: token.name, module: token.module, environment: configuration.environment(ofModule: token.module), label: token.label,
            pin: token.pin)
    }
}

extension CeremonyError {
    var exitStatus: ExitStatus {
        switch kind {
        case .refused: .refused
        case .unusable: .usage
        case .worldFailed: .worldFailed
        }
    }
}
