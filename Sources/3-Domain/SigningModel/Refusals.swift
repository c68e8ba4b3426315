public import CMS
public import FoundationEssentials
public import JSON

/// Every refusal that Tanba gives, one function a code.
extension Refusal {
    /// What made a record's value unreadable.
    public enum Malformation: Sendable, Hashable {
        /// The record has no value at all (Kafka: a tombstone).
        case noValue
        case notAnObject
        case json(JSONError.Code)

        var word: String {
            switch self {
            case .noValue: "no-value"
            case .notAnObject: "not-an-object"
            case .json(let code): code.rawValue
            }
        }
    }

    /// What may be too large.
    public enum Part: String, Sendable { case job, attributes }

    /// Why a record does not stand where its job belongs.
    public enum Misplacement: String, Sendable, CaseIterable {
        case noKey = "no-key"
        case keyDiffers = "key-differs"
        case wrongPartition = "wrong-partition"
    }

    /// The value is not a JSON object; `offset` is the byte at which that was certain.
    public static func jobMalformed(_ reason: Malformation, at offset: Int) -> Refusal {
        Refusal(.jobMalformed, reason.word, String(offset))
    }

    /// `path` is the key with those it stands under, joined by dots.
    public static func jobKeyUnknown(_ path: String) -> Refusal { Refusal(.jobKeyUnknown, path) }
    public static func jobKeyDoubled(_ path: String) -> Refusal { Refusal(.jobKeyDoubled, path) }
    public static func jobFieldMissing(_ path: String) -> Refusal { Refusal(.jobFieldMissing, path) }

    public static func jobFieldInvalid(_ path: String, _ problem: FieldProblem) -> Refusal {
        Refusal(.jobFieldInvalid, path, problem.rawValue)
    }

    public static func jobTooLarge(part: Part, bytes: Int, limit: Int) -> Refusal {
        Refusal(.jobTooLarge, part.rawValue, String(bytes), String(limit))
    }

    public static func versionUnsupported(_ version: Int64) -> Refusal {
        Refusal(.versionUnsupported, String(version), String(Job.version))
    }

    public static func profileUnknown(_ profile: String) -> Refusal { Refusal(.profileUnknown, profile) }

    public static func profileNotAllowed(_ profile: String, in stream: String) -> Refusal { Refusal(.profileNotAllowed, profile, stream) }

    public static func digestAlgorithmMismatch(profile: String, expected: DigestAlgorithm, actual: DigestAlgorithm) -> Refusal {
        Refusal(.digestAlgorithmMismatch, profile, expected.name, actual.name)
    }

    /// Lengths in bytes.
    public static func digestLength(algorithm: String, expected: Int, actual: Int) -> Refusal {
        Refusal(.digestLength, algorithm, String(expected), String(actual))
    }

    /// `judged` is when a worker first read the job in this life of it, `enqueued` the record's time.
    public static func jobExpired(_ expires: Date, judged: Date, enqueued: Date) -> Refusal {
        let waited = max(0, judged.timeIntervalSince(enqueued)).rounded(.down)
        return Refusal(.jobExpired, UTCTimestamp.text(expires), UTCTimestamp.text(judged), String(Int64(min(waited, 1e15))))
    }

    public static func misplaced(_ reason: Misplacement, in partition: Partition) -> Refusal {
        Refusal(.misplaced, reason.rawValue, partition.description)
    }

    /// The position is that of the job which has been signed.
    public static func jobConflict(with partition: Partition, _ offset: Offset) -> Refusal {
        Refusal(.jobConflict, partition.description, offset.description)
    }

    public static func resultTooLarge(bytes: Int, limit: Int = Bounds.resultBytesMax) -> Refusal {
        Refusal(.resultTooLarge, String(bytes), String(limit))
    }
}
