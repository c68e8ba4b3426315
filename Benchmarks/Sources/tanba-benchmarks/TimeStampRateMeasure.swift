import CBare
import CMS
import CertificateTrust
import Foundation
import Log
import Metrics
import OperatingSystem
import TimeStampClient
import TimeStampProtocol

/// An authority that takes 20 ms to answer: timestamps a second that one worker's governor gets from it by HTTP, having found by itself how many
/// requests in flight help, beside what the most that it may have in flight would allow.
func measureTimeStampRate(_ measure: String, _ effort: Effort, _ scene: Scene) async throws -> Outcome {
    let milliseconds = 20.0
    let authority = try SlowAuthority(scene, milliseconds: milliseconds)
    defer { authority.stop() }
    let governed = Governor.Settings()
    var settings = TimeStampClient.Settings(name: "slow", url: authority.url)
    settings.inFlightMax = governed.inFlightMax
    // The demo authority sends no certificate but its own, so its issuer is the anchor
    let client = try TimeStampClient(
        settings, trust: TrustAnchors([try scene.certificate("tsa-issuer-p256")]), now: { Date() }, metrics: Metrics(), log: .silent)
    let governor = Governor(client, governed, metrics: Metrics(), log: .silent)
    let group = AuthorityGroup([AuthorityGroup.Member(governor)], metrics: Metrics(), log: .silent)
    _ = try await stamp(for: effort.seconds(5), with: group)
    var rates: [Double] = []
    var costs: [Double] = []
    for _ in 0..<effort.turns {
        let start = ContinuousClock.now
        let used = bare_process_cpu_us()
        let made = try await stamp(for: effort.seconds(3), with: group)
        rates.append(Double(made) / ((ContinuousClock.now - start) / .seconds(1)))
        costs.append((bare_process_cpu_us() - used) / Double(made))
    }
    let width = governor.status.inFlightUseful
    await governor.close()
    return Outcome(
        measure, ours: rates, reference: rates.map { _ in Double(governed.inFlightMax) * 1000 / milliseconds },
        referenceName: String(format: "%d in flight at %.0f ms each", governed.inFlightMax, milliseconds),
        remarks: [
            String(format: "slowest round %.0f/s with %d in flight; client's CPU with HTTP %.1f us", rates.min()!, width, quantile(costs, 0.5))
        ])
}

/// How many timestamps were had, each promised before it was asked for, as the pipeline does.
private func stamp(for seconds: Double, with group: AuthorityGroup) async throws -> Int {
    let end = ContinuousClock.now + .seconds(seconds)
    return try await withThrowingTaskGroup(of: Int.self) { tasks in
        for _ in 0..<256 {
            tasks.addTask {
                var made = 0
                while ContinuousClock.now < end {
                    guard group.reserve(1) == 1 else {
                        try await Task.sleep(for: .milliseconds(5))
                        continue
                    }
                    _ = try await group.timeStamp(MessageImprint(algorithm: .sha256, digest: Randomness.bytes(32))) { true }
                    made += 1
                }
                return made
            }
        }
        return try await tasks.reduce(0, +)
    }
}

/// `Deploy/demo-tsa` with a script that delays each answer.
private struct SlowAuthority {
    let url: String
    private let process = Process()

    init(_ scene: Scene, milliseconds: Double) throws {
        let script = scene.folder + "/slow.script"
        let portFile = scene.folder + "/slow.port"
        try Data("latency \(Int(milliseconds))\n".utf8).write(to: URL(fileURLWithPath: script))
        process.executableURL = URL(fileURLWithPath: scene.demoTSA)
        process.arguments =
            ["--certificate", "\(scene.folder)/tsa-p256.pem", "--key", "\(scene.folder)/tsa-p256.key", "--policy", "1.2.3.4.1"] + [
                "--port", "0", "--port-file", portFile, "--script", script,
            ]
        process.standardInput = FileHandle.nullDevice
        try process.run()
        // It is written by rename, so it is whole as soon as it is there
        while !Files.exists(portFile), process.isRunning { usleep(1000) }
        guard let port = try? String(contentsOfFile: portFile, encoding: .utf8).dropLast() else {
            throw BareToken.Failure(description: "the demo authority does not start")
        }
        url = "http://127.0.0.1:\(port)/"
    }

    func stop() {
        process.terminate()
        process.waitUntilExit()
    }
}
