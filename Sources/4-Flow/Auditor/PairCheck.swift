import CMS
import FoundationEssentials
import LibCrypto
import SigningModel

/// Checks one result against its job record: everything that the two of them tell, without what stands around them.
struct PairCheck: Sendable {
    let stream: String
    let partition: Partition
    let partitionCount: Int
    let judge: SignatureJudge

    /// What remains to be compared with other records.
    struct Facts: Sendable {
        var jobID: String?
        var fingerprint: JobFingerprint?
        var package: Package?
        /// Of a signature that holds.
        var profile: String?
        var level: Signature.Level?
        var outcome: JobResult.Outcome
        var findings: [Finding] = []
    }

    func check(_ record: StreamRecord, _ resultRecord: StreamRecord, _ result: JobResult) -> Facts {
        var job: Job?
        var unreadable: UnreadableJob?
        switch Job.read(record.value) {
        case .job(let read): job = read
        case .refused(let refused): unreadable = refused
        }
        var facts = Facts(
            jobID: job?.id ?? unreadable?.id, fingerprint: job.map { JobFingerprint($0) }, package: job?.package, outcome: result.outcome)
        func found(_ code: Finding.Code, _ sentence: String) {
            facts.findings.append(Finding(code, job: facts.jobID, partition: partition, offset: record.offset, sentence))
        }
        for difference in differences(record, resultRecord, job, unreadable, result) { found(.resultDiffersFromJob, difference) }
        let misplacement = job.flatMap { self.misplacement(of: $0, record) }
        switch result.outcome {
        case .signed(let signature, let signer, let timestamp):
            guard let job else {
                found(.signedUnfounded, "its record is no job that could be signed: \(unreadable!.refusal.message)")
                break
            }
            if let misplacement { found(.signedUnfounded, misplacement) }
            let verdict = judge.judge(signature.value) { $0 == job.digest.algorithm ? job.digest.value : nil }
            switch verdict {
            case .unsound(let faults):
                for fault in faults { found(Finding.Code(rawValue: fault.code), fault.sentence) }
            case .sound(let sound):
                facts.profile = job.profile
                facts.level = Signature.Level(rawValue: sound.level)
                for difference in differences(signature, signer, timestamp, sound) { found(.resultDiffersFromSignature, difference) }
            }
        case .refused(let refusal):
            if let doubt = doubt(refusal, record, job, unreadable, misplacement, published: resultRecord.time) { found(.refusalUnfounded, doubt) }
        case .duplicate:
            if job == nil { found(.duplicateUnfounded, "its record is no job") }
            if let misplacement { found(.duplicateUnfounded, misplacement) }
        }
        return facts
    }

    /// Checks what a result tells of itself when its job record is not there any more: its signature over the digest that it names itself.
    func checkAlone(_ record: StreamRecord, _ result: JobResult) -> Facts {
        var facts = Facts(jobID: result.job, package: result.package, outcome: result.outcome)
        func found(_ code: Finding.Code, _ sentence: String) {
            facts.findings.append(Finding(code, job: facts.jobID, partition: partition, offset: result.source.offset, sentence))
        }
        for difference in misdirections(result) { found(.resultDiffersFromJob, difference) }
        guard case .signed(let signature, let signer, let timestamp) = result.outcome, let digest = result.digest else { return facts }
        if record.key.map({ $0.elementsEqual((result.job ?? "").utf8) }) != true { found(.resultDiffersFromJob, "its key is not the id of its job") }
        let verdict = judge.judge(signature.value) { $0 == digest.algorithm ? digest.value : nil }
        switch verdict {
        case .unsound(let faults):
            for fault in faults { found(Finding.Code(rawValue: fault.code), fault.sentence) }
        case .sound(let sound):
            for difference in differences(signature, signer, timestamp, sound) { found(.resultDiffersFromSignature, difference) }
        }
        return facts
    }

    /// Where the result says that its job stands, if not where results of this partition's jobs stand.
    private func misdirections(_ result: JobResult) -> [String] {
        var differences: [String] = []
        if result.source.topic != stream + ".jobs" { differences.append("it names the topic \(result.source.topic)") }
        if result.source.partition != partition { differences.append("it names the partition \(result.source.partition)") }
        return differences
    }

    /// A job must stand under its id, in the partition that murmur2 gives it.
    private func misplacement(of job: Job, _ record: StreamRecord) -> String? {
        guard let key = record.key, key.elementsEqual(job.id.utf8) else { return "the job record's key is not the job id" }
        let home = Partition.holding(key: key, among: partitionCount)
        return home == partition ? nil : "the job record should stand in partition \(home)"
    }

    private func differences(_ record: StreamRecord, _ resultRecord: StreamRecord, _ job: Job?, _ unreadable: UnreadableJob?, _ result: JobResult)
        -> [String]
    {
        var differences: [String] = []
        if resultRecord.key != record.key { differences.append("its key is not that of the job record") }
        differences += misdirections(result)
        let expected = job.map { ($0.id, $0.package, $0.document?.id, $0.digest, $0.attributes) }
        let id = expected?.0 ?? unreadable?.id
        if result.job != id { differences.append("it names the job \(result.job ?? "null")") }
        guard let job else { return differences }
        if result.package != job.package { differences.append("it names another package") }
        if result.documentID != job.document?.id { differences.append("it names another document") }
        if result.digest != job.digest { differences.append("it names another digest") }
        if result.attributes != job.attributes { differences.append("it has other attributes") }
        return differences
    }

    private func differences(_ signature: Signature, _ signer: SignerSummary, _ timestamp: TimestampSummary?, _ sound: SignatureJudge.Sound)
        -> [String]
    {
        var differences: [String] = []
        if signature.level.rawValue != sound.level {
            differences.append("it says level \(signature.level.rawValue), the signature has \(sound.level)")
        }
        if signer.certificateSHA256 != sound.certificate.sha256 { differences.append("it names another certificate") }
        if signer.subject != sound.certificate.subject || signer.serial != sound.certificate.serialNumberHex {
            differences.append("it names another signer")
        }
        let stamp = sound.timeStamps.first
        if timestamp?.serial != stamp?.serialNumberHex { differences.append("it names another time-stamp") }
        if let timestamp, let stamp, abs(timestamp.time.timeIntervalSince(stamp.time)) >= 1 {
            differences.append("it gives the time-stamp another time")
        }
        return differences
    }

    /// Why a refusal cannot be right; nil when it can. Whether a profile exists is the worker's configuration and cannot be judged here.
    private func doubt(
        _ refusal: Refusal, _ record: StreamRecord, _ job: Job?, _ unreadable: UnreadableJob?, _ misplacement: String?, published: Date
    ) -> String? {
        let ofReading: Set<RefusalCode> = [
            .jobMalformed, .jobKeyUnknown, .jobKeyDoubled, .jobFieldMissing, .jobFieldInvalid, .jobTooLarge, .versionUnsupported, .digestLength,
        ]
        if let unreadable {
            return refusal.code == unreadable.refusal.code ? nil : "it is refused as \(refusal.code), and is \(unreadable.refusal.code)"
        }
        if ofReading.contains(refusal.code) { return "it is refused as \(refusal.code), and can be read" }
        switch refusal.code {
        case .misplaced: return misplacement == nil ? "it stands where it should" : nil
        case .jobExpired: return job?.expires.map { $0 <= published } == true ? nil : "it had not expired"
        default: return nil
        }
    }
}
