public import Auditor
public import OperatingSystem
public import SigningModel

/// A stream whose results are read from an export and whose jobs are read where they are: for an auditor who has to judge results that
/// retention has taken from the topic, or a file that somebody handed over.
///
/// Without the stream the results are judged by themselves. What is kept of the file is the place of each line, 16 bytes.
public actor ExportedResultStream: ResultStream, LaneActor {
    public nonisolated let name: String
    public nonisolated let lane = SerialLane(label: "tanba.exported-results")
    private let jobs: (any ResultStream)?
    private let file: LineFile
    private let lines: [Partition: [Line]]

    private struct Line {
        let offset: Offset
        let place: Int
    }

    /// Reads through the file once.
    ///
    /// - Parameters:
    ///   - stream: whose results these should be.
    ///   - jobs: the same stream, for its jobs; nil when they are not to be had.
    /// - Throws: `ResultExportError` for a file that is no export of this stream or ends within a line; `SystemError`, `FileProblem`.
    public init(path: String, stream: String, jobs: (any ResultStream)?) throws {
        let file = try LineFile(path: path, isWritten: false)
        let lines: [Partition: [Line]]
        do { lines = try Self.lines(of: file, stream: stream) } catch let error as ResultExportError { throw error.forAuditor }
        (name, self.jobs, self.file, self.lines) = (stream, jobs, file, lines)
    }

    private static func lines(of file: LineFile, stream: String) throws -> [Partition: [Line]] {
        var lines: [Partition: [Line]] = [:]
        var count = 0
        let torn = try file.forEachLine { line, place in
            count += 1
            let (partition, offset) = try ResultExport.check(
                line, number: count, of: file.path, stream: stream, behind: { lines[$0]?.last?.offset })
            lines[partition, default: []].append(Line(offset: offset, place: place))
        }
        guard torn.isEmpty else {
            throw ResultExportError(path: file.path, line: count + 1, kind: .unfinished, "is torn, or being written")
        }
        return lines
    }

    /// Those of the jobs; which results there are is told by the file's first lines.
    public func partitions() async throws -> [AuditedPartition] {
        guard let jobs else {
            return lines.sorted { $0.key < $1.key }.map { AuditedPartition(resultsAloneOf: $0.key, firstResult: $0.value.first?.offset ?? Offset(0)) }
        }
        let partitions = try await jobs.partitions()
        if let stranger = lines.keys.max(), stranger.rawValue >= partitions.count {
            throw ResultExportError(
                path: file.path, line: nil, "has results of partition \(stranger), the stream has \(partitions.count) partitions"
            ).forAuditor
        }
        return partitions.map {
            AuditedPartition(
                partition: $0.partition, firstJob: $0.firstJob, endOfJobs: $0.endOfJobs, firstResult: lines[$0.partition]?.first?.offset ?? Offset(0))
        }
    }

    public func jobs(of partition: Partition, from: Offset, limit: Int) async throws -> [StreamRecord] {
        try await jobs?.jobs(of: partition, from: from, limit: limit) ?? []
    }

    public func results(of partition: Partition, from: Offset, limit: Int) async throws -> [StreamRecord] {
        let lines = lines[partition] ?? []
        var (low, high) = (0, lines.count)
        while low < high {
            let middle = (low + high) / 2
            if lines[middle].offset < from { low = middle + 1 } else { high = middle }
        }
        return try lines[low...].prefix(limit).map { line in
            let exported: ExportedResult
            do {
                exported = try ResultExport.exported(bytes(of: line), at: (partition, line.offset), of: file.path)
            } catch let error as ResultExportError {
                throw error.forAuditor
            }
            return StreamRecord(offset: exported.offset, key: exported.key, value: exported.value, time: exported.time)
        }
    }

    private func bytes(of line: Line) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var room = 8192
        while true {
            let from = line.place + bytes.count
            let more = try file.read(from..<min(file.size, from + room))
            if let end = more.firstIndex(of: 0x0A) { return bytes + more[..<end] }
            guard !more.isEmpty else { throw ResultExportError(path: file.path, line: nil, kind: .unfinished, "changed while it was read") }
            bytes += more
            room *= 4
        }
    }
}
