import CMS
import JSON

extension Job {
    /// The value of a job record, one line of JSON in UTF-8. Precondition: `attributes` is a JSON object.
    ///
    /// Not checked against the schema's bounds: ``read(_:)`` does that.
    public func encoded() -> [UInt8] {
        var json = JSONWriter(capacity: 512 + (attributes?.count ?? 0))
        json.beginObject()
        json.key(Keys.all.version)
        json.integer(Job.version)
        json.key(Keys.all.job)
        json.string(id)
        if let package { json.package(package) }
        if let document {
            json.key(Keys.all.document)
            json.beginObject()
            json.key(Keys.all.id)
            json.string(document.id)
            json.key(Keys.all.title)
            json.string(document.title)
            json.key(Keys.all.name)
            json.string(document.name)
            json.key(Keys.all.size)
            json.integer(document.size)
            json.endObject()
        }
        json.digest(digest)
        json.key(Keys.all.profile)
        json.string(profile)
        if let expires {
            json.key(Keys.all.expires)
            json.string(UTCTimestamp.text(expires))
        }
        if let attributes {
            json.key(Keys.all.attributes)
            json.raw(attributes)
        }
        json.endObject()
        return json.finish()
    }
}

extension JobResult {
    /// The value of a result record, one line of JSON in UTF-8. Precondition: `attributes` is a JSON object.
    ///
    /// May come out longer than ``Bounds/resultBytesMax``: the publisher checks, and refuses the job with `result-too-large` instead.
    public func encoded() -> [UInt8] {
        var json = JSONWriter(capacity: capacity)
        json.beginObject()
        json.key(Keys.all.version)
        json.integer(JobResult.version)
        json.key(Keys.all.job)
        if let job { json.string(job) } else { json.null() }
        if let package { json.package(package) }
        if let documentID {
            json.key(Keys.all.document)
            json.beginObject()
            json.key(Keys.all.id)
            json.string(documentID)
            json.endObject()
        }
        json.key(Keys.all.outcome)
        json.string(outcome.word)
        if case .signed(let signature, let signer, _) = outcome {
            json.key(Keys.all.signature)
            json.beginObject()
            json.key(Keys.all.format)
            json.string(signature.format.rawValue)
            json.key(Keys.all.level)
            json.string(signature.level.rawValue)
            json.key(Keys.all.value)
            json.base64(signature.value.span)
            json.endObject()
            json.key(Keys.all.signer)
            json.raw(signer.json)
        }
        if let digest { json.digest(digest) }
        if let attributes {
            json.key(Keys.all.attributes)
            json.raw(attributes)
        }
        switch outcome {
        case .signed(_, _, let timestamp): if let timestamp { json.timestamp(timestamp) }
        case .refused(let refusal): json.refusal(refusal)
        case .duplicate(let partition, let offset):
            json.key(Keys.all.duplicateOf)
            json.beginObject()
            json.position(partition, offset)
            json.endObject()
        }
        json.key(Keys.all.source)
        json.beginObject()
        json.key(Keys.all.topic)
        json.string(source.topic)
        json.position(source.partition, source.offset)
        json.endObject()
        json.key(Keys.all.worker)
        json.string(worker)
        json.endObject()
        return json.finish()
    }

    /// Enough for nearly every result, so that the array does not grow.
    private var capacity: Int {
        var count = 768 + (attributes?.count ?? 0) + (job?.utf8.count ?? 0) + (package?.id.utf8.count ?? 0) + (documentID?.utf8.count ?? 0)
        if case .signed(let signature, let signer, _) = outcome { count += Base64.encodedCount(signature.value.count) + signer.json.count }
        return count
    }
}

extension JobResult.Outcome {
    /// As a result spells it.
    public var word: String {
        switch self {
        case .signed: "signed"
        case .refused: "refused"
        case .duplicate: "duplicate"
        }
    }
}

extension SignerSummary {
    static func encode(subject: String, serial: String, iin: String?, bin: String?, certificateSHA256: [UInt8]) -> [UInt8] {
        var json = JSONWriter()
        json.beginObject()
        json.key(Keys.all.subject)
        json.string(subject)
        json.key(Keys.all.serial)
        json.string(serial)
        if let iin {
            json.key(Keys.all.iin)
            json.string(iin)
        }
        if let bin {
            json.key(Keys.all.bin)
            json.string(bin)
        }
        json.key(Keys.all.certificateSHA256)
        json.string(Hexadecimal.text(certificateSHA256))
        json.endObject()
        return json.finish()
    }
}

extension JSONWriter {
    fileprivate mutating func package(_ package: Package) {
        key(Keys.all.package)
        beginObject()
        key(Keys.all.id)
        string(package.id)
        key(Keys.all.index)
        integer(package.index)
        key(Keys.all.count)
        integer(package.count)
        endObject()
    }

    fileprivate mutating func digest(_ digest: DocumentDigest) {
        key(Keys.all.digest)
        beginObject()
        key(Keys.all.algorithm)
        string(digest.algorithm.name)
        key(Keys.all.value)
        base64(digest.value.span)
        endObject()
    }

    fileprivate mutating func timestamp(_ timestamp: TimestampSummary) {
        key(Keys.all.timestamp)
        beginObject()
        key(Keys.all.authority)
        string(timestamp.authority)
        key(Keys.all.time)
        string(UTCTimestamp.text(timestamp.time))
        key(Keys.all.serial)
        string(timestamp.serial)
        endObject()
    }

    fileprivate mutating func refusal(_ refusal: Refusal) {
        key(Keys.all.refusal)
        beginObject()
        key(Keys.all.code)
        string(refusal.code.rawValue)
        key(Keys.all.parameters)
        beginObject()
        for parameter in refusal.parameters {
            key(parameter.name)
            string(parameter.value)
        }
        endObject()
        key(Keys.all.message)
        string(refusal.message)
        key(Keys.all.remedy)
        string(refusal.remedy)
        endObject()
    }

    fileprivate mutating func position(_ partition: Partition, _ offset: Offset) {
        key(Keys.all.partition)
        integer(Int64(partition.rawValue))
        key(Keys.all.offset)
        integer(offset.rawValue)
    }
}

/// Every key that is written, prepared once. One object, as reaching a constant of its own for each costs more than writing it.
private final class Keys: Sendable {
    static let all = Keys()

    let version = JSONKey("version")
    let job = JSONKey("job")
    let document = JSONKey("document")
    let id = JSONKey("id")
    let title = JSONKey("title")
    let name = JSONKey("name")
    let size = JSONKey("size")
    let profile = JSONKey("profile")
    let expires = JSONKey("expires")
    let attributes = JSONKey("attributes")
    let outcome = JSONKey("outcome")
    let signature = JSONKey("signature")
    let format = JSONKey("format")
    let level = JSONKey("level")
    let value = JSONKey("value")
    let signer = JSONKey("signer")
    let duplicateOf = JSONKey("duplicateOf")
    let source = JSONKey("source")
    let topic = JSONKey("topic")
    let worker = JSONKey("worker")
    let subject = JSONKey("subject")
    let serial = JSONKey("serial")
    let iin = JSONKey("iin")
    let bin = JSONKey("bin")
    let certificateSHA256 = JSONKey("certificateSHA256")
    let package = JSONKey("package")
    let index = JSONKey("index")
    let count = JSONKey("count")
    let digest = JSONKey("digest")
    let algorithm = JSONKey("algorithm")
    let timestamp = JSONKey("timestamp")
    let authority = JSONKey("authority")
    let time = JSONKey("time")
    let refusal = JSONKey("refusal")
    let code = JSONKey("code")
    let parameters = JSONKey("parameters")
    let message = JSONKey("message")
    let remedy = JSONKey("remedy")
    let partition = JSONKey("partition")
    let offset = JSONKey("offset")
}
