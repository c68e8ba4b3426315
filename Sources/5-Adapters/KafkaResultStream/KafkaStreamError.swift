import Kafka

/// A stream could not be read.
public struct KafkaStreamError: Error, CustomStringConvertible {
    /// What failed, naming it.
    public let reason: String
    /// What a person can do.
    public let remedy: String
    /// It may pass by itself.
    public let isTransient: Bool

    public var description: String { "\(reason); \(remedy)" }

    init(reason: String, remedy: String, isTransient: Bool = false) {
        self.reason = reason
        self.remedy = remedy
        self.isTransient = isTransient
    }

    init(_ what: String, _ error: KafkaError, incidents: [KafkaError], bootstrap: String) {
        let trouble = KafkaTrouble(error, incidents: incidents)
        self.init(reason: "\(what): \(trouble.sentence)", remedy: trouble.remedy(bootstrap: bootstrap), isTransient: error.isTransient)
    }
}
