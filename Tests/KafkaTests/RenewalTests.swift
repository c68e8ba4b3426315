import Foundation
import KafkaJobLog
import Log
import OperatingSystem
import SigningModel
import SigningPipeline
import SigningTestKit
import Testing

/// Goal: certificates and passwords that end under a running worker are renewed without a restart. Method: a broker of our own, which
/// is restarted so that workers must connect again.
@Suite(.enabled(if: TestBroker.canBeStarted)) struct RenewalTests {
    /// The broker comes back with a certificate of another root; by then one worker's own certificate has expired, and another's password was
    /// changed. They say so and wait; files that do not fit each other change nothing; with the right ones they go on, and what was under way
    /// when the broker died is published once.
    @Test(.timeLimit(.minutes(5))) func whatEndsUnderARunningWorkerIsReadAgain() async throws {
        let broker = try TestBroker(isSecured: true)
        let files = try ClientFiles(of: "admin", at: broker)
        let teller = try Renewed(broker, files.properties(.password), secretFiles: ["sasl.password": files("password")])
        try await teller.begin()
        func begin(within seconds: Double) async throws -> (Renewed, end: Date) {
            let end = Date.now + seconds
            try files.write(broker.certify("admin", until: end), to: "certificate")
            let shower = try Renewed(broker, files.properties(.certificate))
            try await shower.begin()
            return (shower, end)
        }
        let (shower, end): (Renewed, Date)
        do { (shower, end) = try await begin(within: 20) } catch {
            // The machine is so slow that the certificate ended before the worker had begun.
            (shower, end) = try await begin(within: 90)
        }
        let all = [shower, teller]

        try broker.kill()
        try broker.show(.stranger)
        async let left: Void = shower.leaveOpen()
        try await teller.leaveOpen()
        try await left
        try broker.changePassword(of: "admin")
        try await Task.sleep(for: .seconds(max(0, end.timeIntervalSinceNow + 1)))
        try broker.start()
        let strange = try await shower.log.untilUnavailable(naming: "somebody who is not in ssl.ca.location")
        #expect(strange.remedy.contains("reads files again"), "\(strange)")
        try await shower.staysRefused()
        #expect(shower.count("kafka-renewed") == 0)
        try files.copy("stranger-ca.pem", to: "roots")
        let shown = try await shower.log.untilUnavailable(naming: "alert")
        #expect(shower.count("kafka-renewed") == 1)
        #expect(shown.remedy.contains("ssl.certificate.location") && shown.remedy.contains("reads files again"), "\(shown)")
        let told = try await teller.log.untilUnavailable(naming: "Authentication failed")
        #expect(told.remedy.contains("password") && told.remedy.contains("reads files again"), "\(told)")

        // Half of a renewal: another's key to the certificate that ended, and another's password.
        try files.copy("reader.key", to: "key")
        try files.copy("reader.password", to: "password")
        for each in all { try await each.staysRefused() }
        #expect(shower.count("kafka-renewed") == 1 && shower.count("kafka-not-renewed") == 1)

        try files.copy("admin.pem", to: "certificate")
        try files.copy("admin.key", to: "key")
        try files.copy("admin.password", to: "password")
        for each in all { try await each.finish() }
        for each in all { await each.log.close() }
    }
}

/// The files of one client, to be renewed in place.
private final class ClientFiles {
    private let folder: String
    private let broker: TestBroker
    private let user: String

    init(of user: String, at broker: TestBroker) throws {
        (self.user, self.broker) = (user, broker)
        folder = FileManager.default.temporaryDirectory.appending(path: freshName("tanba-client")).path
        try Files.createDirectory(folder, mode: 0o700)
        let sources = ["roots": "ca.pem", "certificate": user + ".pem", "key": user + ".key", "password": user + ".password"]
        for (name, source) in sources { try copy(source, to: name) }
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    func callAsFunction(_ name: String) -> String { folder + "/" + name }

    /// In place, as most do it.
    func write(_ bytes: [UInt8], to name: String) throws { try Data(bytes).write(to: URL(fileURLWithPath: self(name))) }

    /// One of the broker's folder.
    func copy(_ source: String, to name: String) throws {
        try write(Files.read(broker.securityFolder + "/" + source, atMost: 1 << 16), to: name)
    }

    func properties(_ door: TestBroker.Door) throws -> [String: String] {
        let ours = ["ssl.ca.location": self("roots"), "ssl.certificate.location": self("certificate"), "ssl.key.location": self("key")]
        return try broker.properties(door, as: user).reduce(into: [:]) { $0[$1.key] = ours[$1.key] ?? $1.value }
    }
}

/// A worker that must connect again in the middle of its work.
private struct Renewed {
    let lab: StreamLab
    let log: KafkaJobLog

    private let events = Locked<[String]>([])

    init(_ broker: TestBroker, _ properties: [String: String], secretFiles: [String: String] = [:]) throws {
        lab = try StreamLab(broker, partitions: 1)
        let report = Log(minimum: .info) { [events] event in events.withLock { $0.append(event.event) } }
        log = try lab.log("w1", properties, patience: .seconds(1), secretFiles: secretFiles, report: report)
    }

    /// How often this happened.
    func count(_ event: String) -> Int { events.withLock { $0.count { $0 == event } } }

    /// Publishes one job of two.
    func begin() async throws {
        try await lab.enqueue(["a", "b"])
        let records = try await log.receive(count: 1)
        try #require(records.count == 1)
        #expect(try await log.publishPatiently(StreamLab.batch(records)) == .committed)
    }

    /// The other's transaction is not answered.
    func leaveOpen() async throws {
        let b = JobRecord(
            position: SourcePosition(topic: lab.jobs, partition: Partition(0), offset: Offset(1)), key: Array("b".utf8), value: Array("b".utf8),
            enqueued: .distantPast)
        var publication: Publication?
        do throws(JobLogError) { publication = try await log.publish(StreamLab.batch([b])) } catch { #expect(error.kind == .unavailable) }
        #expect(publication != .committed)
    }

    func staysRefused() async throws {
        for _ in 0..<2 {
            let error = await #expect(throws: JobLogError.self) { try await log.receive(Demand(limit: 1, wait: .milliseconds(100))) }
            #expect(error?.kind == .unavailable, "\(String(describing: error))")
        }
    }

    func finish() async throws {
        let limit = ContinuousClock.now + .seconds(60)
        var publication = Publication.rewound(reason: "nothing was tried")
        while publication != .committed, ContinuousClock.now < limit {
            let records = try await log.receive(count: 1)
            publication = try await log.publishPatiently(StreamLab.batch(records))
        }
        #expect(publication == .committed)
        try lab.checkOnce(["a", "b"])
    }
}

extension KafkaJobLog {
    /// Asks for jobs until the log is away for a reason that has this word.
    fileprivate func untilUnavailable(naming word: String) async throws -> JobLogError {
        let end = ContinuousClock.now + .seconds(60)
        while true {
            do throws(JobLogError) { _ = try receive(Demand(limit: 1, wait: .milliseconds(100))) } catch {
                guard error.kind == .unavailable, ContinuousClock.now < end else { throw error }
                if error.reason.contains(word) { return error }
            }
            guard ContinuousClock.now < end else { throw NotYet() }
        }
    }
}
