import CMS
import CommandLineOptions
import Configuration
import FoundationEssentials
import JSON
import LibCrypto
import Log
import OperatingSystem
import TokenCeremony

/// `tanba tokens test`: whether the configured keys sign, and how fast.
struct TokensTestCommand {
    static let declaration = Command(
        "test", arguments: "", summary: "prove the keys of the configuration, and measure them",
        options: [
            .configuration, .token,
            Option("seconds", argument: "NUMBER", help: "how long each key is measured, 1 to 60", default: "2"), .json,
        ],
        examples: [
            Example("tanba tokens test", "each key signs challenges, which its certificate must verify"),
            Example("tanba tokens test --token hsm --seconds 10", "the keys of one token, with more time to find its knee"),
        ])

    private let keys: [(key: KeyTrials.Key, profiles: [String])]
    private let seconds: Int
    private let isJSON: Bool

    init(_ invocation: Invocation) throws {
        guard let seconds = Int(invocation.value("seconds")!), 1...60 ~= seconds else {
            throw UsageError(description: "--seconds is a whole number from 1 to 60")
        }
        self.seconds = seconds
        isJSON = invocation.flag("json")
        keys = try Self.keys(of: try invocation.configuration(), token: invocation.value("token"))
    }

    func run() async throws -> ExitStatus {
        let trials = KeyTrials(log: Log.text(program: "tanba", minimum: .error), now: Date())
        var outcomes: [(outcome: KeyTrials.Outcome, profiles: [String])] = []
        for (key, profiles) in keys {
            let outcome = await trials.run(key, measuring: .seconds(seconds))
            outcomes.append((outcome, profiles))
            if !isJSON { StandardStreams.writeOut(outcome.lines(profiles).map { shown($0) + "\n" }.joined()) }
        }
        if isJSON {
            var writer = JSONWriter()
            writer.beginObject()
            writer.array("keys", outcomes) { $1.outcome.write(to: &$0, $1.profiles) }
            writer.endObject()
            StandardStreams.writeOut(writer.finish() + [UInt8(ascii: "\n")])
        }
        return outcomes.allSatisfy(\.outcome.isHealthy) ? .done : .refused
    }

    /// Each key on a token once for each way in which profiles use it.
    private static func keys(of configuration: TanbaConfiguration, token name: String?) throws -> [(key: KeyTrials.Key, profiles: [String])] {
        var found: [(key: KeyTrials.Key, profiles: [String], use: Use)] = []
        if let name, !configuration.tokens.contains(where: { $0.name == name }) {
            throw UsageError(description: "\(configuration.file) has no token \(name)")
        }
        for profile in configuration.profiles {
            for key in profile.keys {
                guard case .token(let token, let id) = key.place, name == nil || name == token else { continue }
                let use = Use(token: token, id: id, certificate: key.certificate, digest: profile.digest, mechanism: profile.mechanism)
                if let index = found.firstIndex(where: { $0.use == use }) {
                    found[index].profiles.append(profile.name)
                    continue
                }
                let place = configuration.tokens.first { $0.name == token }!
                let trial = KeyTrials.Key(
                    token: TokenPlace(place, in: configuration), sessionsMax: place.sessions, id: id,
                    certificate: try key.certificate.map(certificate), digest: DigestAlgorithm(named: profile.digest)!,
                    mechanism: profile.mechanism)
                found.append((trial, [profile.name], use))
            }
        }
        guard !found.isEmpty else {
            throw UsageError(
                description: "\(configuration.file) has no profile with a key on \(name.map { "the token \($0)" } ?? "a token"); add one to profiles")
        }
        return found.map { ($0.key, $0.profiles) }
    }

    private struct Use: Equatable {
        let token: String
        let id: [UInt8]
        let certificate: String?
        let digest: String
        let mechanism: MechanismChoice?
    }

    private static func certificate(in path: String) throws -> Certificate {
        do {
            return try Certificate.readPEM(Files.read(path, atMost: 1 << 20))[0]
        } catch {
            throw UsageError(description: "the certificate \(path) cannot be read: \(error)")
        }
    }
}

extension KeyTrials.Outcome {
    fileprivate func lines(_ profiles: [String]) -> [String] {
        var lines = ["\(name): \(isHealthy ? "good" : "NOT GOOD"), token \(state), for \(profiles.joined(separator: ", "))"]
        if signatures > 0 {
            let knee = isKneeFound ? "its knee is \(width)" : "\(width) at once, its knee is not found yet"
            lines.append("  \(Int(signaturesPerSecond.rounded())) signatures/s by \(algorithm ?? ""); \(knee); \(signatures) made and verified")
        }
        if let certificate, let daysLeft {
            lines.append("  certificate of \(certificate), " + (daysLeft < 0 ? "ended" : "\(daysLeft) days left"))
        }
        return lines + problems.map { "  PROBLEM: \($0)" }
    }

    fileprivate func write(to writer: inout JSONWriter, _ profiles: [String]) {
        writer.beginObject()
        writer.text("key", name)
        writer.optional("healthy", isHealthy)
        writer.text("state", state)
        writer.array("profiles", profiles) { $0.string($1) }
        writer.text("algorithm", algorithm ?? "")
        for (name, number) in [("signatures", signatures), ("width", width)] {
            writer.key(name)
            writer.integer(Int64(number))
        }
        writer.optional("kneeFound", isKneeFound)
        writer.key("signaturesPerSecond")
        writer.number(signaturesPerSecond)
        writer.text("subject", certificate?.subject ?? "")
        writer.key("daysLeft")
        if let daysLeft { writer.integer(Int64(daysLeft)) } else { writer.null() }
        writer.array("problems", problems) { $0.string($1) }
        writer.endObject()
    }
}
