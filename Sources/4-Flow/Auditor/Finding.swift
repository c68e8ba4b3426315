public import SigningModel

/// Something that an honest, complete stream does not have.
public struct Finding: Sendable, Hashable, CustomStringConvertible {
    /// What is wrong with a result, a job or their pairing. A signature that does not hold has the codes of `CAdESViolation`, a
    /// certificate that is not trusted those of `TrustRefusal`.
    public struct Code: RawRepresentable, Sendable, Hashable {
        public let rawValue: String

        public init(rawValue: String) { self.rawValue = rawValue }

        /// A job record has no result, and a later one has: it was lost.
        public static let jobWithoutResult = Code(rawValue: "job-without-result")
        /// A job record at the end of its partition has no result yet.
        public static let jobPending = Code(rawValue: "job-pending")
        /// Jobs without a result are not there any more: retention deleted them before anybody read them.
        public static let jobsDeletedUnread = Code(rawValue: "jobs-deleted-unread")
        /// A second result of one job record.
        public static let resultDoubled = Code(rawValue: "result-doubled")
        /// A result stands behind that of a later job.
        public static let resultOutOfOrder = Code(rawValue: "result-out-of-order")
        /// A result of a job record that is not there.
        public static let resultWithoutJob = Code(rawValue: "result-without-job")
        /// A record of the results topic is no result.
        public static let resultUnreadable = Code(rawValue: "result-unreadable")
        /// A result does not say of its job what the job says: id, digest, package, document, attributes, key or source.
        public static let resultDiffersFromJob = Code(rawValue: "result-differs-from-job")
        /// What a result says of its signature is not what the signature says.
        public static let resultDiffersFromSignature = Code(rawValue: "result-differs-from-signature")
        /// A job that should have been refused was signed.
        public static let signedUnfounded = Code(rawValue: "signed-unfounded")
        /// A job id was signed a second time.
        public static let signedTwice = Code(rawValue: "signed-twice")
        /// A job was refused for something that is not so.
        public static let refusalUnfounded = Code(rawValue: "refusal-unfounded")
        /// A duplicate points at no earlier signed job of its id and content.
        public static let duplicateUnfounded = Code(rawValue: "duplicate-unfounded")
        /// A profile signed with and without time-stamps.
        public static let profileLevelMixed = Code(rawValue: "profile-level-mixed")
        /// A package has fewer documents than its jobs say, or they disagree.
        public static let packageIncomplete = Code(rawValue: "package-incomplete")
        public static let packageDisagrees = Code(rawValue: "package-disagrees")
    }

    public let code: Code
    /// The job's id, where it could be read.
    public let job: String?
    public let partition: Partition?
    /// Of the job record; of the result record where no job belongs to it.
    public let offset: Offset?
    public let sentence: String

    public init(_ code: Code, job: String? = nil, partition: Partition? = nil, offset: Offset? = nil, _ sentence: String) {
        self.code = code
        self.job = job
        self.partition = partition
        self.offset = offset
        self.sentence = sentence
    }

    /// One line; what would steer a terminal (ids of broken jobs are anybody's bytes) is replaced.
    public var description: String {
        var place = ""
        if let partition, let offset { place = " at partition \(partition), offset \(offset)" }
        let line = "\(code.rawValue)\(job.map { ": job \($0)" } ?? "")\(place): \(sentence)"
        let scalars = line.unicodeScalars.map { $0.properties.generalCategory == .control ? "\u{FFFD}" : $0 }
        return String(String.UnicodeScalarView(scalars))
    }
}
