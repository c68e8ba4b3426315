import OperatingSystem
public import SigningModel

/// The results of a stream in a file of JSON lines (docs/schemas/export.md), which goes on where it stopped.
///
/// The file itself says how far it is: each line carries its record's place, and the last whole line of a partition is where that
/// partition goes on. So no crash can make the two differ: what was written is known, and a torn last line is cut off and written anew.
/// The record of that last line is read again and compared before anything is appended, so that a topic that was made anew, or another
/// cluster's of the same name, is not mixed into it.
public final class ResultExport {
    public let stream: String
    /// How many results stand in the file.
    public private(set) var count = 0
    /// Bytes of a torn last line that were cut off when the file was opened.
    public private(set) var tornBytes = 0
    private let file: LineFile
    private var ends: [Partition: End] = [:]
    /// Places that were deleted before they were read, in partitions of which no record has come since.
    private var deleted: [Partition: Range<Offset>] = [:]
    private let isResumed: Bool
    private var unsynchronizedBytes = 0

    /// The last line of a partition.
    private struct End {
        let offset: Offset
        /// Of the job; nil when the record was no result.
        let source: Offset?
        /// The line itself, until its record was seen to be the same.
        var unchecked: [UInt8]?
    }

    /// Results that are not in the file, as they were deleted before they were exported.
    public struct Gap: Sendable, CustomStringConvertible {
        public let partition: Partition
        public let offsets: Range<Offset>
        /// The jobs whose results are missing, where the results around the gap say it.
        public let jobs: Range<Offset>?

        public var description: String {
            let place = "partition \(partition), offsets \(offsets.lowerBound) to \(offsets.upperBound.rawValue - 1)"
            guard let jobs else { return "\(place): deleted by retention before they were exported; whether they were results is not known" }
            return "\(place): results deleted by retention before they were exported, those of the jobs \(jobs.lowerBound) to "
                + "\(jobs.upperBound.rawValue - 1)"
        }
    }

    /// Opens the file of an earlier export of the stream, or makes a new one, and reads how far it is.
    ///
    /// - Throws: `ResultExportError` for a file of something else, which is left as it is; `SystemError`, `FileProblem`, `LockFileInUse`.
    public init(path: String, stream: String) throws {
        self.stream = stream
        let file = try LineFile(path: path, isWritten: true)
        self.file = file
        var lastLines: [Partition: (offset: Offset, bytes: Range<Int>)] = [:]
        var count = 0
        let torn = try file.forEachLine { line, place in
            count += 1
            let offset = try Self.check(line, number: count, of: path, stream: stream, behind: { lastLines[$0]?.offset })
            lastLines[offset.partition] = (offset.offset, place..<(place + line.count))
        }
        self.count = count
        isResumed = count > 0
        if !torn.isEmpty {
            // Zeros are what a power cut leaves of bytes that had not reached the disk.
            let isOurs = zip(torn, ExportedResult.beginning(ofStream: stream)).allSatisfy { $0 == $1 || $0 == 0 }
            guard isOurs else { throw ResultExportError(path: path, line: count + 1, "is not of an export of stream \(stream)") }
            try file.cut(to: file.size - torn.count)
            tornBytes = torn.count
        }
        for (partition, last) in lastLines {
            let line = try file.read(last.bytes)
            let exported = try Self.exported(line, at: (partition, last.offset), of: path)
            ends[partition] = End(offset: last.offset, source: exported.result?.source.offset, unchecked: line)
        }
    }

    /// The place of a line, which must be of this stream's export and stand behind the last one of its partition.
    static func check(
        _ line: Span<UInt8>, number: Int, of path: String, stream: String, behind last: (Partition) -> Offset?
    ) throws(ResultExportError) -> (partition: Partition, offset: Offset) {
        guard let place = ExportedResult.place(of: line) else {
            throw ResultExportError(path: path, line: number, "is not of an export, or damaged")
        }
        guard place.stream == stream else {
            throw ResultExportError(path: path, line: number, kind: .otherStream, "is of stream \(place.stream), not \(stream)")
        }
        if let last = last(place.partition), place.offset <= last {
            throw ResultExportError(path: path, line: number, "stands at partition \(place.partition), offset \(place.offset), behind offset \(last)")
        }
        return (place.partition, place.offset)
    }

    /// The whole of a line whose place is known.
    static func exported(_ line: [UInt8], at place: (Partition, Offset), of path: String) throws(ResultExportError) -> ExportedResult {
        do throws(JobResultError) { return try ExportedResult.read(line.span) } catch {
            throw ResultExportError(path: path, line: nil, "has a damaged line, that of partition \(place.0), offset \(place.1): \(error)")
        }
    }

    /// The records of the last lines: where reading goes on, this record included.
    public var places: [Partition: Offset] { ends.mapValues(\.offset) }

    /// Takes note that these places of a partition cannot be read any more. They may have been markers; the next result tells.
    public func noteDeleted(_ offsets: Range<Offset>, in partition: Partition) {
        let last = ends[partition]?.offset
        // The record to compare with is gone.
        if let last, offsets.contains(last) { ends[partition]?.unchecked = nil }
        // An export that begins, begins with what is there.
        guard isResumed || last != nil else { return }
        let from = max(offsets.lowerBound, last?.next ?? offsets.lowerBound)
        if from < offsets.upperBound { deleted[partition] = (deleted[partition]?.lowerBound ?? from)..<offsets.upperBound }
    }

    /// Appends results, those of a partition in order; all of them, or none when the disk refuses.
    ///
    /// - Returns: what is now known to be missing before them.
    /// - Throws: `ResultExportError` when the topic is not the one that the file was exported from; `SystemError` of the disk.
    public func append(_ results: [ExportedResult]) throws -> [Gap] {
        var (ends, deleted) = (ends, deleted)
        var gaps: [Gap] = []
        var lines: [UInt8] = []
        var added = 0
        for result in results {
            let end = ends[result.partition]
            let source = result.result?.source.offset
            if let end, result.offset <= end.offset {
                guard let unchecked = end.unchecked else { continue }
                guard result.offset == end.offset, result.line == unchecked else { throw otherTopic(result.partition, end.offset) }
                ends[result.partition]?.unchecked = nil
                continue
            }
            let missing = deleted.removeValue(forKey: result.partition)
            if let end, end.unchecked != nil, missing == nil { throw otherTopic(result.partition, end.offset) }
            if let missing {
                let expected = end == nil ? Offset(0) : end?.source?.next
                if source == nil || source != expected {
                    let jobs = expected.flatMap { expected in source.map { expected < $0 ? expected..<$0 : nil } } ?? nil
                    gaps.append(Gap(partition: result.partition, offsets: missing, jobs: jobs))
                }
            }
            lines += result.line
            lines.append(UInt8(ascii: "\n"))
            added += 1
            ends[result.partition] = End(offset: result.offset, source: source)
        }
        if !lines.isEmpty { try file.append(lines) }
        (self.ends, self.deleted) = (ends, deleted)
        count += added
        unsynchronizedBytes += lines.count
        if unsynchronizedBytes > 16 << 20 { try synchronize() }
        return gaps
    }

    /// Deleted places behind which nothing has come. One alone is the marker that stands behind every batch.
    public var openGaps: [Gap] {
        deleted.filter { $0.value.upperBound.rawValue - $0.value.lowerBound.rawValue > 1 }.sorted { $0.key < $1.key }
            .map { Gap(partition: $0.key, offsets: $0.value, jobs: nil) }
    }

    /// Returns when all lines are on the disk.
    public func synchronize() throws {
        guard unsynchronizedBytes > 0 else { return }
        try file.synchronize()
        unsynchronizedBytes = 0
    }

    private func otherTopic(_ partition: Partition, _ offset: Offset) -> ResultExportError {
        ResultExportError(
            path: file.path, line: nil,
            "was not exported from this topic: partition \(partition) has another record, or none, at offset \(offset) (a stream made anew?)")
    }
}

/// A file that an export cannot go on with, or that cannot be audited.
public struct ResultExportError: Error, CustomStringConvertible {
    public let path: String
    /// The line that shows it, from 1.
    public let line: Int?
    public let kind: Kind
    public let reason: String
    /// What to do about it, for who goes on with the file; its auditor is told otherwise.
    private(set) var remedy = "it was left as it is: keep it and export to another file"

    public enum Kind: Sendable {
        /// An export of another stream.
        case otherStream
        /// Somebody is writing it, or a crash left it so.
        case unfinished
        /// What no export is.
        case damaged
    }

    init(path: String, line: Int?, kind: Kind = .damaged, _ reason: String) {
        self.path = path
        self.line = line
        self.kind = kind
        self.reason = reason
    }

    /// The same for who judges the file.
    var forAuditor: Self {
        var error = self
        error.remedy =
            switch kind {
            case .otherStream: "name its own stream with --stream"
            case .unfinished: "wait until tanba results --export has written it, or run that again"
            case .damaged: "no export is so: somebody or a disk changed the file. Judge another export of the stream, or the stream itself"
            }
        return error
    }

    public var description: String { "\(path)\(line.map { ":\($0): this line" } ?? "") \(reason); \(remedy)" }
}
