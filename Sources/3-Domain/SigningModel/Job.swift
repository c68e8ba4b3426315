public import CMS
public import FoundationEssentials

/// What an enterprise system asks for: one signature over one document's digest. Schema: docs/schemas/job.schema.json, version 1.
///
/// A job that comes out of ``read(_:)`` keeps every rule of the schema. One that is made with the initialiser is not checked; who
/// enqueues reads its own ``encoded()`` back to learn what a worker would say.
public struct Job: Sendable, Hashable {
    /// The version of the schema that is written, and the only one that is read so far.
    public static let version: Int64 = 1

    /// The caller's id, unique in the stream; its UTF-8 is the record's key.
    public var id: String
    public var package: Package?
    public var document: Document?
    public var digest: DocumentDigest
    /// The name of the signing profile.
    public var profile: String
    /// No signature is wanted after this.
    public var expires: Date?
    /// The caller's own JSON object, as text; echoed in the result. What ``read(_:)`` gives has spaces where line breaks stood between
    /// tokens, so that a result is one line.
    public var attributes: [UInt8]?

    public init(
        id: String, package: Package? = nil, document: Document? = nil, digest: DocumentDigest, profile: String, expires: Date? = nil,
        attributes: [UInt8]? = nil
    ) {
        self.id = id
        self.package = package
        self.document = document
        self.digest = digest
        self.profile = profile
        self.expires = expires
        self.attributes = attributes
    }
}

/// The place of a job among those that belong together: `index` counts from 0, `count` is how many there are.
public struct Package: Sendable, Hashable {
    public var id: String
    public var index: Int64
    public var count: Int64

    public init(id: String, index: Int64, count: Int64) {
        self.id = id
        self.index = index
        self.count = count
    }
}

/// The document that is signed, described for people; only `id` is echoed.
public struct Document: Sendable, Hashable {
    public var id: String
    public var title: String
    /// The file's name.
    public var name: String
    /// The document's length in bytes.
    public var size: Int64

    public init(id: String, title: String, name: String, size: Int64) {
        self.id = id
        self.title = title
        self.name = name
        self.size = size
    }
}

/// The digest of a document. In a job that was read, `value` has the algorithm's length.
public struct DocumentDigest: Sendable, Hashable {
    public var algorithm: DigestAlgorithm
    public var value: [UInt8]

    public init(algorithm: DigestAlgorithm, value: [UInt8]) {
        self.algorithm = algorithm
        self.value = value
    }
}

/// What a job record's value turned out to be.
public enum JobReading: Sendable {
    case job(Job)
    case refused(UnreadableJob)
}

/// A record that is no job, with what could be read of it beyond doubt, for the result that refuses it.
public struct UnreadableJob: Sendable {
    public let refusal: Refusal
    /// The job's id; nil unless the whole value is JSON and `job` stands in it once and is acceptable. The same holds for the others.
    public let id: String?
    public let package: Package?
    public let documentID: String?
    public let digest: DocumentDigest?
    public let attributes: [UInt8]?
}
