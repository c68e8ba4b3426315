// What a client's user may not do.

extension KafkaError {
    /// The brokers know this client's user and do not let it.
    public var isDenied: Bool { Code.denials.contains(code) }
}

extension KafkaError.Code {
    fileprivate static let denials: Set<Self> = [
        topicAuthorizationFailed, groupAuthorizationFailed, transactionalIDAuthorizationFailed, clusterAuthorizationFailed,
    ]
}

extension KafkaTrouble {
    /// What to do about it, where the caller knows which rights its work takes.
    ///
    /// - Parameter rights: completes "give this client's user".
    public func remedy(bootstrap: String, rights: String) -> String {
        (cause ?? error).isDenied ? "give this client's user \(rights)" : remedy(bootstrap: bootstrap)
    }
}
