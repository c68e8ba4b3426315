import CMS
import EmbeddedJobLog
import Foundation
import Log
import Metrics
import SigningModel
import SigningPipeline

/// The whole way of a job, from the embedded log and back into it, on two sessions, without timestamps and without the check; beside the
/// bare C_Sign loop on two threads. Enqueueing is not counted.
func measurePipeline(_ measure: String, _ key: Key, _ effort: Effort, _ scene: Scene) async throws -> Outcome {
    let count = effort.documents(key == .rsa2048 ? 600 : 8000)
    let signer = try await scene.signer(key, sessions: 2, checks: .off)
    let profile = try SigningProfile(name: key.name, signers: [signer], digest: .sha256, level: .baselineB)
    let bare = try BareToken(scene, key, threads: 2)
    let jobs = (0..<count).map { number in
        Job(
            id: "benchmark/\(number)", package: Package(id: "benchmark", index: Int64(number), count: Int64(count)),
            digest: DocumentDigest(algorithm: .sha256, value: (0..<32).map { UInt8(truncatingIfNeeded: number &* 31 &+ $0 &* 7) }),
            profile: key.name)
    }
    let folder = scene.folder + "/log"
    nonisolated(unsafe) var log: EmbeddedJobLog?
    defer { try? FileManager.default.removeItem(atPath: folder) }
    return try await measurePairs(
        measure, effort: effort, documents: count,
        ours: Side(
            name: "pipeline",
            prepare: {
                log = nil
                try? FileManager.default.removeItem(atPath: folder)
                let fresh = try EmbeddedJobLog(directory: folder, stream: "benchmark")
                try await fresh.append(jobs)
                await fresh.finishAppending()
                log = fresh
            },
            work: {
                var settings = PipelineSettings()
                settings.endsWithLog = true
                try await Pipeline(
                    log: log!, profiles: [profile], worker: "benchmark", settings: settings, report: .silent, metrics: Metrics()
                ).run()
            }),
        reference: Side(name: "bare C_Sign loop, two threads") { try bare.sign(count) },
        showsRates: true)
}
