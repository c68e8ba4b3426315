import CRdKafka
import KafkaJobLog
import SigningModel
import Testing

/// Goal: Tanba's own murmur2, by which it finds misplaced jobs, is that of Java's and librdkafka's clients.
@Suite struct PartitionerTests {
    @Test(arguments: 0..<200 as Range<UInt64>) func agreesWithLibrdkafka(seed: UInt64) {
        var random = SplitMix(state: seed)
        let key = (0..<Int.random(in: 1...40, using: &random)).map { _ in UInt8.random(in: .min ... .max, using: &random) }
        let count = Int32.random(in: 1...100, using: &random)
        let theirs = rd_kafka_msg_partitioner_murmur2(nil, key, key.count, count, nil, nil)
        #expect(Partition.holding(key: key, among: Int(count)).rawValue == theirs, "seed \(seed)")
    }
}

@Suite struct KafkaPropertiesTests {
    @Test(arguments: [
        "enable.auto.commit", "enable.auto.offset.store", "isolation.level", "transactional.id", "enable.idempotence", "group.id",
        "partitioner", "acks", "request.required.acks", "bootstrap.servers", "metadata.broker.list", "auto.offset.reset", "error_cb",
        "opaque",
        "partition.assignment.strategy",
    ])
    func whatThePromisesFixIsRefused(name: String) {
        #expect(KafkaProperties.refused(name) != nil)
    }

    @Test(arguments: [
        "session.timeout.ms", "security.protocol", "ssl.ca.location", "sasl.password", "linger.ms", "group.instance.id", "no.such.property",
    ])
    func othersMayBeSet(name: String) {
        #expect(KafkaProperties.refused(name) == nil)
    }
}
