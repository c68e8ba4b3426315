import Failpoints
import Foundation
import OperatingSystem
import SigningModel
import SigningTestKit
import Testing

private let noFailpoints: Comment = "SKIPPED: this build has no failpoints (--traits Failpoints)"
private let noBroker: Comment = "SKIPPED: workers killed at failpoints; set KAFKA_HOME (and install Java 17), or KAFKA_BOOTSTRAP"

/// A worker is killed at every point of its way and started again: each job has one result, and it is signed.
@Suite(.enabled(if: Failpoint.areBuiltIn, noFailpoints), .enabled(if: TestBroker.isAvailable, noBroker)) struct FailpointWorkerTests {
    /// Points that a worker never passes, because they belong to `tanba sign`; `FailpointSignTests` passes them.
    private static let elsewhere = Failpoint.all.filter { $0.rawValue.hasPrefix("embedded-") || $0.rawValue.hasPrefix("output-") }
    /// Points that are passed only when a transaction is taken back.
    private static let whenTakenBack: [Failpoint] = [.kafkaBeforeAbort, .kafkaAfterAbort, .kafkaBeforeSeek, .kafkaAfterSeek]
    /// Points that a worker passes once.
    private static let once: [Failpoint] = [
        .kafkaBeforeInitTransactions, .kafkaAfterInitTransactions, .kafkaBeforeCommitted, .kafkaAfterCommitted,
    ]
    /// All others are passed again and again; the second time a part of the jobs is published already.
    private static let usual = Failpoint.all.filter { !elsewhere.contains($0) && !whenTakenBack.contains($0) }

    private static let packageCount = 8

    @Test func aWorkerThatIsKilledIsFollowedByAnother() async throws {
        try await Self.atOnce(Self.usual) { point in
            let lab = try await WorkerStand()
            try lab.stand.writeDocuments(Self.packageCount)
            try await lab.enqueue()
            let failpoint = point.rawValue + (Self.once.contains(point) ? "" : ":2")
            try await Self.kill(lab, failpoint)
            try await Self.finish(lab, failpoint)
        }
    }

    /// The broker takes no result, because they are too large for the topic: every transaction is taken back.
    @Test(.enabled(if: configure != nil, "SKIPPED: workers killed while they take a transaction back; set KAFKA_HOME (and install Java 17)"))
    func aWorkerThatIsKilledWhileItTakesBackIsFollowedByAnother() async throws {
        try await Self.atOnce(Self.whenTakenBack) { point in
            let lab = try await WorkerStand(results: ["max.message.bytes=200"])
            try lab.stand.writeDocuments(Self.packageCount)
            try await lab.enqueue()
            try await Self.kill(lab, point.rawValue)
            #expect(try await lab.results().isEmpty, "\(point)")
            let mended = try await lab.stand.run(
                Self.configure!,
                ["--bootstrap-server", lab.bootstrap, "--alter", "--topic", lab.stream + ".results", "--add-config", "max.message.bytes=1000000"])
            #expect(mended.status == 0, "\(point): \(mended)")
            try await Self.finish(lab, point.rawValue)
        }
    }

    private static let configure = ProcessInfo.processInfo.environment["KAFKA_HOME"].map { $0 + "/bin/kafka-configs.sh" }
        .flatMap { FileManager.default.isExecutableFile(atPath: $0) ? $0 : nil }

    /// Several points at a time, each with a stream of its own: most of the time is waited for the group's session to end.
    private static func atOnce(_ points: [Failpoint], _ body: @escaping @Sendable (Failpoint) async throws -> Void) async throws {
        #expect(!points.isEmpty)
        await withTaskGroup(of: Void.self) { group in
            for (index, point) in points.enumerated() {
                if index >= 6 { await group.next() }
                group.addTask {
                    do { try await body(point) } catch { Issue.record("\(point.rawValue): \(error)") }
                }
            }
        }
    }

    /// Starts a worker, which must be killed at the point: one that is not passed is an error here, so that none is lost.
    private static func kill(_ lab: WorkerStand, _ failpoint: String) async throws {
        let killed = try await lab.startWorker(failpoint: failpoint).ended(within: .seconds(40))
        try #require(killed.signal == SIGKILL, "\(failpoint): \(killed)")
    }

    /// The next worker completes the package; then all there is are its jobs with one signed result each.
    private static func finish(_ lab: WorkerStand, _ failpoint: String) async throws {
        let worker = try lab.startWorker()
        let package = try await lab.results(of: "package")
        try await lab.drain(worker)
        let all = try await lab.results()
        #expect(all.count == packageCount && package.count == packageCount, "\(failpoint)")
        #expect(Set(all.map(\.job)).count == packageCount, "\(failpoint)")
        #expect(Set(all.map(\.source)).count == packageCount, "\(failpoint)")
        for result in all {
            if case .signed = result.outcome { continue }
            Issue.record("\(failpoint): \(result)")
        }
        try await lab.stand.audit(["--stream", lab.stream, "--bootstrap", lab.bootstrap], signed: packageCount)
        let fetched = try await lab.stand.run("tanba", ["results", "--stream", lab.stream, "--package", "package", "--out", "out"])
        #expect(fetched.status == 0, "\(failpoint): \(fetched)")
        let paths = try Files.walk(lab.stand("documents")).map(\.relativePath)
        #expect(try lab.stand.signatures() == paths.map { $0 + ".p7s" }, "\(failpoint)")
        try await lab.stand.verify("documents/" + paths[3], signature: "out/\(paths[3]).p7s")
    }
}
