public import CMS
public import FoundationEssentials
public import LibCrypto
public import Log
import Metrics
import OperatingSystem
import PKCS11
import SigningPipeline
import TokenSigner

/// Proves configured keys, one after the other, and measures how fast each signs: challenges are signed, each signature is verified with the
/// certificate, and the token's knee is looked for meanwhile.
///
/// A PIN that a token refuses is sent to it once, however many of its keys are tried.
public actor KeyTrials {
    /// A key on a token, and how it is to sign.
    public struct Key: Sendable {
        public var token: TokenPlace
        /// Sessions to sign with at most.
        public var sessionsMax: Int
        /// CKA_ID.
        public var id: [UInt8]
        /// nil for the one beside the key.
        public var certificate: Certificate?
        public var digest: DigestAlgorithm
        /// nil for the key's usual one.
        public var mechanism: MechanismChoice?

        public init(
            token: TokenPlace, sessionsMax: Int, id: [UInt8], certificate: Certificate?, digest: DigestAlgorithm, mechanism: MechanismChoice?
        ) {
            self.token = token
            self.sessionsMax = sessionsMax
            self.id = id
            self.certificate = certificate
            self.digest = digest
            self.mechanism = mechanism
        }
    }

    /// What became of one key.
    public struct Outcome: Sendable {
        /// "key 01 on token hsm".
        public fileprivate(set) var name: String
        /// The token's state, by the names of docs/tokens.md: `up`, `away`, `failing`, `suspect`, `locked-out`; or `misfit` where the token
        /// answers and key, certificate, mechanism or digest do not fit.
        public fileprivate(set) var state: String
        public fileprivate(set) var certificate: Certificate?
        /// Whole days until the certificate ends; negative after it has ended.
        public fileprivate(set) var daysLeft: Int?
        /// What the key signed with.
        public fileprivate(set) var algorithm: String?
        /// Signatures that were made and verified.
        public fileprivate(set) var signatures = 0
        /// In the last part of the trial.
        public fileprivate(set) var signaturesPerSecond = 0.0
        /// How many signatures at once the token was given at the end.
        public fileprivate(set) var width = 0
        /// Whether `width` is the knee; else the trial was too short to find it.
        public fileprivate(set) var isKneeFound = false
        /// What is not as it should be, each with what to do about it.
        public fileprivate(set) var problems: [String] = []

        public var isHealthy: Bool { problems.isEmpty }
    }

    private let registry: TokenRegistry
    private let log: Log
    private let now: Date
    /// Read once: a descriptor can be read only once.
    private var pins: [SecretSource: Secret] = [:]

    /// - Parameter now: when certificates are judged.
    public init(log: Log, now: Date) {
        self.log = log
        self.now = now
        registry = TokenRegistry(log: log, metrics: Metrics())
    }

    /// Tries one key: up to three times the duration to find the knee, then the duration to measure.
    public func run(_ key: Key, measuring duration: Duration) async -> Outcome {
        var outcome = Outcome(name: "key \(hexadecimal(key.id)) on token \(key.token.name)", state: "failing")
        do {
            let token = registry.token(
                TokenSettings(
                    name: key.token.name, module: key.token.module, label: key.token.label ?? "", pin: try pin(of: key.token),
                    sessions: key.sessionsMax, environment: key.token.environment))
            let signer = try await TokenSigner.start(
                token, key: key.id, certificate: key.certificate, mayBeAway: false, use: TokenSigner.Use(key.digest, key.mechanism))
            note(key, &outcome)
            await measure(signer, key, duration, &outcome)
            await signer.close()
        } catch let error as SignerError {
            outcome.problems.append("\(error)")
            // A token that never worked is not known to be away: what went wrong says more.
            if let status = status(of: key), status.state != .away || status.reason.contains(error.reason) { outcome.state = status.state.rawValue }
            if error.isMisfit { outcome.state = Self.misfit }
        } catch {
            outcome.problems.append("\(error)")
        }
        return outcome
    }

    private func pin(of place: TokenPlace) throws -> Secret {
        guard let source = place.pin else {
            throw CeremonyError(.unusable, "token \(place.name)", "where its PIN is was not said", remedy: "say it with --pin")
        }
        if let known = pins[source] { return known }
        let secret = try source.read()
        pins[source] = secret
        return secret
    }

    /// The token's state and width, and why it is not up.
    private func note(_ key: Key, _ outcome: inout Outcome) {
        guard let status = status(of: key) else { return }
        outcome.state = status.state.rawValue
        outcome.width = status.width
        outcome.isKneeFound = status.isKneeFound
        if status.state != .up, outcome.problems.isEmpty { outcome.problems.append(status.reason) }
    }

    private func status(of key: Key) -> TokenStatus? { registry.report().first { $0.name == key.token.name } }

    private func measure(_ signer: TokenSigner, _ key: Key, _ duration: Duration, _ outcome: inout Outcome) async {
        let certificate = signer.certificate
        outcome.certificate = certificate
        outcome.daysLeft = Int((certificate.notAfter.timeIntervalSince(now) / 86_400).rounded(.down))
        if certificate.notAfter < now { outcome.problems.append("its certificate has ended; import a new one") }
        if certificate.notBefore > now { outcome.problems.append("its certificate is not valid yet; check the clock") }
        guard let algorithm = SignatureAlgorithm.fitting(certificate.publicKey, key.digest, by: key.mechanism) else {
            outcome.state = Self.misfit
            outcome.problems.append(
                "a key of kind \(certificate.publicKey.kind) cannot sign with \(key.digest)\(key.mechanism.map { " and \($0)" } ?? ""); "
                    + "correct digest or mechanism of its profile")
            return
        }
        outcome.algorithm = algorithm.name
        let load = Load(signer: signer, algorithm: algorithm)
        let name = key.token.name
        do {
            // A search ends when the token's knee is found; then the token is measured at it.
            let searched = try await load.run(for: duration * 3) { [registry] in
                registry.report().first { $0.name == name }?.isKneeFound == true
            }
            let measured = try await load.run(for: duration)
            outcome.signatures = searched.count + measured.count
            outcome.signaturesPerSecond = Double(measured.count) / max(measured.seconds, 0.001)
        } catch {
            outcome.problems.append("\(error)")
        }
        note(key, &outcome)
    }

    private static let misfit = "misfit"
}

/// Keeps a key as busy as it can be.
private struct Load: Sendable {
    let signer: TokenSigner
    let algorithm: SignatureAlgorithm

    /// - Parameter isDone: ends it before the time; asked after each batch.
    /// - Returns: how many signatures were made and verified, and in what time.
    func run(for duration: Duration, until isDone: @Sendable () -> Bool = { false }) async throws -> (count: Int, seconds: Double) {
        let start = ContinuousClock.now
        let end = start + duration
        return try await withThrowingTaskGroup(of: Int.self) { group in
            var inFlight = 0
            var count = 0
            repeat {
                // Twice what runs at once: a token that waits for work does not show what it can.
                while inFlight < 2 * signer.width + 2 {
                    group.addTask { try await batch() }
                    inFlight += 1
                }
                count += try await group.next() ?? 0
                inFlight -= 1
            } while ContinuousClock.now < end && !isDone()
            // What is still under way counts with the time that it takes.
            for try await more in group { count += more }
            return (count, (ContinuousClock.now - start).seconds)
        }
    }

    /// Signs challenges and verifies them, apart from the checks that the signer makes itself.
    private func batch() async throws -> Int {
        let inputs = (0..<signer.batchSize).map { _ in algorithm.input(of: Randomness.bytes(64)) }
        let signatures = try await signer.sign(inputs, with: algorithm)
        let key = signer.certificate.publicKey
        guard signatures.count == inputs.count, algorithm.isValid(signature: signatures[0], ofInput: inputs[0], by: key) else {
            throw SignerError(
                token: signer.name, reason: "a signature does not verify with the certificate of \(signer.certificate)",
                remedy: "check which key the token has under this id", isPermanent: true)
        }
        return signatures.count
    }
}
