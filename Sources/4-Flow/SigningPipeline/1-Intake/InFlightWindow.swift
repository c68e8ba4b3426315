import FoundationEssentials
import SigningModel

/// The jobs of a stream between intake and publication, in the order of their partitions.
///
/// Jobs finish in any order; what can be published is the finished prefix of each partition. Bounded by `jobsMax` in all and
/// by `partitionJobsMax` for each partition.
struct InFlightWindow {
    let jobsMax: Int
    let partitionJobsMax: Int

    /// Jobs in flight, finished ones included until they are taken.
    private(set) var count = 0
    private var partitions: [Partition: PartitionWindow] = [:]
    private var generations = 0

    init(jobsMax: Int, partitionJobsMax: Int) {
        self.jobsMax = jobsMax
        self.partitionJobsMax = partitionJobsMax
    }

    /// How many more jobs fit.
    var room: Int { jobsMax - count }

    /// Partitions that take no more jobs now.
    ///
    /// - Parameter share: how many a partition may have now; `partitionJobsMax` holds all the same.
    func full(share: Int) -> Set<Partition> {
        let most = min(partitionJobsMax, share)
        return Set(partitions.lazy.filter { $0.value.entries.count >= most }.map(\.key))
    }

    /// Partitions with jobs in flight.
    var served: Set<Partition> { Set(partitions.lazy.filter { !$0.value.entries.isEmpty }.map(\.key)) }

    /// A new place at the end of the partition's window.
    mutating func place(_ record: JobRecord) -> Place {
        let partition = record.position.partition
        if partitions[partition] == nil {
            generations += 1
            partitions[partition] = PartitionWindow(generation: generations)
        }
        let place = Place(partition: partition, offset: record.position.offset, generation: partitions[partition]!.generation)
        partitions[partition]!.entries.append(Entry(offset: place.offset, enqueued: record.enqueued))
        count += 1
        return place
    }

    func holds(_ place: Place) -> Bool { partitions[place.partition]?.generation == place.generation }

    /// Notes the result of a job.
    /// - Returns: false when the job's partition was dropped meanwhile: the result goes nowhere.
    mutating func settle(_ settled: SettledJob, at elapsed: Duration) -> Bool {
        let place = settled.place
        guard holds(place), let index = partitions[place.partition]!.index(of: place.offset) else { return false }
        partitions[place.partition]!.entries[index].finish(settled, at: elapsed)
        return true
    }

    /// Forgets the jobs of a partition.
    /// - Returns: the results that were finished and not yet taken.
    mutating func drop(_ partition: Partition) -> [SettledJob] {
        guard let dropped = partitions.removeValue(forKey: partition) else { return [] }
        count -= dropped.entries.count
        return dropped.entries.compactMap { $0.finished?.settled }
    }

    /// A place of the partition's present generation; nil when it has no window.
    func lastPlace(of partition: Partition) -> Place? {
        partitions[partition].map { Place(partition: partition, offset: $0.entries.last?.offset ?? Offset(0), generation: $0.generation) }
    }

    var ownedPartitions: [Partition] { Array(partitions.keys) }

    /// How many jobs of each partition have no result yet.
    var unfinished: [Partition: Int] { partitions.mapValues { $0.entries.count { $0.finished == nil } } }

    /// What a batch could hold now: the finished prefixes' results and bytes, and when the longest waiting of them finished.
    func ready(upTo bounds: BatchBounds) -> (results: Int, bytes: Int, oldest: Duration?) {
        var results = 0
        var bytes = 0
        var oldest: Duration?
        for window in partitions.values {
            for entry in window.entries {
                guard let finished = entry.finished, results < bounds.resultsMax, bytes < bounds.bytesMax else { break }
                results += 1
                bytes += finished.settled.result.value.count
                oldest = min(oldest ?? finished.finished, finished.finished)
            }
        }
        return (results, bytes, oldest)
    }

    /// Takes the finished prefix of each partition, together within the bounds (the result that passes `bytesMax` is the last).
    mutating func takeFinishedPrefixes(upTo bounds: BatchBounds) -> [(partition: Partition, jobs: [FinishedJob])] {
        var results = 0
        var bytes = 0
        var prefixes: [(partition: Partition, jobs: [FinishedJob])] = []
        for partition in partitions.keys.sorted() {
            var taken: [FinishedJob] = []
            for entry in partitions[partition]!.entries {
                guard let finished = entry.finished, results < bounds.resultsMax, bytes < bounds.bytesMax else { break }
                taken.append(finished)
                results += 1
                bytes += finished.settled.result.value.count
            }
            guard !taken.isEmpty else { continue }
            partitions[partition]!.entries.removeFirst(taken.count)
            prefixes.append((partition, taken))
        }
        count -= results
        return prefixes
    }

    private struct Entry {
        let offset: Offset
        let enqueued: Date
        private(set) var finished: FinishedJob?

        init(offset: Offset, enqueued: Date) {
            self.offset = offset
            self.enqueued = enqueued
        }

        mutating func finish(_ settled: SettledJob, at elapsed: Duration) {
            finished = FinishedJob(settled: settled, enqueued: enqueued, finished: elapsed)
        }
    }

    private struct PartitionWindow {
        let generation: Int
        /// In offset order, which has holes where a producer's transaction left markers. A slice, so that taking a prefix costs
        /// nothing; appending compacts it.
        var entries: ArraySlice<Entry> = []

        func index(of offset: Offset) -> Int? {
            var low = entries.startIndex
            var high = entries.endIndex
            while low < high {
                let middle = (low + high) / 2
                if entries[middle].offset < offset { low = middle + 1 } else { high = middle }
            }
            return low < entries.endIndex && entries[low].offset == offset ? low : nil
        }
    }
}

/// A job with its result, and the times that its latency is made of.
struct FinishedJob: Sendable {
    let settled: SettledJob
    let enqueued: Date
    let finished: Duration
}

/// When a batch is full (architecture: *The flow, in types*).
struct BatchBounds: Sendable {
    var resultsMax: Int
    var bytesMax: Int
}
