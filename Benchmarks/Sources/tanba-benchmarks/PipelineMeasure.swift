import CMS
import EmbeddedJobLog
import Foundation
import Log
import Metrics
import SigningModel
import SigningPipeline
import TokenSigner

/// The whole way of a job, from the embedded log and back into it, on two sessions, without timestamps and without the check; beside the
/// bare C_Sign loop on two threads. Enqueueing is not counted.
func measurePipeline(_ measure: String, _ key: Key, _ effort: Effort, _ scene: Scene) async throws -> Outcome {
    let count = effort.documents(key == .rsa2048 ? 600 : 8000)
    let bare = try BareToken(scene, key, threads: 2)
    return try await measurePairs(
        measure, effort: effort, documents: count, ours: try await embeddedSide("pipeline", key, scene, count: count, checks: .off),
        reference: Side(name: "bare C_Sign loop, two threads") { try bare.sign(count) },
        showsRates: true)
}

/// So many jobs from a fresh embedded log and back into it.
func embeddedSide(_ name: String, _ key: Key, _ scene: Scene, count: Int, checks: TokenSigner.Checks) async throws -> Side {
    let signer = try await scene.signer(key, sessions: 2, checks: checks)
    let profile = try SigningProfile(name: key.name, signers: [signer], digest: .sha256, level: .baselineB)
    let jobs = (0..<count).map { benchmarkJob($0, of: count, key) }
    let folder = "\(scene.folder)/log-\(key.name)"
    nonisolated(unsafe) var log: EmbeddedJobLog?
    return Side(
        name: name,
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
        })
}
