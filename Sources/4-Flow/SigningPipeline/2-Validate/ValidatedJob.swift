import CMS
import FoundationEssentials
import SigningModel

/// A job that may be signed: read, in its place, within its time, with a profile of its stream that fits its digest.
struct ValidatedJob: Sendable {
    let received: ReceivedJob
    let job: Job
    let profile: SigningProfile
    let fingerprint: JobFingerprint

    fileprivate init(received: ReceivedJob, job: Job, profile: SigningProfile) {
        self.received = received
        self.job = job
        self.profile = profile
        fingerprint = JobFingerprint(job)
    }
}

/// What validation made of a job.
enum Validation {
    case valid(ValidatedJob)
    case settled(SettledJob)
}

/// The rules a job must keep before a key is used for it (architecture: *Jobs and results*).
struct Validator {
    /// The profiles that may be used in this stream, by name.
    let profiles: [String: SigningProfile]
    /// Names of profiles that this worker knows and that may not be used in this stream.
    let profilesElsewhere: Set<String>
    let stream: String
    let results: ResultWriter

    func validate(_ received: ReceivedJob) -> Validation {
        let job: Job
        switch Job.read(received.record.value) {
        case .job(let read): job = read
        case .refused(let unreadable): return .settled(results.refused(received, unreadable))
        }
        if let refusal = refusal(of: job, received) { return .settled(results.refused(received, job, refusal)) }
        if let precedent = received.record.precedent {
            return .settled(results.follows(received, job, precedent))
        }
        guard let profile = profiles[job.profile] else {
            let isElsewhere = profilesElsewhere.contains(job.profile)
            return .settled(results.refused(received, job, isElsewhere ? .profileNotAllowed(job.profile, in: stream) : .profileUnknown(job.profile)))
        }
        guard job.digest.algorithm == profile.digest else {
            let refusal = Refusal.digestAlgorithmMismatch(profile: profile.name, expected: profile.digest, actual: job.digest.algorithm)
            return .settled(results.refused(received, job, refusal))
        }
        if let expires = job.expires, expires <= received.received {
            return .settled(results.refused(received, job, .jobExpired(expires, judged: received.received, enqueued: received.record.enqueued)))
        }
        return .valid(ValidatedJob(received: received, job: job, profile: profile))
    }

    /// The record's key is the job id and decides the partition: elsewhere the job's double could be signed again.
    private func refusal(of job: Job, _ received: ReceivedJob) -> Refusal? {
        let partition = received.place.partition
        guard let key = received.record.key else { return .misplaced(.noKey, in: partition) }
        guard key.elementsEqual(job.id.utf8) else { return .misplaced(.keyDiffers, in: partition) }
        guard !received.record.isMisplaced else { return .misplaced(.wrongPartition, in: partition) }
        return nil
    }
}
