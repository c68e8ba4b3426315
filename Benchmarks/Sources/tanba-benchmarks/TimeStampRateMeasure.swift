import CBare
import CMS
import CertificateTrust
import Foundation
import Log
import Metrics
import OperatingSystem
import TimeStampClient
import TimeStampProtocol

/// An authority that takes 20 ms to answer: timestamps a second that one client gets from it by HTTP, beside what so many requests in
/// flight allow at most.
func measureTimeStampRate(_ measure: String, _ effort: Effort, _ scene: Scene) async throws -> Outcome {
    let milliseconds = 20.0
    let inFlight = 96
    let authority = try SlowAuthority(scene, milliseconds: milliseconds)
    defer { authority.stop() }
    var settings = TimeStampClient.Settings(name: "slow", url: authority.url)
    settings.inFlightMax = inFlight
    // The demo authority sends no certificate but its own, so its issuer is the anchor
    let client = try TimeStampClient(
        settings, trust: TrustAnchors([try scene.certificate("tsa-issuer-p256")]), now: { Date() }, metrics: Metrics(), log: .silent)
    _ = try await stamp(for: 1, with: client, inFlight)
    var rates: [Double] = []
    var costs: [Double] = []
    for _ in 0..<effort.turns {
        let start = ContinuousClock.now
        let used = bare_process_cpu_us()
        let made = try await stamp(for: effort.seconds(3), with: client, inFlight)
        rates.append(Double(made) / ((ContinuousClock.now - start) / .seconds(1)))
        costs.append((bare_process_cpu_us() - used) / Double(made))
    }
    await client.close()
    return Outcome(
        measure, ours: rates, reference: rates.map { _ in Double(inFlight) * 1000 / milliseconds },
        referenceName: String(format: "%d in flight at %.0f ms each", inFlight, milliseconds),
        remarks: [String(format: "slowest round %.0f/s; client's CPU with HTTP %.1f us", rates.min()!, quantile(costs, 0.5))])
}

/// How many timestamps were had.
private func stamp(for seconds: Double, with client: TimeStampClient, _ inFlight: Int) async throws -> Int {
    let end = ContinuousClock.now + .seconds(seconds)
    return try await withThrowingTaskGroup(of: Int.self) { group in
        for _ in 0..<inFlight {
            group.addTask {
                var made = 0
                while ContinuousClock.now < end {
                    _ = try await client.timeStamp(MessageImprint(algorithm: .sha256, digest: Randomness.bytes(32)))
                    made += 1
                }
                return made
            }
        }
        return try await group.reduce(0, +)
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
