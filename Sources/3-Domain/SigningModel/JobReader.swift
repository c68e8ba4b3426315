import CMS
import FoundationEssentials
import JSON
import LibCrypto

extension Job {
    /// Reads a job record's value.
    ///
    /// Of several faults the refusal names one: what is not JSON before a doubled key, that before an unsupported version, an unknown
    /// key, a missing field, an unacceptable one.
    public static func read(_ value: [UInt8]?) -> JobReading {
        guard let value else { return .refused(UnreadableJob(.jobMalformed(.noValue, at: 0))) }
        guard value.count <= Bounds.jobBytesMax else {
            return .refused(UnreadableJob(.jobTooLarge(part: .job, bytes: value.count, limit: Bounds.jobBytesMax)))
        }
        var reader = JobReader()
        do {
            try reader.read(value.span)
        } catch {
            return .refused(UnreadableJob(.jobMalformed(.json(error.code), at: error.offset)))
        }
        return reader.verdict()
    }
}

extension UnreadableJob {
    /// Nothing of it could be read beyond doubt.
    init(_ refusal: Refusal) { self.init(refusal: refusal, id: nil, package: nil, documentID: nil, digest: nil, attributes: nil) }
}

private enum JobField: Int, FieldSet {
    case version, job, package, document, digest, profile, expires, attributes
    static let schema = keys(required: .version, .job, .digest, .profile)
}

private enum PackageField: Int, FieldSet {
    case id, index, count
    static let schema = keys(required: .id, .index, .count)
}

private enum DocumentField: Int, FieldSet {
    case id, title, name, size
    static let schema = keys(required: .id, .title, .name, .size)
}

enum DigestField: Int, FieldSet {
    case algorithm, value
    static let schema = keys(required: .algorithm, .value)
}

private struct JobReader {
    private var reader = FieldReader()
    private var isObject = true
    private var version: Int64?
    private var id: String?
    private var package: Package?
    private var document: Document?
    private var digest: DocumentDigest?
    private var profile: String?
    private var expires: Date?
    private var attributes: [UInt8]?
    /// A refusal that is more exact than "the field is not acceptable".
    private var exact: Refusal?
    /// A key that stands twice inside `attributes`, or behind an unknown key.
    private var skippedDouble: String?

    mutating func read(_ bytes: Span<UInt8>) throws(JSONError) {
        try reader.scanner.beginDocument(bytes)
        guard try reader.begin("", bytes) else {
            isObject = false
            return try end(bytes)
        }
        var walk = FieldWalk<JobField>("")
        while let field = try reader.next(&walk, bytes) {
            switch field {
            case .version: version = try reader.integer("version", .min ... .max, bytes)
            case .job: id = try reader.text("job", 1...Bounds.idBytesMax, bytes)
            case .package: package = try reader.package(bytes)
            case .document: document = try readDocument(bytes)
            case .digest: digest = try readDigest(bytes)
            case .profile: profile = try reader.text("profile", 1...Bounds.idBytesMax, bytes)
            case .expires: expires = try reader.time("expires", bytes)
            case .attributes: attributes = try readAttributes(bytes)
            }
        }
        _ = reader.complete(walk)
        try end(bytes)
    }

    consuming func verdict() -> JobReading {
        if let refusal = refusal() {
            let echoedID = reader.doubled == JobField.job.key ? nil : id
            return .refused(
                UnreadableJob(
                    refusal: refusal, id: echoedID, package: package, documentID: document?.id, digest: digest, attributes: attributes))
        }
        guard let id, let digest, let profile else { preconditionFailure("a required field is neither there nor missed") }
        return .job(
            Job(id: id, package: package, document: document, digest: digest, profile: profile, expires: expires, attributes: attributes))
    }

    private func refusal() -> Refusal? {
        if !isObject { return .jobMalformed(.notAnObject, at: 0) }
        if let path = reader.doubled ?? skippedDouble { return .jobKeyDoubled(path) }
        if let version, version != Job.version { return .versionUnsupported(version) }
        if let path = reader.unknown { return .jobKeyUnknown(path) }
        if let path = reader.missing { return .jobFieldMissing(path) }
        if let exact { return exact }
        if let (path, problem) = reader.invalid { return .jobFieldInvalid(path, problem) }
        return nil
    }

    /// What follows the object; a doubled key that was skipped over is noted, not thrown, as the rest is JSON and can be trusted.
    private mutating func end(_ bytes: Span<UInt8>) throws(JSONError) {
        do {
            try reader.scanner.endDocument(bytes)
        } catch {
            guard error.code == .doubledKey, let key = reader.scanner.doubledKey else { throw error }
            skippedDouble = key.text(in: bytes)
        }
    }

    private mutating func readDocument(_ bytes: Span<UInt8>) throws(JSONError) -> Document? {
        guard try reader.begin("document", bytes) else { return nil }
        var walk = FieldWalk<DocumentField>("document.")
        var (id, title, name): (String?, String?, String?) = (nil, nil, nil)
        var size: Int64?
        while let field = try reader.next(&walk, bytes) {
            switch field {
            case .id: id = try reader.text("document.id", 1...Bounds.idBytesMax, bytes)
            case .title: title = try reader.text("document.title", 0...Bounds.jobBytesMax, bytes)
            case .name: name = try reader.text("document.name", 0...Bounds.jobBytesMax, bytes)
            case .size: size = try reader.integer("document.size", 0...Bounds.integerMax, bytes)
            }
        }
        guard reader.complete(walk), let id, let title, let name, let size else { return nil }
        return Document(id: id, title: title, name: name, size: size)
    }

    private mutating func readDigest(_ bytes: Span<UInt8>) throws(JSONError) -> DocumentDigest? {
        guard let digest = try reader.digest(bytes) else { return nil }
        let expected = digest.algorithm.function.byteCount
        guard digest.value.count == expected else {
            exact = exact ?? .digestLength(algorithm: digest.algorithm.name, expected: expected, actual: digest.value.count)
            return nil
        }
        return digest
    }

    private mutating func readAttributes(_ bytes: Span<UInt8>) throws(JSONError) -> [UInt8]? {
        let attributes = try reader.object("attributes", bytesMax: Bounds.jobBytesMax, bytes)
        guard let attributes, attributes.count > Bounds.attributesBytesMax else { return attributes }
        exact = exact ?? .jobTooLarge(part: .attributes, bytes: attributes.count, limit: Bounds.attributesBytesMax)
        return nil
    }
}

// MARK: - What jobs and results share

extension FieldReader {
    mutating func package(_ bytes: Span<UInt8>) throws(JSONError) -> Package? {
        guard try begin("package", bytes) else { return nil }
        var walk = FieldWalk<PackageField>("package.")
        var id: String?
        var (index, count): (Int64?, Int64?) = (nil, nil)
        while let field = try next(&walk, bytes) {
            switch field {
            case .id: id = try text("package.id", 1...Bounds.idBytesMax, bytes)
            case .index: index = try integer("package.index", 0...Bounds.integerMax, bytes)
            case .count: count = try integer("package.count", 1...Bounds.integerMax, bytes)
            }
        }
        guard complete(walk), let id, let index, let count else { return nil }
        guard index < count else {
            note("package.index", .outOfRange)
            return nil
        }
        return Package(id: id, index: index, count: count)
    }

    /// A digest of a known algorithm; its length is not judged yet.
    mutating func digest(_ bytes: Span<UInt8>) throws(JSONError) -> DocumentDigest? {
        guard try begin("digest", bytes) else { return nil }
        var walk = FieldWalk<DigestField>("digest.")
        var algorithm: DigestAlgorithm?
        var value: [UInt8]?
        while let field = try next(&walk, bytes) {
            switch field {
            case .algorithm:
                guard let name = try string("digest.algorithm", bytes) else { continue }
                // Nearly all are SHA-256; comparing identifiers costs more than reading the rest of the job
                algorithm = usualAlgorithm.index(of: name, in: bytes) != nil ? .sha256 : DigestAlgorithm(named: name.text(in: bytes))
                if algorithm == nil { note("digest.algorithm", .unknownAlgorithm) }
            case .value: value = try base64("digest.value", bytes)
            }
        }
        guard complete(walk), let algorithm, let value else { return nil }
        return DocumentDigest(algorithm: algorithm, value: value)
    }

    mutating func time(_ path: @autoclosure () -> String, _ bytes: Span<UInt8>) throws(JSONError) -> Date? {
        guard let string = try string(path(), bytes) else { return nil }
        // No escape is needed to write a time, but one is JSON all the same
        let time =
            string.hasEscapes
            ? UTCTimestamp.read(string.utf8(in: bytes)) : UTCTimestamp.read(bytes.extracting(string.start..<string.end))
        if time == nil { note(path(), .notUTCTime) }
        return time
    }
}

private let usualAlgorithm = JSONNames([DigestAlgorithm.sha256.name])
