import SigningModel

/// Validated jobs that wait for a key, by profile, and how busy each key is.
///
/// A key gets two batches for each of its lanes at most: one to work on and one behind it, so that no lane runs dry while the next
/// is handed over. Of several keys the least busy one that is in gets the next batch.
struct SigningQueues {
    private var queues: [String: Queue]

    fileprivate struct Queue {
        let profile: SigningProfile
        var waiting = FairQueue()
        var loads: [Load]
    }

    fileprivate struct Load {
        var batchesOut = 0
        /// Since when the key does not sign; nil while it does.
        var outSince: Duration?
        /// Only a person can bring it back.
        var isLost = false
        /// How often in a row it went out without having signed between.
        var failures = 0
    }

    init(_ profiles: [SigningProfile]) {
        queues = Dictionary(
            uniqueKeysWithValues: profiles.map { ($0.name, Queue(profile: $0, loads: $0.keys.map { _ in Load() })) })
    }

    mutating func append(_ job: ValidatedJob) { queues[job.profile.name]!.waiting.append(job) }

    /// The batches that can go to their keys now. Few waiting jobs are spread over the lanes.
    ///
    /// A key is used only when a stamp is promised, where the profile wants one: each job of a batch holds a promise of its profile's
    /// authority.
    mutating func takeBatches() -> [SigningBatch] {
        var batches: [SigningBatch] = []
        for (name, queue) in queues where !queue.waiting.isEmpty {
            var queue = queue
            let authority = queue.profile.level.authority
            let promised = authority.map { $0.reserve(min(queue.waiting.count, queue.room)) }
            var left = promised ?? queue.waiting.count
            defer { if left > 0 { authority?.release(left) } }
            let lanes = queue.profile.keys.indices.reduce(0) { queue.loads[$1].outSince == nil ? $0 + queue.width($1) : $0 }
            let share = (queue.waiting.count + max(1, lanes) - 1) / max(1, lanes)
            while left > 0, !queue.waiting.isEmpty, let key = queue.leastBusy {
                let size = min(max(1, queue.profile.keys[key].signer.batchSize), share, left)
                left -= min(size, queue.waiting.count)
                batches.append(SigningBatch(jobs: queue.waiting.take(size), profile: queue.profile, key: queue.profile.keys[key]))
                queue.loads[key].batchesOut += 1
            }
            queues[name] = queue
        }
        return batches
    }

    /// A batch came back signed.
    mutating func returned(_ ticket: KeyTicket) {
        queues[ticket.profile]!.loads[ticket.key].batchesOut -= 1
        queues[ticket.profile]!.loads[ticket.key].failures = 0
    }

    /// A batch came back unsigned: its jobs are the first to be signed by whichever key is free.
    mutating func returned(_ ticket: KeyTicket, unsigned jobs: [ValidatedJob]) {
        queues[ticket.profile]!.loads[ticket.key].batchesOut -= 1
        giveBack(jobs, of: ticket.profile)
    }

    mutating func giveBack(_ jobs: [ValidatedJob], of profile: String) { queues[profile]!.waiting.prepend(jobs) }

    /// Keys whose world went away while nobody asked it to sign.
    var absent: [KeyTicket] {
        queues.values.flatMap { queue in
            queue.profile.keys.indices.filter { queue.loads[$0].outSince == nil && !queue.profile.keys[$0].signer.isIn }
                .map { KeyTicket(profile: queue.profile.name, key: $0) }
        }
    }

    /// The key gets nothing until `cameBack`.
    /// - Returns: how often in a row it went out, from 1; nil when it was out already.
    mutating func wentOut(_ ticket: KeyTicket, at elapsed: Duration) -> Int? {
        guard queues[ticket.profile]!.loads[ticket.key].outSince == nil else { return nil }
        queues[ticket.profile]!.loads[ticket.key].outSince = elapsed
        queues[ticket.profile]!.loads[ticket.key].failures += 1
        return queues[ticket.profile]!.loads[ticket.key].failures
    }

    /// - Returns: since when it was out.
    mutating func cameBack(_ ticket: KeyTicket) -> Duration? { queues[ticket.profile]!.loads[ticket.key].outSince.take() }

    /// - Returns: whether no key of its profile is left that may come back.
    mutating func lost(_ ticket: KeyTicket) -> Bool {
        queues[ticket.profile]!.loads[ticket.key].isLost = true
        return queues[ticket.profile]!.loads.allSatisfy(\.isLost)
    }

    /// Why the waiting jobs of each profile get no stamp now; profiles without waiting jobs are left out.
    var obstacles: [String: String] {
        queues.filter { !$0.value.waiting.isEmpty }.compactMapValues { $0.profile.level.authority?.obstacle }
    }

    /// Some profile's authorities promise nothing, whether jobs wait for it or not.
    var isAnyAuthorityOut: Bool { queues.values.contains { $0.profile.level.authority?.obstacle != nil } }

    /// Profiles whose jobs can be signed now: a key is in, and where they want a stamp, one can be promised.
    var signable: Set<String> {
        Set(queues.filter { $0.value.loads.contains { $0.outSince == nil } && $0.value.profile.level.authority?.obstacle == nil }.keys)
    }

    /// How many jobs of the other profiles wait, by partition.
    func waiting(exceptOf profiles: Set<String>) -> [Partition: Int] {
        var counts: [Partition: Int] = [:]
        for (name, queue) in queues where !profiles.contains(name) {
            counts.merge(queue.waiting.counts) { $0 + $1 }
        }
        return counts
    }

    /// How many jobs of these profiles wait.
    func parked(_ profiles: Set<String>) -> Int { queues.reduce(0) { profiles.contains($1.key) ? $0 + $1.value.waiting.count : $0 } }

    /// Since when a profile has had no key that signs, the one for the longest time; nil while each has one.
    var withoutKeySince: Duration? {
        queues.values.compactMap { queue in
            let since = queue.loads.compactMap(\.outSince)
            return since.count == queue.loads.count ? since.max() : nil
        }.min()
    }

    /// Forgets the jobs for which `isGone` holds; their keys were not used.
    mutating func removeAll(where isGone: (ValidatedJob) -> Bool) {
        for name in queues.keys { queues[name]!.waiting.removeAll(where: isGone) }
    }
}

/// Jobs of one profile on their way to one key.
struct SigningBatch: Sendable {
    let jobs: [ValidatedJob]
    let profile: SigningProfile
    let key: SigningKey

    var ticket: KeyTicket { KeyTicket(profile: profile.name, key: key.index) }
}

/// Names a key of a profile.
struct KeyTicket: Hashable, Sendable {
    let profile: String
    /// `SigningKey.index`.
    let key: Int
}

extension SigningQueues.Queue {
    fileprivate func width(_ key: Int) -> Int { max(1, profile.keys[key].signer.width) }

    /// How many jobs the keys that are in take now.
    fileprivate var room: Int {
        profile.keys.indices.reduce(0) { sum, key in
            guard loads[key].outSince == nil else { return sum }
            return sum + max(0, 2 * width(key) - loads[key].batchesOut) * max(1, profile.keys[key].signer.batchSize)
        }
    }

    /// The key that is in, has room, and has the fewest batches for its width.
    fileprivate var leastBusy: Int? {
        profile.keys.indices
            .filter { loads[$0].outSince == nil && loads[$0].batchesOut < 2 * width($0) }
            .min { loads[$0].batchesOut * width($1) < loads[$1].batchesOut * width($0) }
    }
}
