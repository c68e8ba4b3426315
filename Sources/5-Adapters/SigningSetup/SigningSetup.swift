import CMS
import CertificateTrust
public import Configuration
import FileKeySigner
import FoundationEssentials
import LibCrypto
public import Log
public import Metrics
import OperatingSystem
public import SigningPipeline
import TimeStampClient
import TokenSigner

/// The signers, authorities and profiles that a configuration names, opened and proved to fit.
///
/// Only what the chosen profiles need is opened. A token is logged in to once, however many profiles use it.
public struct SigningSetup: Sendable {
    /// Those that can be used, in the order they were asked for.
    public let profiles: [SigningProfile]
    /// Those of which no key can be used before a person has helped, with what stands in the way of the first.
    public let unusable: [(profile: String, error: SignerError)]
    private let authorities: [Governor]
    private let registry: TokenRegistry

    /// Opens tokens and proves keys against their certificates.
    ///
    /// A key that cannot be used is reported and left out where its profile has another.
    /// - Parameters:
    ///   - names: profiles to set up.
    ///   - waitsForTokens: a token that is away now is waited for while jobs come, where its certificate is known; else its key counts as one
    ///     that cannot be used.
    ///   - stateDirectory: where what was learned of the tokens is kept, made when it is not there; nil for the configuration's, if any.
    /// - Throws: `ConfigurationError` for what the file says wrongly, `SigningProfileError` where key,
    ///   certificate, mechanism and digest do not fit. What was opened before is closed then.
    public init(
        _ configuration: TanbaConfiguration, profiles names: [String], waitsForTokens: Bool, stateDirectory: String? = nil, report: Log,
        metrics: Metrics
    ) async throws {
        let directory = configuration.worker.stateDirectory ?? stateDirectory
        if let directory { try Files.createDirectory(directory) }
        let memory = directory.map { KneeMemory(path: "\($0)/\(configuration.worker.id).tokens.json") }
        let authorityMemory = directory.map { AuthorityMemory(path: "\($0)/\(configuration.worker.id).timestamps.json") }
        registry = TokenRegistry(log: report, metrics: metrics, memory: memory)
        var builder = Builder(
            configuration: configuration, waitsForTokens: waitsForTokens, registry: registry, authorityMemory: authorityMemory, report: report,
            metrics: metrics)
        do {
            for name in names { try await builder.add(name) }
        } catch {
            await Self.close(builder.profiles, Array(builder.authorities.values))
            throw error
        }
        profiles = builder.profiles
        unusable = builder.unusable
        authorities = Array(builder.authorities.values)
    }

    /// Cards came or went: tokens that are in look whether they still are, and those that are out are tried at once.
    public func readersChanged() async { await registry.readersChanged() }

    /// Logs out of the tokens and closes connections; after the last pipeline ended.
    public func close() async { await Self.close(profiles, authorities) }

    private static func close(_ profiles: [SigningProfile], _ authorities: [Governor]) async {
        for signer in profiles.flatMap(\.signers) { await signer.close() }
        for authority in authorities { await authority.close() }
    }

    private struct Builder {
        let configuration: TanbaConfiguration
        let waitsForTokens: Bool
        let registry: TokenRegistry
        let authorityMemory: AuthorityMemory?
        let report: Log
        let metrics: Metrics
        var profiles: [SigningProfile] = []
        var unusable: [(profile: String, error: SignerError)] = []
        /// One for each authority, whichever profiles use it: its budget is one.
        var authorities: [String: Governor] = [:]
        /// A file is read once, however many profiles sign with it.
        var fileKeys: [TanbaConfiguration.Key: FileKeySigner] = [:]
        /// PINs and passwords are read once: a descriptor can be read only once.
        var secrets: [SecretSource: Secret] = [:]

        mutating func add(_ name: String) async throws {
            guard let profile = configuration.profiles.first(where: { $0.name == name }) else {
                let known = configuration.profiles.map(\.name).joined(separator: ", ")
                throw error("there is no profile \(name)", known.isEmpty ? "add it to profiles" : "use one of: \(known)")
            }
            let level: SigningProfile.Level = profile.authorities.isEmpty ? .baselineB : .baselineT(try group(profile))
            var signers: [any DigestSigner] = []
            var failures: [SignerError] = []
            do {
                for key in profile.keys {
                    do {
                        signers.append(try await signer(key, of: profile))
                    } catch let error as SignerError where !error.isMisfit {
                        report.error("key-unusable", "\(error)", [("profile", LogValue(name))])
                        failures.append(error)
                    } catch let error as SignerError {
                        throw SigningProfileError(profile: name, reason: "\(error.place): \(error.reason)", remedy: error.remedy)
                    }
                }
                guard !signers.isEmpty else { return unusable.append((name, failures[0])) }
                profiles.append(
                    try SigningProfile(
                        name: name, signers: signers, digest: DigestAlgorithm(named: profile.digest)!, mechanism: profile.mechanism, level: level))
            } catch {
                for signer in signers { await signer.close() }
                throw error
            }
        }

        private mutating func signer(_ key: TanbaConfiguration.Key, of profile: TanbaConfiguration.Profile) async throws -> any DigestSigner {
            let certificate = try key.certificate.map { path in
                guard let first = try certificates(in: path).first else { throw error("\(path) holds no certificate", "name a PEM file with one") }
                return first
            }
            let chain = try key.chain.map { try certificates(in: $0) } ?? []
            switch key.place {
            case .token(let name, let id):
                let token = configuration.tokens.first { $0.name == name }!
                return try await TokenSigner.start(
                    registry.token(
                        TokenSettings(
                            name: token.name, module: token.module, label: token.label,
                            pin: secret(token.pin, named: "the PIN of token \(token.name)"), sessions: token.sessions,
                            environment: configuration.environment(ofModule: token.module))),
                    key: id, certificate: certificate, chain: chain, mayBeAway: waitsForTokens,
                    use: TokenSigner.Use(DigestAlgorithm(named: profile.digest)!, profile.mechanism))
            case .pkcs12(let path, let password):
                if case .number(let number)? = profile.mechanism {
                    throw SigningProfileError(
                        profile: profile.name, reason: "key file \(path): the mechanism 0x\(String(number, radix: 16)) is one of tokens",
                        remedy: "name the mechanism, or none, for a key in a file")
                }
                if let known = fileKeys[key] { return known }
                let signer = try FileKeySigner(
                    pkcs12: path, password: secret(password, named: "the password of \(path)"), certificate: certificate,
                    chain: key.chain == nil ? nil : chain, sampling: configuration.limits.fileKeySampling, log: report, metrics: metrics)
                fileKeys[key] = signer
                return signer
            }
        }

        /// - Parameter name: for a person, such as "the PIN of token hsm".
        private mutating func secret(_ source: SecretSource, named name: String) throws -> Secret {
            if let known = secrets[source] { return known }
            do {
                let secret = try source.read()
                secrets[source] = secret
                return secret
            } catch {
                throw self.error("\(name) cannot be read: \(error)", "make it readable for this user alone")
            }
        }

        private mutating func group(_ profile: TanbaConfiguration.Profile) throws -> AuthorityGroup {
            var members: [AuthorityGroup.Member] = []
            for choice in profile.authorities { members.append(AuthorityGroup.Member(try authority(choice.name), weight: choice.weight)) }
            return AuthorityGroup(members, hedgeAfter: profile.hedgeAfter, metrics: metrics, log: report)
        }

        private mutating func authority(_ name: String) throws -> Governor {
            if let known = authorities[name] { return known }
            let settings = configuration.authorities.first { $0.name == name }!
            var client = TimeStampClient.Settings(name: name, url: settings.url, policy: settings.policy)
            client.inFlightMax = settings.inFlightMax
            client.connectTimeout = settings.connectTimeout
            client.timeout = settings.timeout
            client.clockTolerance = settings.clockSkewMax
            var governor = Governor.Settings()
            governor.inFlightMax = settings.inFlightMax
            governor.budget = settings.budget.map { RequestRate($0.requests, in: $0.window) }
            let trust = TrustAnchors(try certificates(in: settings.trust))
            let authority = Governor(
                try TimeStampClient(client, trust: trust, now: { Date() }, metrics: metrics, log: report), governor, memory: authorityMemory,
                metrics: metrics, log: report)
            authorities[name] = authority
            return authority
        }

        private func certificates(in path: String) throws -> [Certificate] {
            do {
                return try Certificate.readPEM(Files.read(path, atMost: 1 << 20))
            } catch {
                throw self.error("the certificates in \(path) cannot be read: \(error)", "name a readable PEM file")
            }
        }

        private func error(_ reason: String, _ remedy: String) -> ConfigurationError {
            ConfigurationError(file: configuration.file, line: nil, reason: reason, remedy: remedy)
        }
    }
}

extension TanbaConfiguration.Limits {
    /// The pipeline's bounds as the file gives them.
    public var pipelineSettings: PipelineSettings {
        var settings = PipelineSettings()
        settings.inFlightMax = inFlightMax
        settings.partitionInFlightMax = inFlightMax
        settings.batchResultsMax = batchResultsMax
        settings.batchBytesMax = batchBytesMax
        settings.batchWaitMax = batchWaitMax
        settings.drainMax = drainMax
        settings.giveUpAfter = giveUpAfter
        settings.stampDeadline = stampDeadline
        return settings
    }
}
