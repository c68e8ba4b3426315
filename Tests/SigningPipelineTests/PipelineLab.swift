import CMS
import FoundationEssentials
import LibCrypto
import Log
import Metrics
import SigningModel
import SigningPipeline
import SigningTestKit

/// Everything a pipeline test needs, with defaults; a test changes one field and runs.
struct PipelineLab {
    var storage = MemoryStream("test", partitions: 1)
    var signer = SoftwareSigner(key: TestPKI.shared.p256.key, certificate: TestPKI.shared.p256.certificate)
    var authority = LocalTimeStampAuthority(TestPKI.shared.authority)
    var settings: PipelineSettings = {
        var settings = PipelineSettings()
        settings.endsWithLog = true
        return settings
    }()
    var clock = ManualClock.hasty()
    var metrics = Metrics()
    var receiveScript: [MemoryJobLog.Event] = []
    var publishScript: [MemoryJobLog.Event] = []

    func log() async -> MemoryJobLog { await MemoryJobLog(storage, receiveScript: receiveScript, publishScript: publishScript) }

    func pipeline(_ log: MemoryJobLog) throws -> Pipeline {
        Pipeline(
            log: log,
            profiles: [
                try SigningProfile(name: "p256-b", signers: [signer], digest: .sha256, level: .baselineB),
                try SigningProfile(name: "p256-t", signers: [signer], digest: .sha256, level: .baselineT(authority)),
            ], profilesElsewhere: ["elsewhere"], worker: "lab", settings: settings, clock: clock, report: .silent, metrics: metrics)
    }

    /// Runs a pipeline until the log's end.
    func run() async throws { try await pipeline(log()).run() }

    func outcomes() async throws -> [String] {
        try await storage.allResults().map { result in
            switch result.outcome {
            case .signed: "signed"
            case .refused(let refusal): refusal.code.rawValue
            case .duplicate(let partition, let offset): "duplicate of \(partition)@\(offset)"
            }
        }
    }

    var surplusKeyOperations: Int { metric("tanba_surplus_key_operations_total") }

    /// A sample as a scraper would see it; 0 when it is not there.
    func metric(_ name: String) -> Int {
        let text = String(decoding: metrics.prometheusText(), as: UTF8.self)
        let line = text.split(separator: "\n").first { $0.hasPrefix(name + "{stream=\"test\"} ") }
        return line.flatMap { Double($0.split(separator: " ").last!) }.map { Int($0) } ?? 0
    }
}
