import SigningModel

/// What one transaction did to one partition, as `STREAM.ledger` keeps it; the record's partition is the jobs' one.
///
///     from    8 bytes   offset of the first job record of the transaction
///     to      8 bytes   offset of its last
///     then for each job that was signed, in order of offsets:
///     offset  4 bytes   the job's offset less `from`
///     id      16 bytes  beginning of the SHA-256 of the job's id
///     content 12 bytes  beginning of the SHA-256 of its content (`JobFingerprint`)
///
/// docs/schemas/ledger.md. Numbers are big-endian. There is a record also when nothing was signed.
struct LedgerRecord: Equatable {
    var from: Offset
    /// Not before `from`.
    var to: Offset
    var signed: [KnownJobs.Entry]

    func encoded() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(16 + Self.entryByteCount * signed.count)
        func append(_ number: some FixedWidthInteger) {
            for shift in stride(from: number.bitWidth - 8, through: 0, by: -8) { bytes.append(UInt8(truncatingIfNeeded: number >> shift)) }
        }
        append(from.rawValue)
        append(to.rawValue)
        for entry in signed {
            append(UInt32(entry.offset.rawValue - from.rawValue))
            bytes += entry.fingerprint.id.bytes
            bytes += entry.fingerprint.content.bytes
        }
        return bytes
    }

    /// Reads a record; nil if it is none.
    init?(_ bytes: [UInt8]) {
        guard bytes.count >= 16, (bytes.count - 16).isMultiple(of: Self.entryByteCount) else { return nil }
        func number(_ range: Range<Int>) -> Int64 { bytes[range].reduce(0) { $0 << 8 | Int64($1) } }
        let from = number(0..<8)
        let to = number(8..<16)
        guard from >= 0, to >= from else { return nil }
        var signed: [KnownJobs.Entry] = []
        signed.reserveCapacity((bytes.count - 16) / Self.entryByteCount)
        for start in stride(from: 16, to: bytes.count, by: Self.entryByteCount) {
            let offset = from + number(start..<start + 4)
            let id = JobIDDigest(bytes: Array(bytes[start + 4..<start + 20]))
            let content = ContentDigest(bytes: Array(bytes[start + 20..<start + 32]))
            guard let id, let content, offset <= to, offset > signed.last?.offset.rawValue ?? -1 else { return nil }
            signed.append(KnownJobs.Entry(offset: Offset(offset), fingerprint: JobFingerprint(id: id, content: content)))
        }
        self.init(from: Offset(from), to: Offset(to), signed: signed)
    }

    init(from: Offset, to: Offset, signed: [KnownJobs.Entry]) {
        self.from = from
        self.to = to
        self.signed = signed
    }

    private static let entryByteCount = 4 + JobIDDigest.byteCount + ContentDigest.byteCount
}
