import CMS
import JSON

extension Job {
    /// The value of a job record, one line of JSON in UTF-8. Precondition: `attributes` is a JSON object.
    ///
    /// Not checked against the schema's bounds: ``read(_:)`` does that.
    public func encoded() -> [UInt8] {
        let keys = Keys.all
        var json = JSONWriter(capacity: 512 + (attributes?.count ?? 0))
        json.beginObject()
        json.key(keys.version)
        json.integer(Job.version)
        json.key(keys.job)
        json.string(id)
        if let package { json.package(package) }
        if let document {
            json.key(keys.document)
            json.beginObject()
            json.key(keys.id)
            json.string(document.id)
            json.key(keys.title)
            json.string(document.title)
            json.key(keys.name)
            json.string(document.name)
            json.key(keys.size)
            json.integer(document.size)
            json.endObject()
        }
        json.digest(digest)
        json.key(keys.profile)
        json.string(profile)
        if let expires {
            json.key(keys.expires)
            json.string(UTCTimestamp.text(expires))
        }
        if let attributes {
            json.key(keys.attributes)
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
        let keys = Keys.all
        // The parts of the outcome are taken out once: each time costs as much as writing some of them
        switch outcome {
        case .signed(let signature, let signer, let timestamp):
            var json = JSONWriter(capacity: capacity + Base64.encodedCount(signature.value.count) + signer.json.count)
            writeHead(&json)
            json.signature(signature)
            json.key(keys.signer)
            json.raw(signer.json)
            writeEcho(&json)
            if let timestamp { json.timestamp(timestamp) }
            writeTail(&json)
            return json.finish()
        case .refused(let refusal):
            var json = JSONWriter(capacity: capacity)
            writeHead(&json)
            writeEcho(&json)
            json.refusal(refusal)
            writeTail(&json)
            return json.finish()
        case .duplicate(let partition, let offset):
            var json = JSONWriter(capacity: capacity)
            writeHead(&json)
            writeEcho(&json)
            json.key(keys.duplicateOf)
            json.beginObject()
            json.position(partition, offset)
            json.endObject()
            writeTail(&json)
            return json.finish()
        }
    }

    private func writeHead(_ json: inout JSONWriter) {
        let keys = Keys.all
        json.beginObject()
        json.key(keys.version)
        json.integer(JobResult.version)
        json.key(keys.job)
        if let job { json.string(job) } else { json.null() }
        if let package { json.package(package) }
        if let documentID {
            json.key(keys.document)
            json.beginObject()
            json.key(keys.id)
            json.string(documentID)
            json.endObject()
        }
        json.key(keys.outcome)
        json.string(outcome.word)
    }

    private func writeEcho(_ json: inout JSONWriter) {
        let keys = Keys.all
        if let digest { json.digest(digest) }
        if let attributes {
            json.key(keys.attributes)
            json.raw(attributes)
        }
    }

    private func writeTail(_ json: inout JSONWriter) {
        let keys = Keys.all
        json.key(keys.source)
        json.beginObject()
        json.key(keys.topic)
        json.string(source.topic)
        json.position(source.partition, source.offset)
        json.endObject()
        json.key(keys.worker)
        json.string(worker)
        json.endObject()
    }

    /// Enough for nearly every result but its signature, so that the buffer does not grow.
    private var capacity: Int {
        768 + (attributes?.count ?? 0) + (job?.utf8.count ?? 0) + (package?.id.utf8.count ?? 0) + (documentID?.utf8.count ?? 0)
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
        let keys = Keys.all
        var json = JSONWriter()
        json.beginObject()
        json.key(keys.subject)
        json.string(subject)
        json.key(keys.serial)
        json.string(serial)
        if let iin {
            json.key(keys.iin)
            json.string(iin)
        }
        if let bin {
            json.key(keys.bin)
            json.string(bin)
        }
        json.key(keys.certificateSHA256)
        json.string(Hexadecimal.text(certificateSHA256))
        json.endObject()
        return json.finish()
    }
}

extension JSONWriter {
    fileprivate mutating func package(_ package: Package) {
        let keys = Keys.all
        key(keys.package)
        beginObject()
        key(keys.id)
        string(package.id)
        key(keys.index)
        integer(package.index)
        key(keys.count)
        integer(package.count)
        endObject()
    }

    fileprivate mutating func digest(_ digest: DocumentDigest) {
        let keys = Keys.all
        key(keys.digest)
        beginObject()
        key(keys.algorithm)
        string(digest.algorithm.name)
        key(keys.value)
        base64(digest.value.span)
        endObject()
    }

    fileprivate mutating func signature(_ signature: Signature) {
        let keys = Keys.all
        key(keys.signature)
        beginObject()
        key(keys.format)
        string(signature.format.rawValue)
        key(keys.level)
        string(signature.level.rawValue)
        key(keys.value)
        base64(signature.value.span)
        endObject()
    }

    fileprivate mutating func timestamp(_ timestamp: TimestampSummary) {
        let keys = Keys.all
        key(keys.timestamp)
        beginObject()
        key(keys.authority)
        string(timestamp.authority)
        key(keys.time)
        string(UTCTimestamp.text(timestamp.time))
        key(keys.serial)
        string(timestamp.serial)
        endObject()
    }

    fileprivate mutating func refusal(_ refusal: Refusal) {
        let keys = Keys.all
        key(keys.refusal)
        beginObject()
        key(keys.code)
        string(refusal.code.rawValue)
        key(keys.parameters)
        beginObject()
        for parameter in refusal.parameters {
            key(parameter.name)
            string(parameter.value)
        }
        endObject()
        key(keys.message)
        string(refusal.message)
        key(keys.remedy)
        string(refusal.remedy)
        endObject()
    }

    fileprivate mutating func position(_ partition: Partition, _ offset: Offset) {
        let keys = Keys.all
        key(keys.partition)
        integer(Int64(partition.rawValue))
        key(keys.offset)
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
