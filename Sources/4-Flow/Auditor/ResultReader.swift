import SigningModel

/// Results of one partition, one after the other, each read once.
struct ResultReader {
    struct Entry {
        let record: StreamRecord
        let reading: Result<JobResult, JobResultError>

        /// The offset of the job that it names.
        var source: Offset? { if case .success(let result) = reading { result.source.offset } else { nil } }

        init(_ record: StreamRecord) {
            self.record = record
            reading = Result { () throws(JobResultError) in try JobResult.read(record.value ?? []) }
        }
    }

    private let fetch: (Offset) async throws -> [StreamRecord]
    private var buffer: ArraySlice<Entry> = []
    private var from = Offset(0)
    private var isAtEnd = false

    /// - Parameter fetch: gives records from an offset on; none at the end.
    init(fetch: @escaping (Offset) async throws -> [StreamRecord]) { self.fetch = fetch }

    /// The next one, or the one so many places after it.
    mutating func peek(ahead places: Int = 0) async throws -> Entry? {
        while buffer.count <= places, !isAtEnd {
            let records = try await fetch(from)
            if let last = records.last { from = last.offset.next } else { isAtEnd = true }
            buffer += records.map { Entry($0) }
        }
        return buffer.dropFirst(places).first
    }

    mutating func skip() { buffer.removeFirst() }
}
