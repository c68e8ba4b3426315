import SigningModel

/// Partitions whose jobs wait in the log while none of theirs is in flight: the others fill the window, and what the log has fetched ahead of
/// them stands before these.
///
/// When it has been so for long the others get no more than their share of the window until it is over. Not soon: a log gives some thousand
/// jobs of one partition after as many of another, which at the pace of a fast key is a matter of seconds; and to hold a partition up
/// means to fetch it again.
struct HungryPartitions {
    private var since: [Partition: Duration] = [:]
    private var served = 0
    private var waitsLong = false

    static let patience = Duration.seconds(15)

    /// - Parameters:
    ///   - unread: by partition, records that the log has not given out yet.
    ///   - served: partitions with jobs in flight.
    mutating func note(unread: [Partition: Int], served: Set<Partition>, at elapsed: Duration) {
        let hungry = unread.filter { $0.value > 0 && !served.contains($0.key) }.keys
        since = Dictionary(uniqueKeysWithValues: hungry.map { ($0, since[$0] ?? elapsed) })
        self.served = served.count
        waitsLong = since.values.contains { elapsed - $0 >= Self.patience }
    }

    /// How many jobs a partition may have in flight.
    func share(of jobsMax: Int) -> Int { waitsLong ? max(1, jobsMax / (served + since.count)) : jobsMax }
}
