import CMS
import DER
import LibCrypto

/// What a log remembers of a signed job: enough to know the same id again, and whether the content is the same.
///
/// Both parts are cut SHA-256 digests, as the ledger and the embedded log store them (docs/schemas/embedded-log.md). The content is the
/// digest algorithm's object identifier (DER, tag and length included), the digest, and the profile's UTF-8, one after the other;
/// nothing else of a job counts.
public struct JobFingerprint: Hashable, Sendable {
    public let id: JobIDDigest
    public let content: ContentDigest

    public init(id: JobIDDigest, content: ContentDigest) {
        self.id = id
        self.content = content
    }

    public init(_ job: Job) {
        id = JobIDDigest(ofKey: Array(job.id.utf8))
        var bytes = job.digest.algorithm.oid.encoded
        bytes.append(contentsOf: job.digest.value)
        bytes.append(contentsOf: job.profile.utf8)
        let digest = DigestFunction.sha256.digest(bytes)
        content = ContentDigest(high: bigEndian(digest[0..<8]), low: UInt32(truncatingIfNeeded: bigEndian(digest[8..<12])))
    }
}

/// The first 16 bytes of the SHA-256 of a job id's UTF-8, which is the record's key.
public struct JobIDDigest: Hashable, Sendable {
    public static let byteCount = 16

    private let high: UInt64
    private let low: UInt64

    public init(ofKey key: [UInt8]) {
        let digest = DigestFunction.sha256.digest(key)
        high = bigEndian(digest[0..<8])
        low = bigEndian(digest[8..<16])
    }

    /// As they were stored; nil unless there are 16.
    public init?(bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        high = bigEndian(bytes[0..<8])
        low = bigEndian(bytes[8..<16])
    }

    /// All 16, in the order of the digest.
    public var bytes: [UInt8] { bigEndianBytes(high, count: 8) + bigEndianBytes(low, count: 8) }
}

/// The first 12 bytes of the SHA-256 of a job's content.
public struct ContentDigest: Hashable, Sendable {
    public static let byteCount = 12

    private let high: UInt64
    private let low: UInt32

    fileprivate init(high: UInt64, low: UInt32) {
        self.high = high
        self.low = low
    }

    /// As they were stored; nil unless there are 12.
    public init?(bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        self.init(high: bigEndian(bytes[0..<8]), low: UInt32(truncatingIfNeeded: bigEndian(bytes[8..<12])))
    }

    /// All 12, in the order of the digest.
    public var bytes: [UInt8] { bigEndianBytes(high, count: 8) + bigEndianBytes(UInt64(low), count: 4) }
}

private func bigEndian(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }

private func bigEndianBytes(_ value: UInt64, count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * (count - 1 - $0))) }
}
