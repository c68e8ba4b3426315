import FoundationEssentials
import SigningModel

/// A job record and the result that names it.
struct Pair: Sendable {
    let job: StreamRecord
    let resultRecord: StreamRecord
    let result: JobResult
}

/// The merge of one partition: jobs in offset order, results in the order of their jobs.
struct PartitionAudit {
    let partition: AuditedPartition
    let check: PairCheck
    /// Jobs passed over because the next result was of a later one.
    private var missing: [Offset: String?] = [:]
    /// Jobs for which no result is left.
    private var pending: [(offset: Offset, job: String?)] = []
    private var signed: [JobIDDigest: (offset: Offset, content: ContentDigest)] = [:]

    init(partition: AuditedPartition, check: PairCheck) {
        self.partition = partition
        self.check = check
    }

    /// Pairs jobs with their results.
    mutating func pair(_ jobs: [StreamRecord], with results: inout RecordReader, _ report: inout AuditReport) async throws -> [Pair] {
        var pairs: [Pair] = []
        for job in jobs {
            report.noteJob(at: job.time)
            while true {
                guard let record = try await results.peek() else {
                    pending.append((job.offset, id(of: job)))
                    break
                }
                guard let result = read(record, &report) else {
                    results.skip()
                    continue
                }
                let source = result.source.offset
                if source == job.offset {
                    results.skip()
                    report.noteResult(result, of: job, record)
                    pairs.append(Pair(job: job, resultRecord: record, result: result))
                    break
                }
                if source > job.offset {
                    missing[job.offset] = id(of: job)
                    break
                }
                results.skip()
                report.noteResult(result, of: nil, record)
                noteEarlier(result, record, &report)
            }
        }
        return pairs
    }

    /// Compares what a pair says with what came before.
    mutating func note(_ pair: Pair, _ facts: PairCheck.Facts, _ report: inout AuditReport, _ packages: inout PackageTally) {
        for finding in facts.findings { report.add(finding) }
        func found(_ code: Finding.Code, _ sentence: String, _ report: inout AuditReport) {
            report.add(Finding(code, job: facts.jobID, partition: partition.partition, offset: pair.job.offset, sentence))
        }
        if let package = facts.package, let id = facts.jobID {
            packages.note(package, job: id, facts.outcome, partition.partition, pair.job.offset, &report)
        }
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
            guard at == partition.partition, offset >= partition.firstJob || first != nil else {
                if at != partition.partition { found(.duplicateUnfounded, "it points into partition \(at)", &report) }
                return
            }
            guard let first, first.offset == offset, first.content == fingerprint.content else {
                return found(.duplicateUnfounded, "no signed job of its id and content stands at offset \(offset)", &report)
            }
        case .refused(let refusal) where refusal.code == .jobConflict:
            // The job it conflicts with may have been deleted with its time.
            guard first != nil || partition.firstJob == Offset(0) else { return }
            guard let first, first.content != fingerprint.content else {
                return found(.refusalUnfounded, "no signed job of its id with other content stands before it", &report)
            }
        case .refused: break
        }
    }

    /// After the last job: what is left of results belongs to nobody, and what is left of jobs has none.
    mutating func finish(_ results: inout RecordReader, _ report: inout AuditReport, allowsPending: Bool) async throws {
        while let record = try await results.peek() {
            results.skip()
            guard let result = read(record, &report) else { continue }
            report.noteResult(result, of: nil, record)
            noteEarlier(result, record, &report)
        }
        for (offset, job) in missing.sorted(by: { $0.key < $1.key }) {
            report.lost += 1
            report.add(Finding(.jobWithoutResult, job: job, partition: partition.partition, offset: offset, "later jobs have results, it has none"))
        }
        report.pending += pending.count
        guard !allowsPending else { return }
        for (offset, job) in pending {
            report.add(Finding(.jobPending, job: job, partition: partition.partition, offset: offset, "it has no result yet"))
        }
    }

    /// A result that is not the next job's: of one that was passed over, of one that has a result, or of none.
    private mutating func noteEarlier(_ result: JobResult, _ record: StreamRecord, _ report: inout AuditReport) {
        let source = result.source.offset
        func found(_ code: Finding.Code, _ sentence: String) {
            report.add(Finding(code, job: result.job, partition: partition.partition, offset: record.offset, sentence))
        }
        if missing.removeValue(forKey: source) != nil {
            found(.resultOutOfOrder, "the result of the job at offset \(source) stands behind that of a later one")
        } else if source < partition.firstJob {
            // Its job was deleted with its time (retention): nothing to compare with.
            report.outside += 1
        } else if source >= partition.endOfJobs {
            found(.resultWithoutJob, "it names the job at offset \(source), which is not there")
        } else {
            report.doubled += 1
            found(.resultDoubled, "the job at offset \(source) has a result already")
        }
    }

    private func read(_ record: StreamRecord, _ report: inout AuditReport) -> JobResult? {
        do {
            return try JobResult.read(record.value ?? [])
        } catch {
            report.results += 1
            report.add(Finding(.resultUnreadable, partition: partition.partition, offset: record.offset, "\(error)"))
            return nil
        }
    }

    private func id(of job: StreamRecord) -> String? { job.key.map { String(decoding: $0, as: UTF8.self) } }
}

/// Which documents of each package have a result of their own.
struct PackageTally {
    private struct Tally {
        let count: Int64
        var indices: Set<Int64> = []
    }

    private var packages: [String: Tally] = [:]

    mutating func note(
        _ package: Package, job: String, _ outcome: JobResult.Outcome, _ partition: Partition, _ offset: Offset, _ report: inout AuditReport
    ) {
        var tally = packages[package.id] ?? Tally(count: package.count)
        if tally.count != package.count {
            report.add(
                Finding(
                    .packageDisagrees, job: job, partition: partition, offset: offset,
                    "package \(package.id) has \(tally.count) documents, or \(package.count)"))
        }
        if case .duplicate = outcome {} else { tally.indices.insert(package.index) }
        packages[package.id] = tally
    }

    func finish(_ report: inout AuditReport, allowsPending: Bool) {
        for (id, tally) in packages.sorted(by: { $0.key < $1.key }) {
            if Int64(tally.indices.count) >= tally.count {
                report.packagesComplete += 1
            } else {
                report.packagesIncomplete += 1
                guard !allowsPending else { continue }
                report.add(Finding(.packageIncomplete, "package \(id) has results for \(tally.indices.count) of \(tally.count) documents"))
            }
        }
    }
}
