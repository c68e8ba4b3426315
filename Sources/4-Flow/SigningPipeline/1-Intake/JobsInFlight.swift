import SigningModel

/// The jobs that may become `signed`, by job id, from validation until their batch is committed.
///
/// The log knows what was signed and committed (`JobRecord.precedent`); this table covers the time before. One id stands in one
/// partition (others are refused as misplaced), so an id's jobs come here in order: the first goes on, the others wait for what
/// becomes of it.
struct JobsInFlight {
    private var firsts: [JobIDDigest: First] = [:]

    private struct First {
        var place: Place
        var content: ContentDigest
        var isSigned = false
        var waiting: [ValidatedJob] = []

        var precedent: Precedent { Precedent(partition: place.partition, offset: place.offset, content: content) }
    }

    enum Turn {
        /// The first of its id: goes on to be signed.
        case goes
        /// Another job of this id is being signed; this one comes out of `settle` of that one.
        case waits
        /// A job of this id is signed, and its batch not yet committed.
        case follows(Precedent)
    }

    mutating func enter(_ job: ValidatedJob) -> Turn {
        let id = job.fingerprint.id
        guard let first = firsts[id] else {
            firsts[id] = First(place: job.received.place, content: job.fingerprint.content)
            return .goes
        }
        if first.isSigned { return .follows(first.precedent) }
        firsts[id]!.waiting.append(job)
        return .waits
    }

    /// The first job of this id was signed.
    /// - Returns: the jobs that waited, and what they now follow.
    mutating func signed(_ id: JobIDDigest) -> (waited: [ValidatedJob], precedent: Precedent)? {
        guard var first = firsts[id] else { return nil }
        let waited = first.waiting
        first.isSigned = true
        first.waiting = []
        firsts[id] = first
        return (waited, first.precedent)
    }

    /// The first job of this id was refused after all: a refused id may come again.
    /// - Returns: the next job of this id, which goes on to be signed.
    mutating func refused(_ id: JobIDDigest) -> ValidatedJob? {
        guard var first = firsts[id], !first.waiting.isEmpty else {
            firsts[id] = nil
            return nil
        }
        let next = first.waiting.removeFirst()
        first.place = next.received.place
        first.content = next.fingerprint.content
        firsts[id] = first
        return next
    }

    /// The batch with this job is committed: from now on the log knows it.
    mutating func committed(_ id: JobIDDigest) { firsts[id] = nil }

    /// Forgets the jobs of a dropped partition.
    mutating func drop(_ partition: Partition) {
        firsts = firsts.filter { $0.value.place.partition != partition }
    }
}
