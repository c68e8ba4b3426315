import Kafka
import SigningTestKit
import Testing

/// Goal: what a broker with TLS, passwords and ACLs refuses is told with its reason, and what it allows works.
@Suite(.enabled(if: TestBroker.canBeStarted)) struct SecurityTests {
    let broker: TestBroker

    init() throws { broker = try TestBroker.secured.get() }

    /// Asks for a topic until it is answered or the reason of the silence is known.
    func trouble(_ properties: [String: String]) throws -> KafkaTrouble? {
        let client = try Producer(properties: properties, log: KafkaClient.silent)
        var incidents: [KafkaError] = []
        let end = ContinuousClock.now + .seconds(20)
        while true {
            do {
                _ = try client.partitionCount(of: "no-topic", within: .milliseconds(500))
                return nil
            } catch {
                client.poll(for: .zero)
                incidents += client.takeIncidents()
                let trouble = KafkaTrouble(error, incidents: incidents)
                // The word about a broker that hung up for a reason of its own comes as _TRANSPORT.
                let isTold = !error.isTransient || trouble.cause.map { $0.code != .transport || $0.text.contains("SSL") } ?? false
                if isTold || ContinuousClock.now > end { return trouble }
            }
        }
    }

    @Test(arguments: [TestBroker.Door.password, .passwordOverTLS, .certificate])
    func whoIsKnownComesIn(_ door: TestBroker.Door) throws {
        #expect(try trouble(broker.properties(door, as: "admin"))?.error.code == .unknownTopicOrPartition)
        #expect(try trouble(broker.properties(door, as: "nobody"))?.error.code == .topicAuthorizationFailed)
    }

    @Test func wrongPasswordIsNamed() throws {
        for door in [TestBroker.Door.password, .passwordOverTLS] {
            let properties = try broker.properties(door, as: "worker").merging(["sasl.password": "guess"]) { $1 }
            let trouble = try #require(try trouble(properties))
            #expect(trouble.cause?.code == .authentication, "\(trouble)")
            #expect(trouble.remedy(bootstrap: "x").contains("password"))
            #expect(!trouble.sentence.contains("guess"))
        }
    }

    @Test func badCertificatesOfTheBrokerAreNamed() throws {
        let stranger = try broker.properties(.certificate, as: "worker").merging(["ssl.ca.location": broker.strangersRoot]) { $1 }
        let expired = try broker.properties(.expiredServer, as: "worker")
        let elsewhere = try broker.properties(.wrongHost, as: "worker")
        // 2.0.2 has one sentence for the three; the remedy names all that it may be.
        for properties in [stranger, expired, elsewhere] {
            let trouble = try #require(try trouble(properties))
            #expect(trouble.cause?.code == .ssl, "\(trouble)")
            #expect(trouble.sentence.contains("certificate"), "\(trouble.sentence)")
            #expect(trouble.remedy(bootstrap: "x").contains("certificate"))
        }
        // Only whoever asks for it does without the host's name.
        let unchecked = elsewhere.merging(["ssl.endpoint.identification.algorithm": "none"]) { $1 }
        #expect(try trouble(unchecked)?.error.code == .topicAuthorizationFailed)
    }

    @Test(arguments: [TestBroker.ClientCertificate.expired, .stranger])
    func badCertificatesOfClientsAreNamed(_ certificate: TestBroker.ClientCertificate) throws {
        let trouble = try #require(try trouble(broker.properties(.certificate, as: "worker", showing: certificate)))
        #expect(trouble.cause?.text.contains("alert") == true, "\(trouble)")
    }

    @Test func rightsAreGivenAndTakenWhileItRuns() throws {
        let topic = freshName("rights")
        try broker.createTopics(topic, partitions: 1)
        let client = try Producer(properties: broker.properties(.certificate, as: "worker"), log: KafkaClient.silent)
        func count() throws -> Int { try client.partitionCount(of: topic, within: .seconds(10)) }
        #expect(throws: KafkaError.self) { try count() }
        try broker.allow("worker", "Describe", "topic", topic)
        #expect(try count() == 1)
        try broker.revoke("worker", "Describe", "topic", topic)
        let error = #expect(throws: KafkaError.self) { try count() }
        #expect(error?.code == .topicAuthorizationFailed)
        try broker.allow("worker", "All", "topic", topic.dropLast(3) + "*")
        #expect(try count() == 1)
    }
}
