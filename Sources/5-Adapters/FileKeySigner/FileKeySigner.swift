public import CMS
public import LibCrypto
public import Log
public import Metrics
public import OperatingSystem
public import SigningPipeline

/// A key out of a PKCS #12 file, with its certificate: it signs in this process's memory, on its processors.
///
/// The file is decoded once, here; afterwards neither it nor its password is needed. The first signature and then one in `sampling`
/// are checked with the certificate's public key. A wrong one takes the key out, as a token's would; once the key has proved itself again,
/// each of its signatures is checked.
///
/// `SecureHeap.prepare()` belongs before the first of these, at the start of the program.
public final class FileKeySigner: DigestSigner {
    /// "key file /etc/tanba/office.p12"
    public let name: String
    public let certificate: Certificate
    public let chain: [Certificate]

    private let path: String
    /// How signatures are made.
    let key: Key
    private let log: Log
    private let metrics: FileKeySeries
    private let state: Locked<State>

    fileprivate struct State {
        var isIn = true
        /// One signature in so many is checked.
        var sampling: Int
        /// Signatures until the next one that is checked.
        var unchecked = 0
        /// Seconds of one private-key operation, smoothed.
        var pace = 0.001
    }

    /// Reads the file and proves its key: random challenges are signed and verified with the certificate.
    ///
    /// Blocks for the length of a disk's read and some milliseconds of arithmetic: call it before the work begins.
    /// - Parameters:
    ///   - name: as configuration, logs and metrics call the key; nil for the path.
    ///   - password: let go of when this returns; it is overwritten when nobody else holds it either.
    ///   - certificate: nil for the one in the file.
    ///   - chain: issuers of the certificate, for the signatures; nil for the other certificates of the file.
    ///   - sampling: one signature in so many is checked, at least 1, which checks all of them.
    /// - Throws: `SignerError`, permanent and a misfit where the file has no key that signs for its certificate, or the password is wrong.
    public init(
        name: String? = nil, pkcs12 path: String, password: Secret, certificate: Certificate? = nil, chain: [Certificate]? = nil,
        sampling: Int = 100, log: Log, metrics: Metrics
    ) throws(SignerError) {
        let name = name ?? path
        let opened = try Self.open(path, password, certificate)
        self.name = "key file \(name)"
        self.path = path
        self.certificate = opened.certificate
        self.chain = chain ?? opened.others
        key = .inMemory(opened.key)
        self.log = log.with([("key", LogValue(name))])
        self.metrics = FileKeyMetrics(metrics).series(key: name)
        state = Locked(State(sampling: max(1, sampling)))
        try prove()
        self.metrics.set(healthy: true)
        if let warning = SecureHeap.warning { self.log.warning("file-key-memory", warning) }
        self.log.info(
            "file-key-open", "",
            [("path", LogValue(path)), ("certificate", LogValue("\(self.certificate)")), ("sampling", LogValue(max(1, sampling)))])
    }

    /// With another way to sign, for tests.
    init(_ other: FileKeySigner, sampling: Int, key: Key) {
        name = other.name
        path = other.path
        certificate = other.certificate
        chain = other.chain
        self.key = key
        log = other.log
        metrics = other.metrics
        state = Locked(State(sampling: sampling))
    }

    public var width: Int { CPUWork.width }

    /// As many as are signed in about 20 ms.
    public var batchSize: Int { max(1, min(64, Int(0.020 / max(1e-6, state.withLock { $0.pace })))) }

    public var isIn: Bool { state.withLock { $0.isIn } }

    public func sign(_ digests: [[UInt8]], with algorithm: SignatureAlgorithm) async throws(SignerError) -> [[UInt8]] {
        guard !digests.isEmpty else { return [] }
        let sample = state.withLock { $0.sample(of: digests.count) }
        let batch: Batch
        do throws(CryptoError) {
            batch = try await CPUWork.run { [key, metrics, certificate] () throws(CryptoError) in
                try Batch(digests, algorithm, key: key, checking: sample, with: certificate.publicKey, metrics)
            }
        } catch {
            throw SignerError(
                keyFile: path, reason: "\(error)", remedy: "choose a mechanism and a digest that go with the key", isPermanent: true, isMisfit: true)
        }
        state.withLock { $0.pace += (batch.seconds - $0.pace) / 8 }
        guard let wrong = batch.wrong else { return batch.signatures }
        throw distrust("signature \(wrong + 1) of \(digests.count) does not verify with the certificate of \(certificate)")
    }

    /// Proves the key as it lies in memory; the file is not read again.
    ///
    /// - Throws: a permanent `SignerError` where it still signs wrongly.
    public func recover() async throws {
        try Task.checkCancellation()
        try await CPUWork.run { () throws(SignerError) in try self.prove() }
        state.withLock { $0.isIn = true }
        metrics.set(healthy: true)
        log.info("file-key-healthy")
    }

    public func close() async {
        metrics.set(healthy: false)
        log.info("file-key-closed")
    }

    private func distrust(_ reason: String) -> SignerError {
        state.withLock { state in
            state.isIn = false
            state.sampling = 1
            state.unchecked = 0
        }
        metrics.mismatch()
        metrics.set(healthy: false)
        log.error("file-key-wrong-signature", reason)
        return SignerError(
            keyFile: path, reason: reason, remedy: "if it happens again, this machine's memory or processor is failing", isPermanent: false)
    }

    /// Challenges signed and verified.
    private func prove() throws(SignerError) {
        let certificate = certificate
        guard let algorithm = SignatureAlgorithm.fitting(certificate.publicKey) else {
            throw SignerError(
                keyFile: path, reason: "a key of kind \(certificate.publicKey.kind) (certificate of \(certificate)) signs nothing here",
                remedy: "use a key of RSA, ECDSA on a NIST curve or Ed25519", isPermanent: true, isMisfit: true)
        }
        do throws(CryptoError) {
            let challenges = (0..<Self.challenges).map { _ in Randomness.bytes(algorithm.digest.function.byteCount) }
            let batch = try Batch(
                challenges, algorithm, key: key, checking: .all, with: certificate.publicKey, nil)
            if batch.wrong == nil { return state.withLock { $0.pace = batch.seconds } }
        } catch {
            throw SignerError(
                keyFile: path, reason: "the key of \(certificate) does not sign: \(error)", remedy: "export the key again", isPermanent: true,
                isMisfit: true)
        }
        throw SignerError(
            keyFile: path, reason: "the key makes signatures that the certificate of \(certificate) does not verify",
            remedy: "export the key again together with its own certificate; if it signed rightly before, restart on another machine",
            isPermanent: true, isMisfit: true)
    }

    private static func open(_ path: String, _ password: Secret, _ certificate: Certificate?) throws(SignerError) -> PKCS12 {
        let file: [UInt8]
        do {
            file = try Files.read(path, atMost: PKCS12.bytesMax)
        } catch {
            throw SignerError(
                keyFile: path, reason: "it cannot be read: \(error)", remedy: "name a file that this user, and best no other, can read",
                isPermanent: true)
        }
        do throws(PKCS12Error) {
            return try PKCS12(file, password: password, certificate: certificate)
        } catch {
            throw SignerError(
                keyFile: path, reason: error.reason, remedy: error.remedy, isPermanent: true, isMisfit: true)
        }
    }

    /// How many challenges prove a key.
    private static let challenges = 2
}

extension FileKeySigner {
    /// How signatures are made; a value, so that tests can put a failing one in its place.
    struct Key: Sendable {
        let sign: @Sendable (_ input: [UInt8], SignatureAlgorithm) throws(CryptoError) -> [UInt8]

        static func inMemory(_ key: PrivateKey) -> Key {
            Key { (input, algorithm) throws(CryptoError) in try algorithm.sign(input, with: key) }
        }
    }

    /// Which signatures of a batch are checked: the one at `first` and every `step`-th after it.
    struct Sample: Sendable {
        let first: Int
        let step: Int

        static let all = Sample(first: 0, step: 1)

        func contains(_ index: Int) -> Bool { index >= first && (index - first) % step == 0 }
    }

    /// The signatures of one call, made and sampled where it runs.
    fileprivate struct Batch: Sendable {
        var signatures: [[UInt8]] = []
        /// The index of one that was checked and is wrong.
        var wrong: Int?
        /// Of one signature, on average.
        var seconds = 0.0

        init(
            _ inputs: [[UInt8]], _ algorithm: SignatureAlgorithm, key: Key, checking sample: Sample, with publicKey: PublicKey,
            _ metrics: FileKeySeries?
        ) throws(CryptoError) {
            let clock = ContinuousClock()
            signatures.reserveCapacity(inputs.count)
            for (index, input) in inputs.enumerated() {
                let start = clock.now
                let signature = try key.sign(input, algorithm)
                let duration = start.duration(to: clock.now).seconds
                seconds += duration / Double(inputs.count)
                metrics?.signed(seconds: duration)
                signatures.append(signature)
                if sample.contains(index) {
                    metrics?.check()
                    if wrong == nil, !algorithm.isValid(signature: signature, ofInput: input, by: publicKey) { wrong = index }
                }
            }
        }
    }
}

extension FileKeySigner.State {
    /// Takes the next signatures, and says which of them are checked.
    mutating func sample(of count: Int) -> FileKeySigner.Sample {
        let sample = FileKeySigner.Sample(first: unchecked, step: sampling)
        // What is left of the distance to the next one that is checked
        let past = count - unchecked
        unchecked = past <= 0 ? -past : (sampling - past % sampling) % sampling
        return sample
    }
}
