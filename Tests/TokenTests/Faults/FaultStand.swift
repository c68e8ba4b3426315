import CAdES
import CMS
import Foundation
import LibCrypto
import Log
import Metrics
import OperatingSystem
import PKCS11
import SigningModel
import SigningPipeline
import SigningTestKit
import Testing
import TokenSigner

/// Tokens behind a copy of the shim, a stream in memory, and the pipeline between: what a worker has, with a clock that does not wait.
struct FaultStand {
    let lab = TokenLab.shared
    let shim: FaultShim
    let clock = FaultClock()
    let metrics = Metrics()
    let registry: TokenRegistry
    private let modulePath: String
    private let storage: MemoryStream

    /// - Parameter storage: what an earlier stand left, as a worker that is started again finds it.
    init(continuing storage: MemoryStream? = nil) throws {
        let (path, shim) = try lab.copyOfShim()
        self.shim = shim
        modulePath = path
        self.storage = storage ?? MemoryStream("faults", partitions: 2)
        let clock = clock
        registry = TokenRegistry(
            log: .silent, metrics: metrics, clock: clock.pipelineClock)
    }

    /// As a worker that was started again after a person had mended things: all is new but the stream.
    func restarted() throws -> FaultStand { try FaultStand(continuing: storage) }

    // MARK: - Signers and jobs

    func token(_ label: String, pin: String = TokenLab.pin, sessions: Int = 2) -> SharedToken {
        registry.token(
            TokenSettings(name: label, module: modulePath, label: label, pin: Secret(Array(pin.utf8)), sessions: sessions))
    }

    /// The P-256 key of the token, its certificate from a file.
    func signer(_ label: String, pin: String = TokenLab.pin, sessions: Int = 2) async throws(SignerError) -> TokenSigner {
        try await TokenSigner.start(
            token(label, pin: pin, sessions: sessions), key: TokenLab.p256, certificate: try! Certificate(der: lab.file("p256.der")))
    }

    func state(of label: String) -> String {
        registry.report().first { $0.name == label }.map { $0.state.rawValue } ?? "none"
    }

    func enqueue(_ count: Int) async {
        let first = await storage.jobCount
        for index in first..<(first + count) { await storage.enqueue(.test("job-\(index)", profile: "office")) }
    }

    var signed: Int { get async { await storage.resultCount } }
    /// How many jobs wait.
    var unsigned: Int { get async { await storage.jobCount - storage.resultCount } }

    // MARK: - Running

    /// Runs a pipeline over what is enqueued, to its end.
    /// - Returns: what ended it before; nil when all jobs have a result.
    func run(_ signers: [any DigestSigner], report: Log = .silent) async -> (any Error)? {
        do {
            var settings = PipelineSettings()
            settings.endsWithLog = true
            let pipeline = Pipeline(
                log: PatientLog(await MemoryJobLog(storage)),
                profiles: [try SigningProfile(name: "office", signers: signers, digest: .sha256, level: .baselineB)], worker: "faults",
                settings: settings, clock: clock.pipelineClock, report: report, metrics: Metrics())
            try await pipeline.run(within: .seconds(60))
            return nil
        } catch {
            return error
        }
    }

    /// What is wrong with the stream's results: bad signatures, jobs without a result, with two, or refused.
    /// - Parameter unsigned: how many jobs wait still; none of them has a result.
    func problems(unsigned: Int = 0) async -> [String] {
        var problems = await storage.breaches
        do {
            let certificate = try Certificate(der: lab.file("p256.der"))
            let results = try await storage.allResults()
            let jobs = await storage.jobCount
            if results.count != jobs - unsigned { problems.append("\(results.count) results of \(jobs) jobs, \(unsigned) of which wait") }
            if Set(results.compactMap(\.job)).count != results.count { problems.append("a job has two results") }
            for result in results {
                guard case .signed(let signature, let signer, _) = result.outcome, let job = result.job else {
                    problems.append("\(result.job ?? "?"): \(result.outcome)")
                    continue
                }
                let read = try CAdESSignature(der: signature.value)
                _ = try read.verify(documentDigest: DigestFunction.sha256.digest(Array(job.utf8)), timeStampTrust: { _, _, _ in nil })
                if read.certificate != certificate || signer.certificateSHA256 != certificate.sha256 {
                    problems.append("\(job): signed for \(read.certificate)")
                }
            }
        } catch {
            problems.append("a signature does not hold: \(error)")
        }
        return problems
    }
}
