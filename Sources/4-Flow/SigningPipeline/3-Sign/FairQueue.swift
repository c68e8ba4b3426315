import SigningModel

/// Jobs that wait for a key, those of each partition in order; partitions take turns, so that a long one does not hold up the others.
struct FairQueue {
    private(set) var count = 0
    private var partitions: [Partition: ArraySlice<ValidatedJob>] = [:]
    /// Partitions with jobs; the first has the next turn.
    private var turns: ArraySlice<Partition> = []

    var isEmpty: Bool { count == 0 }

    mutating func append(_ job: ValidatedJob) {
        let partition = job.received.place.partition
        if partitions[partition] == nil { turns.append(partition) }
        partitions[partition, default: []].append(job)
        count += 1
    }

    /// Jobs that come back: the first of their partitions again, in the order in which they are given.
    mutating func prepend(_ jobs: [ValidatedJob]) {
        for (partition, jobs) in Dictionary(grouping: jobs, by: { $0.received.place.partition }) {
            if partitions[partition] == nil { turns.append(partition) }
            partitions[partition] = ArraySlice(jobs + (partitions[partition] ?? []))
            count += jobs.count
        }
    }

    /// At most so many jobs, an equal share of each partition as far as it goes.
    mutating func take(_ most: Int) -> [ValidatedJob] {
        var taken: [ValidatedJob] = []
        taken.reserveCapacity(min(most, count))
        while taken.count < most, let partition = turns.popFirst() {
            let share = max(1, (most - taken.count) / (turns.count + 1))
            let jobs = partitions[partition]!.prefix(share)
            taken += jobs
            partitions[partition]!.removeFirst(jobs.count)
            if partitions[partition]!.isEmpty { partitions[partition] = nil } else { turns.append(partition) }
        }
        count -= taken.count
        return taken
    }

    mutating func removeAll(where isGone: (ValidatedJob) -> Bool) {
        for partition in turns {
            partitions[partition]!.removeAll(where: isGone)
            if partitions[partition]!.isEmpty { partitions[partition] = nil }
        }
        turns.removeAll { partitions[$0] == nil }
        count = partitions.values.reduce(0) { $0 + $1.count }
    }

    /// How many wait, by partition.
    var counts: [Partition: Int] { partitions.mapValues(\.count) }
}
