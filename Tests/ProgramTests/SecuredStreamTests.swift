import Foundation
import OperatingSystem
import SigningModel
import SigningTestKit
import Testing

/// Goal: with TLS and a login or a certificate each role does its work with the rights that Deploy/topics gives it; who lacks a right is
/// told which, by every program.
@Suite(.enabled(if: TestBroker.canBeStarted)) struct SecuredStreamTests {
    @Test(arguments: [TestBroker.Door.certificate, .passwordOverTLS])
    func eachRoleDoesItsWork(_ door: TestBroker.Door) async throws {
        let secured = try await SecuredStand(door)
        try secured.stand.writeDocuments(6)
        let enqueued = try await secured.enqueue(as: "submitter")
        #expect(enqueued.status == 0, "\(enqueued)")
        let worker = try secured.startWorker(as: "worker")
        let results = try await secured.results(as: "reader", ["--package", "package", "--wait"])
        #expect(results.status == 0, "\(results)")
        let outcomes = try results.output.split(separator: "\n").map { try JobResult.read(Array($0.utf8)).outcome }
        #expect(outcomes.count == 6 && outcomes.allSatisfy { if case .signed = $0 { true } else { false } }, "\(results)")
        worker.send(SIGTERM)
        let drained = try await worker.ended()
        #expect(drained.status == 0, "\(drained)")
        let audited = try await secured.audit(as: "auditor")
        #expect(audited.status == 0, "\(audited)")
    }

    @Test func whoLacksARightIsToldWhich() async throws {
        let secured = try await SecuredStand(.certificate, worker: "otherworker")
        let stream = secured.stream
        try secured.stand.writeDocuments(1)
        func expectDenied(
            _ ended: Ended, _ status: Int32, _ topic: String, remedy: String, location: SourceLocation = #_sourceLocation
        ) {
            #expect(ended.status == status, "\(ended)", sourceLocation: location)
            #expect(ended.errors.contains("\(stream).\(topic)"), "\(ended)", sourceLocation: location)
            #expect(ended.errors.contains("AUTHORIZATION_FAILED"), "\(ended)", sourceLocation: location)
            #expect(ended.errors.contains(remedy), "\(ended)", sourceLocation: location)
        }
        // nobody may look; an auditor may look at the jobs, and a worker of another stream may write elsewhere
        let elsewhere = try await SecuredStand(.certificate)
        for user in ["nobody", "reader", "auditor", "otherworker"] {
            let right = "Write on topic \(stream).jobs; Deploy/topics create --stream \(stream) --submitter USER does"
            expectDenied(try await secured.enqueue(as: user), 2, "jobs", remedy: right)
        }
        let reading = "Read on topic \(stream).results, and for an audit on \(stream).jobs; Deploy/topics create --stream \(stream) --reader USER"
        for user in ["nobody", "submitter", "otherworker"] { expectDenied(try await secured.results(as: user), 2, "results", remedy: reading) }
        for (user, topic) in [("nobody", "results"), ("submitter", "results"), ("reader", "jobs")] {
            expectDenied(try await secured.audit(as: user), 2, topic, remedy: reading)
        }
        // The worker is one of the other stream.
        for user in ["nobody", "worker", "submitter"] {
            let worker = try await secured.startWorker(as: user).ended()
            expectDenied(worker, 2, "jobs", remedy: "Write on the transactional ids tanba-\(stream)-*")
        }
        withExtendedLifetime(elsewhere) {}
        // None of them left a trace.
        let results = try await secured.results(as: "auditor")
        #expect(results.status == 0 && results.output.isEmpty, "\(results)")
        let audited = try await secured.audit(as: "auditor")
        #expect(audited.status == 0 && audited.output.contains("0 jobs"), "\(audited)")
    }

    /// Two ids, one right: with `--worker-id` a worker may be only who it was named.
    @Test func aWorkersIDCanBeItsOwn() async throws {
        let secured = try await SecuredStand(.certificate, worker: "nobody")
        let stream = secured.stream
        let given = try await secured.topics("create", ["--partitions", "2", "--worker", "worker", "--worker-id", "worker-1", "--admin", "nobody"])
        #expect(given.output.contains("User:worker may Write on transactional-id tanba-\(stream)-worker-1\n"), "\(given)")
        // its worker.id is worker
        let denied = try await secured.startWorker(as: "worker").ended()
        #expect(denied.status == 2 && denied.errors.contains("TRANSACTIONAL_ID_AUTHORIZATION_FAILED"), "\(denied)")
    }
}
