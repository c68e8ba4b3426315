public import FoundationEssentials

/// What became of one job record. Every job record has exactly one result, in the partition and in the order of the jobs, under the job
/// record's key. Schema: docs/schemas/result.schema.json, version 1.
public struct JobResult: Sendable, Hashable {
    /// The version of the schema that is written, and the only one that is read so far.
    public static let version: Int64 = 1

    public enum Outcome: Sendable, Hashable {
        case signed(Signature, signer: SignerSummary, timestamp: TimestampSummary?)
        case refused(Refusal)
        /// The same job was there before; the position is that of the job record that was signed.
        case duplicate(of: Partition, Offset)
    }

    /// The job's id; nil where it could not be read beyond doubt.
    public var job: String?
    public var package: Package?
    public var documentID: String?
    public var outcome: Outcome
    /// The job's; nil only where the job was refused and its digest could not be read.
    public var digest: DocumentDigest?
    /// The job's, as ``Job/attributes``: one JSON object as text.
    public var attributes: [UInt8]?
    /// The job record that this is the result of.
    public var source: SourcePosition
    /// The id of the worker that made the result.
    public var worker: String

    public init(
        job: String?, package: Package? = nil, documentID: String? = nil, outcome: Outcome, digest: DocumentDigest?,
        attributes: [UInt8]? = nil, source: SourcePosition, worker: String
    ) {
        self.job = job
        self.package = package
        self.documentID = documentID
        self.outcome = outcome
        self.digest = digest
        self.attributes = attributes
        self.source = source
        self.worker = worker
    }

    /// The result of a job that could be read, echoing what is echoed.
    public init(of job: Job, outcome: Outcome, source: SourcePosition, worker: String) {
        self.init(
            job: job.id, package: job.package, documentID: job.document?.id, outcome: outcome, digest: job.digest,
            attributes: job.attributes, source: source, worker: worker)
    }

    /// The result of a record that is no job.
    public init(of unreadable: UnreadableJob, source: SourcePosition, worker: String) {
        self.init(
            job: unreadable.id, package: unreadable.package, documentID: unreadable.documentID, outcome: .refused(unreadable.refusal),
            digest: unreadable.digest, attributes: unreadable.attributes, source: source, worker: worker)
    }
}

/// A signature as it is published.
public struct Signature: Sendable, Hashable {
    public enum Format: String, Sendable { case cades = "CAdES" }
    /// Of ETSI EN 319 122-1: B-B without, B-T with a signature time-stamp.
    public enum Level: String, Sendable, CaseIterable {
        case bB = "B-B"
        case bT = "B-T"
    }

    public var format: Format
    public var level: Level
    /// The whole ContentInfo, in DER.
    public var value: [UInt8]

    public init(format: Format = .cades, level: Level, value: [UInt8]) {
        self.format = format
        self.level = level
        self.value = value
    }
}

/// Whose signature it is, read from the signer's certificate. One signer stands in thousands of results: make the value once.
public struct SignerSummary: Sendable, Hashable {
    /// As RFC 4514 writes a distinguished name.
    public let subject: String
    /// The certificate's serial number, lower-case hexadecimal, two digits a byte.
    public let serial: String
    /// Kazakhstan's number of a person (IIN) and of an organisation (BIN), 12 digits, where the certificate has them.
    public let iin: String?
    public let bin: String?
    /// SHA-256 of the certificate's DER, 32 bytes.
    public let certificateSHA256: [UInt8]
    /// The object as it stands in a result.
    let json: [UInt8]

    public init(subject: String, serial: String, iin: String? = nil, bin: String? = nil, certificateSHA256: [UInt8]) {
        self.subject = subject
        self.serial = serial
        self.iin = iin
        self.bin = bin
        self.certificateSHA256 = certificateSHA256
        json = Self.encode(subject: subject, serial: serial, iin: iin, bin: bin, certificateSHA256: certificateSHA256)
    }
}

/// What a signature's time-stamp says.
public struct TimestampSummary: Sendable, Hashable {
    /// The name of the time-stamp authority in the worker's configuration.
    public var authority: String
    public var time: Date
    /// The token's serial number, lower-case hexadecimal, two digits a byte.
    public var serial: String

    public init(authority: String, time: Date, serial: String) {
        self.authority = authority
        self.time = time
        self.serial = serial
    }
}
