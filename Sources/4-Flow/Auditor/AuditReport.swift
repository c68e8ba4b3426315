public import FoundationEssentials
import Glibc
import JSON
import SigningModel

/// What an audit counted and found.
public struct AuditReport: Sendable {
    public let stream: String
    public internal(set) var jobs = 0
    public internal(set) var results = 0
    public internal(set) var signed = 0
    public internal(set) var refused = 0
    public internal(set) var duplicate = 0
    /// Job records without a result before others that have one.
    public internal(set) var lost = 0
    /// Second results of a job record, and second signatures of an id.
    public internal(set) var doubled = 0
    /// Job records at the ends of partitions that have no result yet.
    public internal(set) var pending = 0
    /// Results whose job records are not there any more, as they were deleted with their time: judged by themselves, the signature over
    /// the digest that they name.
    public internal(set) var outside = 0
    /// Job records that retention deleted before anybody read them.
    public internal(set) var deletedUnread = 0
    /// Job records whose results, if they had any, were deleted with their time: beyond this audit, like deleted records that may have been
    /// the marks of an enqueuer's transactions.
    public internal(set) var unjudged = 0
    public internal(set) var packagesComplete = 0
    public internal(set) var packagesIncomplete = 0
    /// Incomplete packages of a time of which records were deleted; among `packagesIncomplete`.
    public internal(set) var packagesUnjudged = 0
    /// What the auditor was told to accept, and where it applied.
    public internal(set) var notes: [String] = []
    /// The first `findingsMax`; `findingCount` counts all.
    public private(set) var findings: [Finding] = []
    public private(set) var findingCount = 0
    public private(set) var firstEnqueued: Date?
    public private(set) var lastPublished: Date?
    private var latencies = LatencyTally()

    public static let findingsMax = 1000

    /// Nothing was lost, added, doubled or forged.
    public var isClean: Bool { findingCount == 0 }

    init(stream: String) { self.stream = stream }

    /// From the first job written to the last result published.
    public var seconds: Double {
        guard let firstEnqueued, let lastPublished else { return 0 }
        return max(0, lastPublished.timeIntervalSince(firstEnqueued))
    }

    public var documentsPerSecond: Double { seconds > 0 ? Double(signed) / seconds : 0 }

    /// Time from a job record to its result record, in milliseconds, within 3 %; `fraction` from 0 to 1.
    public func latencyMilliseconds(_ fraction: Double) -> Double { latencies.quantile(fraction) }

    mutating func add(_ finding: Finding) {
        findingCount += 1
        if findings.count < Self.findingsMax { findings.append(finding) }
    }

    /// Findings that are counted and not listed, as the list is full.
    mutating func addFurther(_ count: Int) { findingCount += count }

    mutating func noteJob(at time: Date) {
        jobs += 1
        firstEnqueued = min(firstEnqueued ?? time, time)
    }

    mutating func noteResult(_ result: JobResult, of job: StreamRecord?, _ record: StreamRecord) {
        results += 1
        lastPublished = max(lastPublished ?? record.time, record.time)
        if let job { latencies.note(milliseconds: record.time.timeIntervalSince(job.time) * 1000) }
        switch result.outcome {
        case .signed: signed += 1
        case .refused: refused += 1
        case .duplicate: duplicate += 1
        }
    }

    /// One JSON object.
    public var json: [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("stream")
        writer.string(stream)
        writer.key("verdict")
        writer.string(isClean ? "clean" : "findings")
        for (name, value) in [
            ("jobs", jobs), ("results", results), ("signed", signed), ("refused", refused), ("duplicate", duplicate), ("lost", lost),
            ("doubled", doubled), ("pending", pending), ("deletedUnread", deletedUnread), ("outside", outside), ("unjudged", unjudged),
            ("packagesComplete", packagesComplete), ("packagesIncomplete", packagesIncomplete), ("packagesUnjudged", packagesUnjudged),
            ("findingCount", findingCount),
        ] {
            writer.key(name)
            writer.integer(Int64(value))
        }
        for (name, time) in [("firstEnqueued", firstEnqueued), ("lastPublished", lastPublished)] {
            writer.key(name)
            if let time { writer.string(time.formatted(.iso8601)) } else { writer.null() }
        }
        writer.key("seconds")
        writer.number(seconds)
        writer.key("documentsPerSecond")
        writer.number(documentsPerSecond)
        writer.key("latencyMilliseconds")
        writer.beginObject()
        writer.key("p50")
        writer.number(latencyMilliseconds(0.5))
        writer.key("p99")
        writer.number(latencyMilliseconds(0.99))
        writer.endObject()
        writer.key("notes")
        writer.beginArray()
        for note in notes { writer.string(note) }
        writer.endArray()
        writer.key("findings")
        writer.beginArray()
        for finding in findings { write(finding, &writer) }
        writer.endArray()
        writer.endObject()
        return writer.bytes
    }

    private func write(_ finding: Finding, _ writer: inout JSONWriter) {
        writer.beginObject()
        writer.key("code")
        writer.string(finding.code.rawValue)
        writer.key("job")
        if let job = finding.job { writer.string(job) } else { writer.null() }
        writer.key("partition")
        if let partition = finding.partition { writer.integer(Int64(partition.rawValue)) } else { writer.null() }
        writer.key("offset")
        if let offset = finding.offset { writer.integer(offset.rawValue) } else { writer.null() }
        writer.key("sentence")
        writer.string(finding.sentence)
        writer.endObject()
    }

    /// For a person.
    public var text: String {
        var text = "stream \(stream): \(jobs) jobs, \(results) results: \(signed) signed, \(refused) refused, \(duplicate) duplicate\n"
        text += "lost \(lost), doubled \(doubled), pending \(pending)\(deletedUnread > 0 ? ", deleted unread \(deletedUnread)" : "")\n"
        if outside > 0 { text += "\(outside) results whose jobs are not there: judged by themselves, each over the digest that it names\n" }
        if unjudged > 0 { text += "\(unjudged) jobs whose results may have been deleted with their time: not judged\n" }
        if packagesComplete + packagesIncomplete > 0 { text += "packages: \(packagesComplete) complete, \(packagesIncomplete) incomplete\n" }
        if packagesUnjudged > 0 { text += "\(packagesUnjudged) of these are of a time of which records were deleted: not judged\n" }
        for note in notes { text += note + "\n" }
        for finding in findings { text += "\(finding)\n" }
        if findingCount > findings.count { text += "… and \(findingCount - findings.count) more\n" }
        guard isClean else { return text + "\(findingCount) findings\n" }
        let isWhole = outside + unjudged + packagesUnjudged == 0
        if jobs == 0 {
            guard outside > 0 else { return text + "clean: there is nothing to judge\n" }
            return text + "clean: one result for each job, and every signature holds over the digest that it names\n"
        }
        let which = (pending > 0 ? " other" : "") + (isWhole ? "" : " that could be judged")
        let waiting = pending > 0 ? "\(pending) jobs have no result yet, " : ""
        return text + "clean: \(waiting)every\(pending > 0 ? which : " job" + which) has its one result, and every signature holds\n"
    }
}

/// Latencies in buckets that grow by 2 %: bounded, whatever their number.
struct LatencyTally: Sendable {
    private var counts: [Int] = []
    private var total = 0

    mutating func note(milliseconds: Double) {
        let bucket = Self.bucket(max(0, milliseconds))
        if bucket >= counts.count { counts += Array(repeating: 0, count: bucket + 1 - counts.count) }
        counts[bucket] += 1
        total += 1
    }

    func quantile(_ fraction: Double) -> Double {
        var rest = Int((Double(total) * fraction).rounded(.up))
        for (bucket, count) in counts.enumerated() {
            rest -= count
            if rest <= 0, count > 0 { return Self.value(bucket) }
        }
        return 0
    }

    /// 0 for less than 1 ms, then 35 to each doubling.
    private static func bucket(_ milliseconds: Double) -> Int { milliseconds < 1 ? 0 : 1 + Int(log2(min(milliseconds, 1e12)) * 35) }
    private static func value(_ bucket: Int) -> Double { bucket == 0 ? 0.5 : exp2((Double(bucket) - 0.5) / 35) }
}
