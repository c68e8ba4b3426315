import FoundationEssentials
import SigningModel

/// Which documents of each package have a result of their own.
struct PackageTally {
    private struct Tally {
        let count: Int64
        /// When the first of its jobs that were seen was written.
        var began: Date
        /// Which job has each place.
        var jobs: [Int64: JobIDDigest] = [:]
    }

    private var packages: [String: Tally] = [:]
    /// How much older than the first of its jobs that are left one that was deleted may be.
    private static let secondsToEnqueue = 3600.0

    mutating func note(
        _ package: Package, _ facts: PairCheck.Facts, _ job: JobIDDigest, at position: (Partition, Offset), enqueued: Date,
        _ report: inout AuditReport
    ) {
        var tally = packages[package.id] ?? Tally(count: package.count, began: enqueued)
        tally.began = min(tally.began, enqueued)
        func disagrees(_ sentence: String) {
            report.add(Finding(.packageDisagrees, job: facts.jobID, partition: position.0, offset: position.1, sentence))
        }
        if tally.count != package.count { disagrees("package \(package.id) has \(tally.count) documents, or \(package.count)") }
        if case .duplicate = facts.outcome {
        } else {
            // A refused id may come again, in the same place
            if let other = tally.jobs[package.index], other != job {
                disagrees("place \(package.index) of package \(package.id) is taken by another job")
            }
            tally.jobs[package.index] = job
        }
        packages[package.id] = tally
    }

    /// - Parameter horizon: records from before this time were deleted; nil when none were.
    func finish(_ report: inout AuditReport, allowsPending: Bool, horizon: Date?) {
        for (id, tally) in packages.sorted(by: { $0.key < $1.key }) {
            if Int64(tally.jobs.count) >= tally.count {
                report.packagesComplete += 1
            } else {
                report.packagesIncomplete += 1
                if let horizon, tally.began.timeIntervalSince(horizon) < Self.secondsToEnqueue {
                    report.packagesUnjudged += 1
                    continue
                }
                guard !allowsPending else { continue }
                report.add(Finding(.packageIncomplete, "package \(id) has results for \(tally.jobs.count) of \(tally.count) documents"))
            }
        }
    }
}

/// At which levels each profile signed. A profile signs at one: where two are found, somebody may have cut time-stamps away, in the
/// signature and in what its result says of it.
struct LevelTally {
    private struct Levels {
        var count: [Signature.Level: Int] = [:]
        var first: [Signature.Level: (job: String?, partition: Partition, offset: Offset)] = [:]
    }

    private var profiles: [String: Levels] = [:]

    mutating func note(_ facts: PairCheck.Facts, at position: (partition: Partition, offset: Offset)) {
        guard let profile = facts.profile, let level = facts.level else { return }
        profiles[profile, default: Levels()].count[level, default: 0] += 1
        if profiles[profile]?.first[level] == nil { profiles[profile]?.first[level] = (facts.jobID, position.partition, position.offset) }
    }

    /// - Parameter changed: profiles whose level was changed on purpose, as the auditor knows.
    func finish(_ report: inout AuditReport, changed: Set<String>) {
        for (profile, levels) in profiles.sorted(by: { $0.key < $1.key }) where levels.count.count > 1 {
            guard let first = levels.first[.bB] else { continue }
            let counts = levels.count.sorted { $0.key.rawValue < $1.key.rawValue }.map { "\($0.value) at \($0.key.rawValue)" }
            if changed.contains(profile) {
                report.notes.append("profile \(profile), whose level was changed on purpose, signed \(counts.joined(separator: ", "))")
                continue
            }
            report.add(
                Finding(
                    .profileLevelMixed, job: first.job, partition: first.partition, offset: first.offset,
                    "profile \(profile) signed \(counts.joined(separator: ", ")); this is the first without a time-stamp"
                        + " (--level-changed \(profile) if that was meant)"))
        }
    }
}
