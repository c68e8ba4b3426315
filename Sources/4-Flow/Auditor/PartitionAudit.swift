import FoundationEssentials
import SigningModel

/// A job record and the result that names it.
struct Pair: Sendable {
    let job: StreamRecord
    let resultRecord: StreamRecord
    let result: JobResult
}

/// The merge of one partition: jobs in offset order, results in the order of their jobs.
///
/// What comes in order is paired as it passes and forgotten. What does not is a finding, and is paired all the same where that can be: a
/// result that stands too early waits for its job, and a job whose result did not come is kept for one that comes late.
struct PartitionAudit {
    let partition: AuditedPartition
    let check: PairCheck
    /// Jobs that were passed over, as the next result was a later one's.
    private var missing: [Offset: Missing] = [:]
    /// Results that stood before those of earlier jobs.
    private var early: [Offset: (record: StreamRecord, result: JobResult)] = [:]
    /// Jobs for which no result is left: how many, and as many of them as there can be findings.
    private var pendingCount = 0
    private var pending: [(offset: Offset, job: String?)] = []
    /// Offsets between jobs at which no job stands, in order.
    private var holes: [Range<Offset>] = []
    private var nextJob: Offset
    /// The job of the first result that is there; results of earlier jobs were deleted, if any were.
    private var firstSource: Offset?
    private var deletedJobs: DeletedJobs
    /// When the first of what could be judged was written.
    private var firstSeen: Date?
    /// The content is nil where the job record was not there to tell it.
    private var signed: [JobIDDigest: (offset: Offset, content: ContentDigest?)] = [:]
    /// Results whose job records are not there, to be judged by themselves.
    private var alone: [(record: StreamRecord, result: JobResult)] = []

    private struct Missing {
        let job: String?
        /// Kept for the first ones only.
        let record: StreamRecord?
    }

    private static let missingRecordsMax = 10_000

    init(partition: AuditedPartition, check: PairCheck) {
        self.partition = partition
        self.check = check
        nextJob = partition.firstJob
        deletedJobs = DeletedJobs(isFromStart: partition.firstResult == Offset(0))
    }

    /// Pairs jobs with their results.
    mutating func pair(_ jobs: [StreamRecord], with results: inout ResultReader, _ report: inout AuditReport) async throws -> [Pair] {
        var pairs: [Pair] = []
        for job in jobs {
            report.noteJob(at: job.time)
            if nextJob < job.offset { holes.append(nextJob..<job.offset) }
            nextJob = job.offset.next
            if let (record, result) = early.removeValue(forKey: job.offset) {
                report.noteResult(result, of: job, record)
                pairs.append(Pair(job: job, resultRecord: record, result: result))
                continue
            }
            try await findResult(of: job, in: &results, &pairs, &report)
        }
        return pairs
    }

    /// After the last job: pairs late results, up to `limit` records. False when there are none left.
    mutating func drain(_ results: inout ResultReader, limit: Int, _ pairs: inout [Pair], _ report: inout AuditReport) async throws -> Bool {
        for _ in 0..<limit {
            guard let entry = try await results.peek() else { return false }
            results.skip()
            guard let result = read(entry, &report) else { continue }
            noteOutOfTurn(result, entry.record, &pairs, &report)
        }
        return true
    }

    private mutating func findResult(
        of job: StreamRecord, in results: inout ResultReader, _ pairs: inout [Pair], _ report: inout AuditReport
    ) async throws {
        while let entry = try await results.peek() {
            guard let result = read(entry, &report) else {
                results.skip()
                continue
            }
            let source = result.source.offset
            if source == job.offset {
                results.skip()
                report.noteResult(result, of: job, entry.record)
                pairs.append(Pair(job: job, resultRecord: entry.record, result: result))
                return
            }
            if source < job.offset || source >= partition.endOfJobs {
                results.skip()
                noteOutOfTurn(result, entry.record, &pairs, &report)
                continue
            }
            // It is a later job's: either it stands too early, and this job's is the next, or this job has none here
            guard try await results.peek(ahead: 1)?.source == job.offset else {
                missing[job.offset] = Missing(job: id(of: job), record: missing.count < Self.missingRecordsMax ? job : nil)
                return
            }
            results.skip()
            if early[source] == nil {
                found(.resultOutOfOrder, result, source, "its result, record \(entry.record.offset), stands before that of an earlier job", &report)
                early[source] = (entry.record, result)
            } else {
                noteDouble(result, entry.record, &report)
            }
        }
        pendingCount += 1
        if pending.count < AuditReport.findingsMax { pending.append((job.offset, id(of: job))) }
    }

    /// Results of jobs from before this time were deleted; nil when none were.
    var horizon: Date? { partition.firstResult == Offset(0) ? nil : firstSeen ?? .distantFuture }

    /// From this job on results are there, if the jobs have any.
    private var firstJudged: Offset { partition.firstResult == Offset(0) ? Offset(0) : firstSource ?? partition.endOfJobs }

    /// After the last result: what is left of jobs has none, and what is left of results belongs to nobody.
    mutating func finish(_ report: inout AuditReport, allowsPending: Bool) {
        for (source, (record, result)) in early.sorted(by: { $0.key < $1.key }) {
            report.noteResult(result, of: nil, record)
            noteStranger(result, record, source, &report)
        }
        noteDeletedJobs(&report)
        for (offset, missing) in missing.sorted(by: { $0.key < $1.key }) {
            guard offset >= firstJudged else {
                report.unjudged += 1
                continue
            }
            report.lost += 1
            report.add(
                Finding(.jobWithoutResult, job: missing.job, partition: partition.partition, offset: offset, "later jobs have results, it has none"))
        }
        if partition.firstResult > Offset(0), firstSource == nil {
            // All results are gone: whether these had one, nobody knows.
            report.unjudged += pendingCount
            return
        }
        report.pending += pendingCount
        guard !allowsPending else { return }
        for (offset, job) in pending {
            report.add(Finding(.jobPending, job: job, partition: partition.partition, offset: offset, "it has no result yet"))
        }
        report.addFurther(pendingCount - pending.count)
    }

    /// Jobs that are deleted and have no result. A single one may have been the mark of an enqueuer's transaction, where there are such.
    private func noteDeletedJobs(_ report: inout AuditReport) {
        for gap in deletedJobs.withoutResult(before: partition.isWithoutJobs ? Offset(0) : partition.firstJob) {
            let count = Int(gap.upperBound.rawValue - gap.lowerBound.rawValue)
            if count == 1, !holes.isEmpty {
                report.unjudged += 1
                continue
            }
            let jobs = "the jobs at offsets \(gap.lowerBound) to \(gap.upperBound.rawValue - 1) of partition \(partition.partition)"
            guard !partition.isWithoutJobs else {
                report.lost += count
                report.add(
                    Finding(
                        .jobWithoutResult, partition: partition.partition, offset: gap.lowerBound,
                        "\(jobs) have no result, later ones have (marks of an enqueuer's transactions look the same without the jobs)"))
                continue
            }
            report.deletedUnread += count
            report.add(
                Finding(
                    .jobsDeletedUnread, partition: partition.partition, offset: gap.lowerBound,
                    "\(jobs) are deleted and have no result: retention took them before they were read"))
        }
    }

    // MARK: What does not come in order

    /// A result that is not of the job whose turn it is: of one that was passed over, of one that has a result, or of none.
    private mutating func noteOutOfTurn(_ result: JobResult, _ record: StreamRecord, _ pairs: inout [Pair], _ report: inout AuditReport) {
        let source = result.source.offset
        if let missing = missing.removeValue(forKey: source) {
            report.noteResult(result, of: missing.record, record)
            found(.resultOutOfOrder, result, source, "its result, record \(record.offset), stands behind that of a later job", &report)
            if let job = missing.record { pairs.append(Pair(job: job, resultRecord: record, result: result)) }
            return
        }
        report.noteResult(result, of: nil, record)
        if source < partition.firstJob {
            // Its job was deleted with its time (retention): nothing to compare with but itself.
            report.outside += 1
            switch deletedJobs.note(source) {
            case .inOrder: alone.append((record, result))
            case .late:
                alone.append((record, result))
                found(.resultOutOfOrder, result, source, "its result, record \(record.offset), stands behind that of a later job", &report)
            case .taken: noteDouble(result, record, &report, isCounted: true)
            }
        } else if source >= partition.endOfJobs || isHole(source) {
            noteStranger(result, record, source, &report)
        } else {
            noteDouble(result, record, &report, isCounted: true)
        }
    }

    private func noteDouble(_ result: JobResult, _ record: StreamRecord, _ report: inout AuditReport, isCounted: Bool = false) {
        if !isCounted { report.noteResult(result, of: nil, record) }
        report.doubled += 1
        found(.resultDoubled, result, result.source.offset, "it has a second result, record \(record.offset)", &report)
    }

    private func noteStranger(_ result: JobResult, _ record: StreamRecord, _ source: Offset, _ report: inout AuditReport) {
        found(.resultWithoutJob, result, record.offset, "it names the job at offset \(source), which is not there", &report)
    }

    private func found(_ code: Finding.Code, _ result: JobResult, _ offset: Offset, _ sentence: String, _ report: inout AuditReport) {
        report.add(Finding(code, job: result.job, partition: partition.partition, offset: offset, sentence))
    }

    private func isHole(_ offset: Offset) -> Bool {
        var (low, high) = (0, holes.count)
        while low < high {
            let middle = (low + high) / 2
            if holes[middle].upperBound <= offset { low = middle + 1 } else { high = middle }
        }
        return low < holes.count && holes[low].contains(offset)
    }

    private mutating func read(_ entry: ResultReader.Entry, _ report: inout AuditReport) -> JobResult? {
        switch entry.reading {
        case .success(let result):
            if firstSource == nil, result.source.offset < partition.endOfJobs { firstSource = result.source.offset }
            return result
        case .failure(let error):
            report.results += 1
            report.add(Finding(.resultUnreadable, partition: partition.partition, offset: entry.record.offset, "\(error)"))
            return nil
        }
    }

    private func id(of job: StreamRecord) -> String? { job.key.map { String(decoding: $0, as: UTF8.self) } }
}

// MARK: - What a result says whose job is not there

extension PartitionAudit {
    /// The results that came since the last call.
    mutating func takeAlone() -> [(record: StreamRecord, result: JobResult)] {
        defer { alone = [] }
        return alone
    }

    mutating func noteAlone(
        _ record: StreamRecord, _ result: JobResult, _ facts: PairCheck.Facts, _ report: inout AuditReport, _ packages: inout PackageTally
    ) {
        for finding in facts.findings { report.add(finding) }
        guard let job = result.job, case let id = JobIDDigest(ofKey: Array(job.utf8)) else { return }
        let position = (partition.partition, result.source.offset)
        firstSeen = min(firstSeen ?? record.time, record.time)
        if let package = facts.package { packages.note(package, facts, id, at: position, enqueued: record.time, &report) }
        guard case .signed = result.outcome else { return }
        if let first = signed[id] {
            report.doubled += 1
            found(.signedTwice, result, result.source.offset, "its id was signed before, at offset \(first.offset)", &report)
        } else {
            signed[id] = (result.source.offset, nil)
        }
    }
}

// MARK: - What a pair says, beside what came before

extension PartitionAudit {
    /// Compares what a pair says with what came before.
    mutating func note(
        _ pair: Pair, _ facts: PairCheck.Facts, _ report: inout AuditReport, _ packages: inout PackageTally, _ levels: inout LevelTally
    ) {
        for finding in facts.findings { report.add(finding) }
        func found(_ code: Finding.Code, _ sentence: String, _ report: inout AuditReport) {
            report.add(Finding(code, job: facts.jobID, partition: partition.partition, offset: pair.job.offset, sentence))
        }
        let position = (partition.partition, pair.job.offset)
        firstSeen = min(firstSeen ?? pair.job.time, pair.job.time)
        if let package = facts.package, let id = facts.fingerprint?.id {
            packages.note(package, facts, id, at: position, enqueued: pair.job.time, &report)
        }
        levels.note(facts, at: position)
        guard let fingerprint = facts.fingerprint else { return }
        let first = signed[fingerprint.id]
        switch facts.outcome {
        case .signed:
            if let first {
                report.doubled += 1
                found(.signedTwice, "its id was signed before, at offset \(first.offset)", &report)
            } else {
                signed[fingerprint.id] = (pair.job.offset, fingerprint.content)
            }
        case .duplicate(let at, let offset):
            // What it points at may have been deleted with its time.
            guard at == partition.partition, offset >= max(partition.firstJob, firstJudged) || first != nil else {
                if at != partition.partition { found(.duplicateUnfounded, "it points into partition \(at)", &report) }
                return
            }
            guard let first, first.offset == offset, first.content == nil || first.content == fingerprint.content else {
                return found(.duplicateUnfounded, "no signed job of its id and content stands at offset \(offset)", &report)
            }
        case .refused(let refusal) where refusal.code == .jobConflict:
            // The job it conflicts with may have been deleted with its time.
            guard first != nil || partition.firstJob == Offset(0) && partition.firstResult == Offset(0) else { return }
            guard let first, first.content == nil || first.content != fingerprint.content else {
                return found(.refusalUnfounded, "no signed job of its id with other content stands before it", &report)
            }
        case .refused: break
        }
    }
}
