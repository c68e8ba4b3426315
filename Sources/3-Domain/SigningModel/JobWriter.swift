import CMS
import JSON

extension Job {
    /// The value of a job record, one line of JSON in UTF-8. Precondition: `attributes` is a JSON object.
    ///
    /// Not checked against the schema's bounds: ``read(_:)`` does that.
    public func encoded() -> [UInt8] {
        var json = JSONWriter(capacity: 512 + (attributes?.count ?? 0))
        json.beginObject()
        json.key("version")
        json.integer(Job.version)
        json.key("job")
        json.string(id)
        if let package { json.package(package) }
        if let document {
            json.key("document")
            json.beginObject()
            json.key("id")
            json.string(document.id)
            json.key("title")
            json.string(document.title)
            json.key("name")
            json.string(document.name)
            json.key("size")
            json.integer(document.size)
            json.endObject()
        }
        json.digest(digest)
        json.key("profile")
        json.string(profile)
        if let expires {
            json.key("expires")
            json.string(UTCTimestamp.text(expires))
        }
        if let attributes {
            json.key("attributes")
            json.raw(attributes)
        }
        json.endObject()
        return json.bytes
    }
}

extension JobResult {
    /// The value of a result record, one line of JSON in UTF-8. Precondition: `attributes` is a JSON object.
    ///
    /// May come out longer than ``Bounds/resultBytesMax``: the publisher checks, and refuses the job with `result-too-large` instead.
    public func encoded() -> [UInt8] {
        var json = JSONWriter(capacity: capacity)
        json.beginObject()
        json.key("version")
        json.integer(JobResult.version)
        json.key("job")
        if let job { json.string(job) } else { json.null() }
        if let package { json.package(package) }
        if let documentID {
            json.key("document")
            json.beginObject()
            json.key("id")
            json.string(documentID)
            json.endObject()
        }
        json.key("outcome")
        json.string(outcome.word)
        if case .signed(let signature, let signer, _) = outcome {
            json.key("signature")
            json.beginObject()
            json.key("format")
            json.string(signature.format.rawValue)
            json.key("level")
            json.string(signature.level.rawValue)
            json.key("value")
            json.base64(signature.value.span)
            json.endObject()
            json.key("signer")
            json.raw(signer.json)
        }
        if let digest { json.digest(digest) }
        if let attributes {
            json.key("attributes")
            json.raw(attributes)
        }
        switch outcome {
        case .signed(_, _, let timestamp): if let timestamp { json.timestamp(timestamp) }
        case .refused(let refusal): json.refusal(refusal)
        case .duplicate(let partition, let offset):
            json.key("duplicateOf")
            json.beginObject()
            json.position(partition, offset)
            json.endObject()
        }
        json.key("source")
        json.beginObject()
        json.key("topic")
        json.string(source.topic)
        json.position(source.partition, source.offset)
        json.endObject()
        json.key("worker")
        json.string(worker)
        json.endObject()
        return json.bytes
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
        json.key("subject")
        json.string(subject)
        json.key("serial")
        json.string(serial)
        if let iin {
            json.key("iin")
            json.string(iin)
        }
        if let bin {
            json.key("bin")
            json.string(bin)
        }
        json.key("certificateSHA256")
        json.string(Hexadecimal.text(certificateSHA256))
        json.endObject()
        return json.bytes
    }
}

extension JSONWriter {
    fileprivate mutating func package(_ package: Package) {
        key("package")
        beginObject()
        key("id")
        string(package.id)
        key("index")
        integer(package.index)
        key("count")
        integer(package.count)
        endObject()
    }

    fileprivate mutating func digest(_ digest: DocumentDigest) {
        key("digest")
        beginObject()
        key("algorithm")
        string(digest.algorithm.name)
        key("value")
        base64(digest.value.span)
        endObject()
    }

    fileprivate mutating func timestamp(_ timestamp: TimestampSummary) {
        key("timestamp")
        beginObject()
        key("authority")
        string(timestamp.authority)
        key("time")
        string(UTCTimestamp.text(timestamp.time))
        key("serial")
        string(timestamp.serial)
        endObject()
    }

    fileprivate mutating func refusal(_ refusal: Refusal) {
        key("refusal")
        beginObject()
        key("code")
        string(refusal.code.rawValue)
        key("parameters")
        beginObject()
        for parameter in refusal.parameters {
            key(parameter.name)
            string(parameter.value)
        }
        endObject()
        key("message")
        string(refusal.message)
        key("remedy")
        string(refusal.remedy)
        endObject()
    }

    fileprivate mutating func position(_ partition: Partition, _ offset: Offset) {
        key("partition")
        integer(Int64(partition.rawValue))
        key("offset")
        integer(offset.rawValue)
    }
}
