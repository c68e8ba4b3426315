import Failpoints
public import FoundationEssentials
public import OperatingSystem
import SQLite
public import SigningModel
public import SigningPipeline

/// A stream in one SQLite file, for one machine: the quick start and `tanba sign`.
///
/// The tables are a published format (docs/schemas/embedded-log.md). Results and what they prove signed are written in one
/// transaction with `synchronous=FULL`; the position is not stored, it is the end of the results. A job id is known for ever.
///
/// Lives on a thread of its own, as SQLite blocks. One process at a time: `LOG.lock` beside the file is held.
public actor EmbeddedJobLog: JobLog, LaneActor {
    public nonisolated let stream: String
    public nonisolated let lane = SerialLane(label: "tanba.embedded-log")
    private let lock: LockFile
    private let store: EmbeddedStore
    private let clock: @Sendable () -> Date
    /// The next job to give out.
    private var next: Int64
    /// One behind the last job.
    private var end: Int64
    private var isAppendingFinished = false

    /// Opens the log in a folder, or makes it.
    ///
    /// - Parameters:
    ///   - directory: holds `log.sqlite` and `log.lock`; made when missing.
    ///   - stream: the name of a new log's stream; an existing one keeps its own.
    ///   - clock: what the times of records are read from.
    /// - Throws: `JobLogError`, `.unavailable` while another process has the log.
    public init(directory: String, stream: String, clock: @escaping @Sendable () -> Date = { Date() }) throws(JobLogError) {
        do {
            try Files.createDirectory(directory)
            lock = try LockFile(path: directory + "/log.lock")
        } catch {
            throw JobLogError(.unavailable, reason: "\(error)", remedy: "wait for the other run, or choose another folder")
        }
        do {
            store = try EmbeddedStore(path: directory + "/log.sqlite", newStream: stream)
            self.stream = store.stream
            next = try store.resultCount()
            end = try store.jobCount()
        } catch {
            throw JobLogError(
                .misconfigured, reason: "the log \(directory)/log.sqlite cannot be opened: \(error)",
                remedy: "check the folder's rights and free space, or choose another folder")
        }
        self.clock = clock
    }

    // MARK: Enqueueing

    /// Adds jobs behind the last, in one transaction.
    public func append(_ jobs: [Job]) throws(JobLogError) {
        let now = Self.milliseconds(clock())
        try persist {
            for (index, job) in jobs.enumerated() {
                try store.insertJob(offset: end + Int64(index), key: Array(job.id.utf8), value: job.encoded(), time: now)
            }
        }
        end += Int64(jobs.count)
    }

    /// Tells that no more jobs come: the log ends behind the last one.
    public func finishAppending() { isAppendingFinished = true }

    /// Jobs that wait to be given out.
    public var waiting: Int { Int(end - next) }

    /// The keys of the jobs that have no result yet; for a caller that appends each id once.
    public func pendingJobIDs() throws(JobLogError) -> Set<String> {
        try read { try store.pendingKeys() }
    }

    /// The result of the signed job with this id; nil when none was signed.
    public func signedResult(ofJob id: String) throws(JobLogError) -> [UInt8]? {
        try read { try store.signedResult(of: JobIDDigest(ofKey: Array(id.utf8))) }
    }

    /// Committed results in order, from the job at `offset` on, at most `limit`.
    public func results(from offset: Offset, limit: Int) throws(JobLogError) -> [[UInt8]] {
        try read { try store.results(from: offset.rawValue, limit: limit) }
    }

    /// How many results are committed.
    public func resultCount() throws(JobLogError) -> Int {
        try read { Int(try store.resultCount()) }
    }

    // MARK: JobLog

    public func receive(_ demand: Demand) async throws(JobLogError) -> Intake {
        let pause = Duration.milliseconds(5)
        var waited = Duration.zero
        while demand.limit == 0 || !demand.full.isEmpty || next == end {
            // At the end one pause is due too: the pipeline asks again until its jobs in flight are done.
            let isAtEnd = next == end && isAppendingFinished
            guard waited < (isAtEnd ? min(demand.wait, pause) : demand.wait) else { return Intake(isAtEnd: isAtEnd) }
            // Cancelled: return at once, the pipeline notices.
            guard (try? await ContinuousClock().sleep(for: pause)) != nil else { return Intake() }
            waited += pause
        }
        let records = try read { () throws in try store.jobs(from: next, limit: demand.limit, stream: stream) }
        next += Int64(records.count)
        return Intake(records: records, isAtEnd: isAppendingFinished && next == end)
    }

    public func publish(_ batch: PublishedBatch) async throws(JobLogError) -> Publication {
        let now = Self.milliseconds(clock())
        try persist {
            Failpoint.embeddedBeforeInsert.pass()
            for prefix in batch.prefixes {
                for result in prefix.results {
                    try store.insertResult(source: result.offset.rawValue, value: result.value, time: now, fingerprint: result.fingerprint)
                }
            }
            Failpoint.embeddedBeforeCommit.pass()
        }
        Failpoint.embeddedAfterCommit.pass()
        return .committed
    }

    /// Lets another process have the log. The log can still be read by this one.
    public func close() async { lock.release() }

    // MARK: Errors

    /// A write that fails leaves nothing behind and may be tried again: a full disk is mended from outside.
    private func persist(_ work: () throws -> Void) throws(JobLogError) {
        do {
            try store.transaction(work)
        } catch {
            throw JobLogError(.unavailable, reason: "the embedded log cannot be written: \(error)", remedy: "free space on its disk; the jobs wait")
        }
    }

    private func read<T>(_ work: () throws -> T) throws(JobLogError) -> T {
        do {
            return try work()
        } catch {
            throw JobLogError(
                .fatal, reason: "the embedded log cannot be read: \(error)", remedy: "check its disk; the log itself is never rewritten")
        }
    }

    private static func milliseconds(_ date: Date) -> Int64 { Int64((date.timeIntervalSince1970 * 1000).rounded(.down)) }
}
