import CRdKafka
import Kafka
import Testing

/// librdkafka's own stand-in for a cluster: answers single requests with errors of our choice. It proves nothing about what readers
/// see (2.0.2 shows them aborted records too), has no fencing and stores no offsets: that needs `TestBroker`.
final class MockCluster {
    let bootstrap: String
    private let host: OpaquePointer
    private let cluster: OpaquePointer

    init(brokers: Int32 = 1) throws {
        var text = [CChar](repeating: 0, count: 256)
        let quiet = rd_kafka_conf_new()
        rd_kafka_conf_set(quiet, "log_level", "0", nil, 0)
        host = try #require(rd_kafka_new(RD_KAFKA_PRODUCER, quiet, &text, text.count))
        cluster = try #require(rd_kafka_mock_cluster_new(host, brokers))
        bootstrap = String(cString: rd_kafka_mock_cluster_bootstraps(cluster))
    }

    deinit {
        rd_kafka_mock_cluster_destroy(cluster)
        rd_kafka_destroy(host)
    }

    func createTopic(_ name: String, partitions: Int32) {
        #expect(rd_kafka_mock_topic_create(cluster, name, partitions, 1) == RD_KAFKA_RESP_ERR_NO_ERROR)
    }

    /// The next requests of this kind are answered with these errors, one each.
    func answer(_ request: Request, with errors: KafkaError.Code...) {
        let raw = errors.map { rd_kafka_resp_err_t($0.rawValue) }
        rd_kafka_mock_push_request_errors_array(cluster, request.rawValue, raw.count, raw)
    }

    /// The protocol's numbers of requests.
    enum Request: Int16 {
        case produce = 0
        case initProducerID = 22
        case addPartitionsToTransaction = 24
        case addOffsetsToTransaction = 25
        case endTransaction = 26
        case commitOffsetsInTransaction = 28
    }
}
