import SigningModel

/// What is left to be signed now, of the partitions that this worker has: for whoever decides how many workers there should be.
///
/// A job counts while a key of its profile is in and, where the profile wants a time-stamp, an authority promises one. A job that nobody
/// has read yet counts while that holds for some profile of the stream. Results that wait for their batch do not: they are done.
struct WaitingJobs: Equatable {
    var signable = 0
    /// Partitions with such jobs. One worker serves a partition, so this is for how many workers there is work.
    var usefulWorkers = 0
}

extension FlowState {
    /// - Parameter unread: by partition, records that the log has not given out yet.
    func waitingJobs(unread: [Partition: Int]) -> WaitingJobs {
        let profiles = queues.signable
        guard !profiles.isEmpty, !isStandingBy else { return WaitingJobs() }
        let underWay = self.underWay.reduce(0) { profiles.contains($1.key) ? $0 + $1.value : $0 }
        let signable = unread.values.reduce(0, +) + queues.parked(profiles) + underWay
        let blocked = queues.waiting(exceptOf: profiles)
        var partitions = Set(unread.filter { $0.value > 0 }.keys)
        for (partition, count) in window.unfinished where count > blocked[partition] ?? 0 { partitions.insert(partition) }
        return WaitingJobs(signable: signable, usefulWorkers: min(partitions.count, signable))
    }
}
