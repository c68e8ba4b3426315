import CMS
import CertificateTrust
import CommandLineOptions
import Configuration
import DER
import FoundationEssentials
import HTTPClient
import JSON
import LibCrypto
import Log
import Metrics
import OperatingSystem
import SigningModel
import SigningPipeline
import TimeStampClient
import TimeStampProtocol

/// `tanba timestamp test`: one request to an authority, and everything about its answer that a signature would rely on.
struct TimestampTestCommand {
    static let declaration = Command(
        "test", arguments: "[URL]", summary: "ask an authority for one time-stamp, check everything about it, and show it",
        options: [
            .configuration,
            Option("authority", short: "a", argument: "NAME", help: "authority of the configuration, in place of a URL"),
            Option("trust", argument: "PEM", help: "roots that the authority's certificate must lead to (for a URL else \(machineRoots))"),
            Option("policy", argument: "OID", help: "policy to ask for and demand, dotted; else the configuration's, or the authority's choice"),
            Option("digest", argument: "sha256|sha384|sha512", help: "algorithm of the imprint", default: "sha256"),
            .json,
        ],
        examples: [
            Example("tanba timestamp test http://tsa.example/ --trust tsa-ca.pem", "an authority that is not configured yet"),
            Example("tanba timestamp test --authority main", "one of the configuration, as a worker would ask it"),
        ])

    /// Where Debian keeps the roots that a machine trusts.
    private static let machineRoots = "/etc/ssl/certs/ca-certificates.crt"

    private let settings: TimeStampClient.Settings
    private let address: HTTPAddress
    private let trustPath: String
    private let trust: TrustAnchors
    private let digest: DigestAlgorithm
    private let isJSON: Bool

    init(_ invocation: Invocation) throws {
        var settings: TimeStampClient.Settings
        if let url = invocation.arguments.first {
            guard invocation.value("authority") == nil, invocation.value("config") == nil else {
                throw UsageError(description: "a URL stands in place of a configured authority; leave it out, or --config and --authority")
            }
            settings = TimeStampClient.Settings(name: "", url: url)
            trustPath = invocation.value("trust") ?? Self.machineRoots
        } else {
            let authority = try Self.authority(invocation)
            settings = TimeStampClient.Settings(name: authority.name, url: authority.url, policy: authority.policy)
            settings.connectTimeout = authority.connectTimeout
            settings.timeout = authority.timeout
            settings.clockTolerance = authority.clockSkewMax
            trustPath = invocation.value("trust") ?? authority.trust
        }
        do throws(HTTPError) {
            address = try HTTPAddress(settings.url)
        } catch {
            // Not shown: it may carry a password
            throw UsageError(description: "the URL cannot be used: \(error.reason); give one like http://tsa.example/")
        }
        if settings.name.isEmpty { settings.name = "\(address)" }
        if let policy = invocation.value("policy") {
            guard ObjectIdentifier(dotted: policy) != nil else {
                throw UsageError(description: "--policy is an object identifier, as in --policy 1.2.3.4.1")
            }
            settings.policy = policy
        }
        do {
            trust = try TrustAnchors(pem: Files.read(trustPath, atMost: 4 << 20))
        } catch {
            throw UsageError(description: "the roots in \(trustPath) cannot be read: \(error); name a PEM file with --trust")
        }
        self.settings = settings
        digest = DigestAlgorithm(named: invocation.value("digest")!)!
        isJSON = invocation.flag("json")
    }

    private static func authority(_ invocation: Invocation) throws -> TanbaConfiguration.Authority {
        let configuration = try invocation.configuration()
        let known = configuration.authorities.map(\.name).joined(separator: ", ")
        if let name = invocation.value("authority") {
            guard let authority = configuration.authorities.first(where: { $0.name == name }) else {
                throw UsageError(
                    description: "\(configuration.file) has no timestamp authority \(name); it has: \(known.isEmpty ? "none" : known)")
            }
            return authority
        }
        guard configuration.authorities.count == 1 else {
            throw UsageError(
                description: known.isEmpty
                    ? "\(configuration.file) has no timestamp authorities; add one, or give a URL"
                    : "\(configuration.file) has several timestamp authorities; choose one with --authority: \(known)")
        }
        return configuration.authorities[0]
    }

    func run() async throws -> ExitStatus {
        var trial = TimestampTrial(name: settings.name, address: "\(address)", trustPath: trustPath, askedPolicy: settings.policy)
        do throws(TimeStampAuthorityError) {
            let client = try TimeStampClient(
                settings, trust: trust, now: { Date() }, metrics: Metrics(), log: Log.text(program: "tanba", minimum: .error))
            let begin = ContinuousClock.now
            let answer: Result<TimeStampToken, TimeStampAuthorityError>
            do throws(TimeStampAuthorityError) {
                answer = .success(try await client.timeStamp(MessageImprint(of: Randomness.bytes(32), by: digest)))
            } catch {
                answer = .failure(error)
            }
            (trial.elapsed, trial.answered) = (ContinuousClock.now - begin, Date())
            await client.close()
            let token = try answer.get()
            trial.token = token
            let others = token.certificates.filter { $0 != token.authority }
            // It was trusted just now, or there were no token
            if case .trusted(let chain) = trust.judge(token.authority, with: others, as: .timeStamping, at: token.time) { trial.chain = chain }
        } catch {
            trial.error = error
            if error.fault == "certificate-untrusted" {
                trial.error?.remedy = "Name a PEM file with --trust that has the root its certificate comes from; \(trustPath) has not."
            }
        }
        StandardStreams.writeOut(isJSON ? trial.json : trial.text)
        return trial.exitStatus
    }
}

extension TimestampTrial {
    /// By kind: nothing came that could be a time-stamp, or something came that is not to be relied on.
    fileprivate var exitStatus: ExitStatus {
        switch error?.fault {
        case nil: .done
        case "settings-invalid": .usage
        case "unreachable", "timeout", "tls-failed", "broken-off", "cancelled", "closed", "http-status": .worldFailed
        default: .refused
        }
    }
}
