/// An error and what explains it, for a person.
///
/// librdkafka 2.0.2 tells a refused login or a certificate nobody trusts by its error callback alone, while the call only times out.
public struct KafkaTrouble: Sendable {
    public let error: KafkaError
    /// The incident that most likely caused it.
    public let cause: KafkaError?

    /// - Parameter incidents: of the same clients, oldest first, none of them long ago.
    public init(_ error: KafkaError, incidents: [KafkaError]) {
        self.error = error
        let telling = incidents.last { $0.operation == KafkaError.certificateCheck } ?? incidents.last(where: \.isRefusal)
        cause = error.isTransient || error.isRetriable ? telling ?? incidents.last { $0.code != .allBrokersDown } : nil
    }

    /// Waiting may mend it. A refused login or certificate is not mended so, although the call that met it only timed out.
    public var mayPass: Bool { (error.isTransient || error.isRetriable) && !(cause?.isRefusal ?? false) }

    /// The client's properties or a name are wrong, or a right is missing: what was asked for cannot be had before that is mended.
    public var isMisconfiguration: Bool {
        let telling = cause ?? error
        return telling.isDenied || telling.isRefusal
            || [.unknownTopicOrPartition, .unknownTopic, .invalidTopic, .invalidArgument].contains(telling.code)
    }

    /// What failed and why, without the operation.
    public var sentence: String {
        let said = "\(error.text) (\(error.name))"
        return cause.map { "\(said): \($0.text) (\($0.name))" } ?? said
    }

    /// What to do about it.
    public func remedy(bootstrap: String) -> String {
        switch (cause ?? error).code {
        case .authentication:
            "check user, password and mechanism in the client's properties; SCRAM with Kafka 4 needs librdkafka 2.6.1 or newer"
        case .transport where cause?.isRefusal ?? false:
            "the broker refused this client's certificate: check ssl.certificate.location, its dates, and that the broker knows its issuer"
        case .ssl where cause?.operation == KafkaError.certificateCheck:
            "mend the broker's certificate, or ssl.ca.location in the client's properties if its issuer is another one"
        case .ssl:
            "check security.protocol and the ssl.* paths in the client's properties, and the dates and host name of the broker's certificate"
        case .topicAuthorizationFailed, .groupAuthorizationFailed, .transactionalIDAuthorizationFailed, .clusterAuthorizationFailed:
            "give this client's user the right by an ACL"
        case .messageTooLarge:
            "raise max.message.bytes of the topic: Tanba writes results of up to 256 KiB in batches of up to 1 MB"
        case .unknownTopicOrPartition, .unknownTopic, .unknownPartition:
            "check the name, or make what is missing with Deploy/topics create"
        case .invalidTopic:
            "a stream's name has letters, digits, dots, dashes and underlines, at most 240 of them"
        case .invalidTransactionTimeout:
            "lower transaction.timeout.ms in the client's properties, or raise transaction.max.timeout.ms of the brokers"
        case .fencedInstance:
            "look for a second worker with this worker.id (or group.instance.id) and give it another"
        case .fenced, .invalidProducerEpoch:
            "look for a second process with the same id (worker.id)"
        case .invalidArgument:
            "mend the client's properties"
        default:
            "check that the brokers at \(bootstrap) are up and can be reached"
        }
    }
}

extension KafkaError {
    /// Broker and client do not accept each other: a login, or a certificate of either side. The client goes on trying, with what it read
    /// from its files when it was made.
    ///
    /// A broker that does not trust the client's certificate closes the connection with a TLS alert, no more.
    public var isRefusal: Bool { code == .authentication || code == .ssl || text.contains("alert") }
}
