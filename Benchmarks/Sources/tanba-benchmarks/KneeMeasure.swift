import CMS
import EmbeddedJobLog
import Foundation
import Log
import Metrics
import SigningModel
import SigningPipeline
import TokenSigner

/// The token that these measures sign with: behind the fault shim, so that a signature takes 20 ms while at most eight are made at once. No
/// processor is busy with it, and rates by the wall clock say how well it is used.
private let milliseconds = 20.0
private let knee = 8

/// One token: the rate at the width that was found, beside the best width of a bare C_Sign loop with so many threads.
func measureKnee(_ measure: String, _ effort: Effort, _ scene: Scene) async throws -> Outcome {
    let label = Scene.slowLabels[0]
    let shim = try Shim(scene)
    shim.knee(of: label, milliseconds: milliseconds, width: knee)
    var best = (rate: 0.0, width: 0)
    for width in [4, 6, 8, 10, 12, 16] {
        let bare = try BareToken(scene, .p256, module: scene.shim, label: label, threads: width)
        let rate = try rate(of: Int(effort.seconds(2) * 1000 / milliseconds) * width) { try bare.sign($0) }
        if rate > best.rate { best = (rate, width) }
    }
    let signer = try await scene.slowSigner(label)
    var rates: [Double] = []
    var widths: [Int] = []
    try await scene.settle(signer, .p256, seconds: effort.seconds(20))
    for _ in 0..<effort.turns {
        let start = ContinuousClock.now
        let made = try await sign(for: effort.seconds(3), with: signer, .p256)
        rates.append(Double(made) / ((ContinuousClock.now - start) / .seconds(1)))
        widths.append(signer.width)
    }
    return Outcome(
        measure, ours: rates, reference: rates.map { _ in best.rate }, referenceName: "bare C_Sign loop at its best width, \(best.width) threads",
        remarks: ["width \(widths.min()!)-\(widths.max()!) found, knee \(knee)"])
}

/// One signer over four such tokens beside one over one, through the whole pipeline.
func measureFourTokens(_ measure: String, _ effort: Effort, _ scene: Scene) async throws -> Outcome {
    let shim = try Shim(scene)
    var signers: [TokenSigner] = []
    for label in Scene.slowLabels {
        shim.knee(of: label, milliseconds: milliseconds, width: knee)
        signers.append(try await scene.slowSigner(label))
    }
    try await settle(signers, effort, scene)
    let (one, four) = (try Stream("one", [signers[0]], scene), try Stream("four", signers, scene))
    var rates: (one: [Double], four: [Double]) = ([], [])
    for _ in 0..<effort.turns {
        rates.one.append(try await one.rate(of: Int(effort.seconds(3) * 400)))
        rates.four.append(try await four.rate(of: Int(effort.seconds(3) * 1600)))
    }
    return Outcome(
        measure, ours: rates.four, reference: rates.one, referenceName: "one such token",
        remarks: ["widths \(signers.map { String($0.width) }.joined(separator: ", "))"])
}

/// Two streams, each with a token of its own, of which one is dead: the rate of the other stream, beside its rate when it is alone.
func measureDeadNeighbour(_ measure: String, _ effort: Effort, _ scene: Scene) async throws -> Outcome {
    let shim = try Shim(scene)
    let (living, dying) = (Scene.slowLabels[0], Scene.slowLabels[1])
    for label in [living, dying] { shim.knee(of: label, milliseconds: milliseconds, width: knee) }
    let signer = try await scene.slowSigner(living)
    let neighbour = try await scene.slowSigner(dying)
    try await settle([signer], effort, scene)
    let stream = try Stream("living", [signer], scene)
    var rates: (alone: [Double], beside: [Double]) = ([], [])
    for turn in 0..<effort.turns {
        rates.alone.append(try await stream.rate(of: Int(effort.seconds(3) * 400)))
        shim.remove(dying, true)
        let other = try Stream("dying-\(turn)", [neighbour], scene)
        try await other.enqueue(2000)
        let waiting = Task { try await other.run() }
        // It finds out, and begins to look for its token
        try await Task.sleep(for: .milliseconds(500))
        rates.beside.append(try await stream.rate(of: Int(effort.seconds(3) * 400)))
        waiting.cancel()
        _ = await waiting.result
        shim.remove(dying, false)
    }
    return Outcome(measure, ours: rates.beside, reference: rates.alone, referenceName: "the same stream alone", remarks: [])
}

/// Keeps all busy until their widths are found.
private func settle(_ signers: [TokenSigner], _ effort: Effort, _ scene: Scene) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
        for signer in signers { group.addTask { try await scene.settle(signer, .p256, seconds: effort.seconds(20)) } }
        try await group.waitForAll()
    }
}

private func rate(of count: Int, _ sign: (Int) throws -> Void) throws -> Double {
    let start = ContinuousClock.now
    try sign(count)
    return Double(count) / ((ContinuousClock.now - start) / .seconds(1))
}

/// A stream in an embedded log, and the signers of its one profile.
private struct Stream {
    let name: String
    let folder: String
    let profile: SigningProfile
    private let counter = Counter()

    private actor Counter {
        var log: EmbeddedJobLog?
        func set(_ log: EmbeddedJobLog?) { self.log = log }
    }

    init(_ name: String, _ signers: [any DigestSigner], _ scene: Scene) throws {
        self.name = name
        folder = "\(scene.folder)/stream-\(name)"
        profile = try SigningProfile(name: "p256", signers: signers, digest: .sha256, level: .baselineB)
    }

    /// A fresh log with so many jobs.
    func enqueue(_ count: Int) async throws {
        await counter.set(nil)
        try? FileManager.default.removeItem(atPath: folder)
        let log = try EmbeddedJobLog(directory: folder, stream: name)
        try await log.append(
            (0..<count).map { number in
                Job(
                    id: "\(name)/\(number)",
                    digest: DocumentDigest(algorithm: .sha256, value: (0..<32).map { UInt8(truncatingIfNeeded: number &* 31 &+ $0 &* 7) }),
                    profile: "p256")
            })
        await log.finishAppending()
        await counter.set(log)
    }

    func run() async throws {
        guard let log = await counter.log else { return }
        var settings = PipelineSettings()
        settings.endsWithLog = true
        try await Pipeline(
            log: log, profiles: [profile], worker: "benchmark", settings: settings, report: .silent, metrics: Metrics()
        ).run()
    }

    /// Jobs a second, from the log and back into it.
    func rate(of count: Int) async throws -> Double {
        try await enqueue(count)
        let start = ContinuousClock.now
        try await run()
        return Double(count) / ((ContinuousClock.now - start) / .seconds(1))
    }
}
