import Kafka

/// A stream could not be read.
public struct KafkaStreamError: Error, CustomStringConvertible {
    /// What failed, naming it.
    public let reason: String
    /// What a person can do.
    public let remedy: String
    /// It may pass by itself.
    public let isTransient: Bool
    /// The stream's name, the client's properties or its user's rights are not right.
    public let isMisconfigured: Bool

    public var description: String { "\(reason); \(remedy)" }

    init(reason: String, remedy: String, isTransient: Bool = false, isMisconfigured: Bool = false) {
        self.reason = reason
        self.remedy = remedy
        self.isTransient = isTransient
        self.isMisconfigured = isMisconfigured
    }

    init(_ what: String, of stream: String, _ error: KafkaError, incidents: [KafkaError], bootstrap: String) {
        let trouble = KafkaTrouble(error, incidents: incidents)
        let rights =
            "Read on topic \(stream).results, and for an audit on \(stream).jobs; Deploy/topics create --stream \(stream)"
            + " --reader USER (or --auditor USER) does"
        self.init(
            reason: "stream \(stream): cannot \(what): \(trouble.sentence)", remedy: trouble.remedy(bootstrap: bootstrap, rights: rights),
            isTransient: error.isTransient && trouble.mayPass, isMisconfigured: trouble.isMisconfiguration)
    }
}
