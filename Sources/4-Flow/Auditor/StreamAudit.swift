import FoundationEssentials
import OperatingSystem
import SigningModel

/// Proves from a stream's topics alone that each job has its one true result, or says what is wrong.
///
/// Needs no keys and not the worker's word. Reads each partition once, jobs and results side by side, as both stand in the same order;
/// what it keeps is the id and content of each signed job (about 60 bytes), the places in packages, and findings up to a bound.
public struct StreamAudit: Sendable {
    private let stream: any ResultStream
    private let judge: SignatureJudge
    private let allowsPending: Bool
    private let levelsChanged: Set<String>
    /// Records read, checked in parallel, and compared at once.
    private static let batchMax = 512

    /// - Parameters:
    ///   - allowsPending: jobs at the end of a partition, and packages that lack jobs, are no finding: the stream is in use.
    ///   - levelsChanged: profiles whose level was changed on purpose: that they signed at two is a note and no finding.
    public init(_ stream: any ResultStream, judge: SignatureJudge, allowsPending: Bool = false, levelsChanged: Set<String> = []) {
        self.stream = stream
        self.judge = judge
        self.allowsPending = allowsPending
        self.levelsChanged = levelsChanged
    }

    /// - Parameter progress: told the number of jobs audited so far, and of all.
    /// - Throws: what the stream throws when it cannot be read.
    public func run(progress: @Sendable (_ done: Int, _ total: Int) -> Void = { _, _ in }) async throws -> AuditReport {
        var report = AuditReport(stream: stream.name)
        var packages = PackageTally()
        var levels = LevelTally()
        var horizon: Date?
        let partitions = try await stream.partitions()
        let total = partitions.reduce(0) { $0 + Int($1.endOfJobs.rawValue - $1.firstJob.rawValue) }
        for partition in partitions {
            var audit = PartitionAudit(
                partition: partition,
                check: PairCheck(stream: stream.name, partition: partition.partition, partitionCount: partitions.count, judge: judge))
            var results = ResultReader { from in try await stream.results(of: partition.partition, from: from, limit: Self.batchMax) }
            var from = partition.firstJob
            while true {
                let jobs = try await stream.jobs(of: partition.partition, from: from, limit: Self.batchMax)
                guard let last = jobs.last else { break }
                from = last.offset.next
                let pairs = try await audit.pair(jobs, with: &results, &report)
                await compare(pairs, &audit, &report, &packages, &levels)
                await judgeAlone(&audit, &report, &packages)
                progress(report.jobs, total)
            }
            var isMore = true
            while isMore {
                var late: [Pair] = []
                isMore = try await audit.drain(&results, limit: Self.batchMax, &late, &report)
                await compare(late, &audit, &report, &packages, &levels)
                await judgeAlone(&audit, &report, &packages)
            }
            audit.finish(&report, allowsPending: allowsPending)
            horizon = [horizon, audit.horizon].compactMap { $0 }.max()
        }
        levels.finish(&report, changed: levelsChanged)
        packages.finish(&report, allowsPending: allowsPending, horizon: horizon)
        return report
    }

    /// Results whose jobs are not there.
    private func judgeAlone(_ audit: inout PartitionAudit, _ report: inout AuditReport, _ packages: inout PackageTally) async {
        let alone = audit.takeAlone()
        let facts = await CPUWork.map(alone) { [check = audit.check] entry in check.checkAlone(entry.record, entry.result) }
        for (entry, facts) in zip(alone, facts) { audit.noteAlone(entry.record, entry.result, facts, &report, &packages) }
    }

    /// Checks pairs in parallel, then one after the other with what came before them.
    private func compare(
        _ pairs: [Pair], _ audit: inout PartitionAudit, _ report: inout AuditReport, _ packages: inout PackageTally, _ levels: inout LevelTally
    ) async {
        let facts = await CPUWork.map(pairs) { [check = audit.check] pair in check.check(pair.job, pair.resultRecord, pair.result) }
        for (pair, facts) in zip(pairs, facts) { audit.note(pair, facts, &report, &packages, &levels) }
    }
}
