import CMS
import SigningModel
import TimeStampProtocol

/// A job's result, encoded, on its way into the window.
struct SettledJob: Sendable {
    /// As the metric `tanba_results_total` names them.
    enum Outcome: String { case signed, refused, duplicate }

    let place: Place
    let outcome: Outcome
    let result: FinishedResult
    /// The job's id, where it was validated: it stands in `JobsInFlight`.
    let fingerprint: JobFingerprint?
    /// The refusal's code.
    var refusal: RefusalCode?
}

/// Writes the one result record of each job record.
struct ResultWriter: Sendable {
    /// The worker's id, which every result names.
    let worker: String

    /// A job that could not be read.
    func refused(_ received: ReceivedJob, _ unreadable: UnreadableJob) -> SettledJob {
        settle(received, .refused, fingerprint: nil, refusal: unreadable.refusal.code) {
            JobResult(of: unreadable, source: received.record.position, worker: worker)
        }
    }

    /// A job that could be read and must not be signed.
    func refused(_ received: ReceivedJob, _ job: Job, _ refusal: Refusal) -> SettledJob {
        settle(received, .refused, fingerprint: nil, refusal: refusal.code) {
            JobResult(of: job, outcome: .refused(refusal), source: received.record.position, worker: worker)
        }
    }

    /// A job whose id was signed before: a duplicate when the content is the same, else a conflict.
    func follows(_ received: ReceivedJob, _ job: Job, _ precedent: Precedent) -> SettledJob {
        guard JobFingerprint(job).content == precedent.content else {
            return refused(received, job, .jobConflict(with: precedent.partition, precedent.offset))
        }
        return settle(received, .duplicate, fingerprint: nil, refusal: nil) {
            JobResult(of: job, outcome: .duplicate(of: precedent.partition, precedent.offset), source: received.record.position, worker: worker)
        }
    }

    /// A signed job; refused when its result would be larger than this.
    ///
    /// - Parameter bytesMax: what any reader must accept (`Bounds.resultBytesMax`), or less where the log takes less.
    func signed(_ stamped: TimeStampedJob, bytesMax: Int) -> SettledJob {
        let validated = stamped.signed.validated
        let received = validated.received
        let level = validated.profile.level
        let timestamp = stamped.stamp.map { TimestampSummary(authority: $0.authority, time: $0.token.time, serial: $0.token.serialNumberHex) }
        let signature = Signature(level: level.name, value: stamped.contentInfo)
        let result = JobResult(
            of: validated.job, outcome: .signed(signature, signer: stamped.signed.key.summary, timestamp: timestamp),
            source: received.record.position, worker: worker)
        let encoded = result.encoded()
        guard encoded.count <= bytesMax else {
            let refused = self.refused(received, validated.job, .resultTooLarge(bytes: encoded.count, limit: bytesMax))
            return SettledJob(
                place: refused.place, outcome: .refused, result: refused.result, fingerprint: validated.fingerprint, refusal: refused.refusal)
        }
        return settle(received, .signed, fingerprint: validated.fingerprint, refusal: nil, encoded: encoded)
    }

    private func settle(
        _ received: ReceivedJob, _ outcome: SettledJob.Outcome, fingerprint: JobFingerprint?, refusal: RefusalCode?, _ result: () -> JobResult
    ) -> SettledJob {
        settle(received, outcome, fingerprint: fingerprint, refusal: refusal, encoded: result().encoded())
    }

    private func settle(
        _ received: ReceivedJob, _ outcome: SettledJob.Outcome, fingerprint: JobFingerprint?, refusal: RefusalCode?, encoded: [UInt8]
    ) -> SettledJob {
        let result = FinishedResult(
            offset: received.place.offset, key: received.record.key, value: encoded, fingerprint: outcome == .signed ? fingerprint : nil,
            traceparent: received.record.traceparent)
        return SettledJob(place: received.place, outcome: outcome, result: result, fingerprint: fingerprint, refusal: refusal)
    }
}
