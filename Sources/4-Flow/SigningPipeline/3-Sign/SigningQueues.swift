/// Validated jobs that wait for their signer, by profile.
///
/// A signer gets two batches for each of its lanes at most: one to work on and one behind it, so that no lane runs dry
/// while the next is handed over.
struct SigningQueues {
    private var queues: [String: Queue] = [:]

    private struct Queue {
        let profile: SigningProfile
        var waiting: ArraySlice<ValidatedJob> = []
        var batchesOut = 0
    }

    mutating func append(_ job: ValidatedJob) {
        queues[job.profile.name, default: Queue(profile: job.profile)].waiting.append(job)
    }

    /// The batches that can go to their signers now. Few waiting jobs are spread over the lanes.
    mutating func takeBatches() -> [[ValidatedJob]] {
        var batches: [[ValidatedJob]] = []
        for (name, queue) in queues where !queue.waiting.isEmpty {
            var queue = queue
            let width = max(1, queue.profile.signer.width)
            let size = min(max(1, queue.profile.signer.batchSize), (queue.waiting.count + width - 1) / width)
            while !queue.waiting.isEmpty, queue.batchesOut < 2 * width {
                batches.append(Array(queue.waiting.prefix(size)))
                queue.waiting = queue.waiting.dropFirst(size)
                queue.batchesOut += 1
            }
            queues[name] = queue
        }
        return batches
    }

    /// A batch came back from its signer.
    mutating func returned(to profile: String) {
        queues[profile]?.batchesOut -= 1
    }

    /// Forgets the jobs for which `isGone` holds; their keys were not used.
    mutating func removeAll(where isGone: (ValidatedJob) -> Bool) {
        for name in queues.keys { queues[name]!.waiting.removeAll(where: isGone) }
    }
}
