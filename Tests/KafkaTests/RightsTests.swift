import Kafka
import KafkaJobLog
import SigningModel
import SigningPipeline
import SigningTestKit
import Testing

/// Goal: what a broker refuses is named at the start, and waited for later. Method: a broker with passwords, certificates and ACLs.
@Suite(.enabled(if: TestBroker.canBeStarted)) struct RightsTests {
    let broker: TestBroker

    init() throws { broker = try TestBroker.secured.get() }

    struct BadStart: Sendable {
        var door: TestBroker.Door
        var certificate = TestBroker.ClientCertificate.valid
        var changes: [String: String] = [:]
        var isStrangersRoot = false
        var reason: String
        var remedy: String
    }

    /// The worker's first connection fails for good: it says why and what to do instead of waiting for ever.
    @Test(arguments: [
        BadStart(door: .password, changes: ["sasl.password": "guess"], reason: "Authentication failed", remedy: "password"),
        BadStart(door: .passwordOverTLS, changes: ["sasl.password": "guess"], reason: "Authentication failed", remedy: "password"),
        BadStart(door: .certificate, isStrangersRoot: true, reason: "not in ssl.ca.location", remedy: "ssl.ca.location"),
        BadStart(door: .expiredServer, reason: "certificate has expired", remedy: "broker's certificate"),
        BadStart(door: .wrongHost, reason: "is another host's", remedy: "broker's certificate"),
        BadStart(door: .certificate, certificate: .expired, reason: "alert", remedy: "ssl.certificate.location"),
        BadStart(door: .certificate, certificate: .stranger, reason: "alert", remedy: "ssl.certificate.location"),
    ])
    func whatCannotBeginSaysWhy(_ start: BadStart) async throws {
        var properties = try broker.properties(start.door, as: "worker", showing: start.certificate).merging(start.changes) { $1 }
        if start.isStrangersRoot { properties["ssl.ca.location"] = try broker.strangersRoot }
        let lab = try StreamLab(broker, partitions: 1)
        let log = try lab.log("w1", properties, patience: .seconds(2))
        let error = try await log.firstError()
        #expect(error.kind == .misconfigured, "\(error)")
        #expect(error.reason.contains(start.reason), "\(error.reason)")
        #expect(error.remedy.contains(start.remedy), "\(error.remedy)")
        #expect(!error.description.contains("guess"))
        await log.close()
    }

    /// Each right is taken from a worker that runs, and given back: it says which, waits, and goes on; nothing is doubled.
    @Test func rightsThatAreTakenAreWaitedFor() async throws {
        let lab = try StreamLab(broker, partitions: 1)
        let rights = [
            ("topic", lab.jobs), ("topic", lab.results), ("topic", lab.ledger), ("group", lab.group),
            ("transactional-id", "tanba-\(lab.name)-w1"),
        ]
        for (resource, name) in rights { try broker.allow("worker", "All", resource, name) }
        let log = try lab.log("w1", broker.properties(.password, as: "worker"), patience: .seconds(2))
        var ids = ["first"]
        try await lab.enqueue(ids)
        var records = try await log.receive(count: 1)
        #expect(try await log.publishPatiently(StreamLab.batch(records)) == .committed)
        for ((resource, name), word) in zip(rights, ["TOPIC_", "TOPIC_", "TOPIC_", "GROUP_", "TRANSACTIONAL_ID_"]) {
            ids.append("without \(name)")
            try await lab.enqueue(ids.suffix(1))
            records = try await log.receive(count: 1)
            try broker.revoke("worker", "All", resource, name)
            let reason: String
            do throws(JobLogError) {
                guard case .rewound(let why) = try await log.publish(StreamLab.batch(records)) else {
                    Issue.record("published without the right on \(name)")
                    return
                }
                reason = why
            } catch {
                #expect(error.kind == .unavailable)
                reason = error.reason
            }
            #expect(lab.metric("tanba_kafka_backoff_seconds") != nil)
            #expect(reason.contains(word + "AUTHORIZATION_FAILED"), "\(name): \(reason)")
            // What it does meanwhile ends nothing.
            for _ in 0..<3 { try await log.receivesOrIsUnavailable() }
            try broker.allow("worker", "All", resource, name)
            let end = ContinuousClock.now + .seconds(40)
            var publication = Publication.rewound(reason: reason)
            while publication != .committed, ContinuousClock.now < end {
                records = try await log.receive(count: 1)
                publication = try await log.publishPatiently(StreamLab.batch(records))
            }
            #expect(publication == .committed, "\(name)")
        }
        try lab.checkOnce(ids)
        await log.close()
    }

    /// One worker's user loses a right on a topic: it leaves its partitions to the other, disturbs it no further, and comes back when it has it again.
    @Test func whoMayNotUseATopicLeavesItsPartitionsToOthers() async throws {
        let lab = try StreamLab(broker, partitions: 2)
        let rights = [("Read", lab.jobs), ("Write", lab.results), ("Write", lab.ledger)]
        for (operation, name) in rights + [("Read", lab.ledger), ("Describe", lab.name + "*")] {
            try broker.allow("worker", operation, "topic", name)
        }
        try broker.allow("otherworker", "All", "topic", lab.name + "*")
        for (user, worker) in [("worker", "w1"), ("otherworker", "w2")] {
            try broker.allow(user, "All", "group", lab.group)
            try broker.allow(user, "All", "transactional-id", "tanba-\(lab.name)-\(worker)")
        }
        var first = Hand(try lab.log("w1", broker.properties(.password, as: "worker"), patience: .seconds(2)))
        var second = Hand(try lab.log("w2", broker.properties(.password, as: "otherworker"), patience: .seconds(2)))
        let end = ContinuousClock.now + .seconds(150)
        var ids: [String] = []
        func enqueue() async throws {
            let more = (ids.count..<ids.count + 30).map { "job \($0)" }
            ids += more
            try await lab.enqueue(more)
        }
        while first.members != 2 || second.members != 2, ContinuousClock.now < end {
            try await first.step()
            try await second.step()
        }
        for (operation, name) in rights {
            try broker.revoke("worker", operation, "topic", name)
            try await enqueue()
            let (done, rebalances) = (first.done, second.rebalances)
            var refused = 0
            while refused < 3 || first.done + second.done < ids.count, ContinuousClock.now < end {
                do { try await first.step(for: .zero) } catch let error as JobLogError {
                    #expect(error.kind == .unavailable && error.reason.contains("TOPIC_AUTHORIZATION_FAILED"), "\(error)")
                    refused += 1
                }
                try await second.step()
            }
            #expect(first.done == done, "without \(operation) on \(name)")
            #expect(second.members == 1 && second.rebalances == rebalances + 1, "\(second.rebalances - rebalances) without \(operation) on \(name)")
            try broker.allow("worker", operation, "topic", name)
            while second.members != 2, ContinuousClock.now < end {
                try? await first.step(for: .zero)
                try await second.step()
            }
            try await enqueue()
            while first.done + second.done < ids.count, ContinuousClock.now < end {
                try await first.step()
                try await second.step()
            }
            #expect(first.done > done && second.rebalances == rebalances + 2, "\(second.rebalances - rebalances) in all for \(name)")
        }
        try lab.checkOnce(ids)
        await first.log.close()
        await second.log.close()
    }
}

extension KafkaJobLog {
    fileprivate func receivesOrIsUnavailable() async throws {
        do throws(JobLogError) { _ = try receive(Demand(limit: 0, wait: .milliseconds(100))) } catch {
            guard error.kind == .unavailable else { throw error }
        }
    }
}
