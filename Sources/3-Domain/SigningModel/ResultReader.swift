import CMS
import FoundationEssentials
import JSON
import LibCrypto

extension JobResult {
    /// Reads a result record's value, as strictly as a job is read. What comes out keeps every rule of the schema: the parts that belong
    /// to the outcome are there, and no others.
    public static func read(_ value: [UInt8]) throws(JobResultError) -> JobResult {
        guard value.count <= Bounds.resultBytesMax else { throw JobResultError("the value is longer than \(Bounds.resultBytesMax) bytes") }
        var reader = ResultReader()
        do {
            try reader.read(value.span)
        } catch {
            throw JobResultError("\(error.code.rawValue) at byte \(error.offset)")
        }
        return try reader.verdict()
    }
}

/// A result record that does not keep the schema.
public struct JobResultError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong and where, as part of a sentence.
    public let reason: String

    init(_ reason: String) { self.reason = reason }

    public var description: String { "not a result: \(reason)" }
}

private enum ResultField: Int, FieldSet {
    case version, job, package, document, outcome, signature, signer, digest, attributes, timestamp, refusal, duplicateOf, source, worker
    static let schema = keys(required: .version, .job, .outcome, .source, .worker)
}

private enum ResultDocumentField: Int, FieldSet {
    case id
    static let schema = keys(required: .id)
}

private enum SignatureField: Int, FieldSet {
    case format, level, value
    static let schema = keys(required: .format, .level, .value)
}

private enum SignerField: Int, FieldSet {
    case subject, serial, iin, bin, certificateSHA256
    static let schema = keys(required: .subject, .serial, .certificateSHA256)
}

private enum TimestampField: Int, FieldSet {
    case authority, time, serial
    static let schema = keys(required: .authority, .time, .serial)
}

private enum RefusalField: Int, FieldSet {
    case code, parameters, message, remedy
    static let schema = keys(required: .code, .parameters, .message, .remedy)
}

private enum PositionField: Int, FieldSet {
    case topic, partition, offset
    static let schema = keys(required: .partition, .offset)
}

private struct ResultReader {
    private var reader = FieldReader()
    private var walk = FieldWalk<ResultField>("")
    private var version: Int64?
    private var job: String?
    private var package: Package?
    private var documentID: String?
    private var outcome: String?
    private var signature: Signature?
    private var signer: SignerSummary?
    private var digest: DocumentDigest?
    private var attributes: [UInt8]?
    private var timestamp: TimestampSummary?
    private var refusal: Refusal?
    private var duplicateOf: (partition: Partition, offset: Offset)?
    private var source: SourcePosition?
    private var worker: String?

    mutating func read(_ bytes: Span<UInt8>) throws(JSONError) {
        try reader.scanner.beginDocument(bytes)
        if try reader.begin("", bytes) {
            while let field = try reader.next(&walk, bytes) {
                switch field {
                case .version: version = try reader.integer("version", .min ... .max, bytes)
                case .job: job = try readJob(bytes)
                case .package: package = try reader.package(bytes)
                case .document: documentID = try readDocument(bytes)
                case .outcome: outcome = try reader.text("outcome", 1...64, bytes)
                case .signature: signature = try readSignature(bytes)
                case .signer: signer = try readSigner(bytes)
                case .digest: digest = try readDigest(bytes)
                case .attributes: attributes = try reader.object("attributes", bytesMax: Bounds.attributesBytesMax, bytes)
                case .timestamp: timestamp = try readTimestamp(bytes)
                case .refusal: refusal = try readRefusal(bytes)
                case .duplicateOf: duplicateOf = try readPosition("duplicateOf", "duplicateOf.", bytes).map { ($0.partition, $0.offset) }
                case .source: source = try readSource(bytes)
                case .worker: worker = try reader.text("worker", 0...Bounds.resultBytesMax, bytes)
                }
            }
            _ = reader.complete(walk)
        }
        try reader.scanner.endDocument(bytes)
    }

    func verdict() throws(JobResultError) -> JobResult {
        if let (path, problem) = reader.invalid, path.isEmpty { throw JobResultError(problem.rawValue) }
        if let path = reader.doubled { throw JobResultError("the key \(path) stands twice") }
        if let version, version != JobResult.version { throw JobResultError("version \(version) is not supported") }
        if let path = reader.unknown { throw JobResultError("the key \(path) is unknown") }
        if let path = reader.missing { throw JobResultError("\(path) is missing") }
        if let (path, problem) = reader.invalid { throw JobResultError("\(path): \(problem.rawValue)") }
        guard let source, let worker else { preconditionFailure("a required field is neither there nor missed") }
        return JobResult(
            job: job, package: package, documentID: documentID, outcome: try readOutcome(), digest: digest, attributes: attributes,
            source: source, worker: worker)
    }

    /// The parts that belong to the outcome, and no others.
    private func readOutcome() throws(JobResultError) -> JobResult.Outcome {
        func need<Part>(_ part: Part?, _ field: ResultField) throws(JobResultError) -> Part {
            guard let part else { throw JobResultError("\(field.key) is missing") }
            return part
        }
        func forbid(_ fields: ResultField...) throws(JobResultError) {
            for field in fields where walk.has(field) { throw JobResultError("\(field.key) stands in a result that is \(outcome ?? "")") }
        }
        switch outcome {
        case "signed":
            try forbid(.refusal, .duplicateOf)
            _ = try need(job, .job)
            _ = try need(digest, .digest)
            return .signed(try need(signature, .signature), signer: try need(signer, .signer), timestamp: timestamp)
        case "refused":
            try forbid(.signature, .signer, .timestamp, .duplicateOf)
            return .refused(try need(refusal, .refusal))
        case "duplicate":
            try forbid(.signature, .signer, .timestamp, .refusal)
            _ = try need(job, .job)
            _ = try need(digest, .digest)
            let origin = try need(duplicateOf, .duplicateOf)
            return .duplicate(of: origin.partition, origin.offset)
        default: throw JobResultError("outcome: \(FieldProblem.unknownWord.rawValue)")
        }
    }

    // MARK: Fields

    private mutating func readJob(_ bytes: Span<UInt8>) throws(JSONError) -> String? {
        if try reader.scanner.kind(bytes) == .null {
            try reader.scanner.null(bytes)
            return nil
        }
        return try reader.text("job", 1...Bounds.idBytesMax, bytes)
    }

    private mutating func readDocument(_ bytes: Span<UInt8>) throws(JSONError) -> String? {
        guard try reader.begin("document", bytes) else { return nil }
        var walk = FieldWalk<ResultDocumentField>("document.")
        var id: String?
        while let field = try reader.next(&walk, bytes) {
            switch field {
            case .id: id = try reader.text("document.id", 1...Bounds.idBytesMax, bytes)
            }
        }
        _ = reader.complete(walk)
        return id
    }

    private mutating func readDigest(_ bytes: Span<UInt8>) throws(JSONError) -> DocumentDigest? {
        guard let digest = try reader.digest(bytes) else { return nil }
        guard digest.value.count == digest.algorithm.function.byteCount else {
            reader.note("digest.value", .wrongLength)
            return nil
        }
        return digest
    }

    private mutating func readSignature(_ bytes: Span<UInt8>) throws(JSONError) -> Signature? {
        guard try reader.begin("signature", bytes) else { return nil }
        var walk = FieldWalk<SignatureField>("signature.")
        var format: Signature.Format?
        var level: Signature.Level?
        var value: [UInt8]?
        while let field = try reader.next(&walk, bytes) {
            switch field {
            case .format: format = try readWord("signature.format", bytes)
            case .level: level = try readWord("signature.level", bytes)
            case .value: value = try reader.base64("signature.value", bytes)
            }
        }
        guard reader.complete(walk), let format, let level, let value else { return nil }
        return Signature(format: format, level: level, value: value)
    }

    private mutating func readSigner(_ bytes: Span<UInt8>) throws(JSONError) -> SignerSummary? {
        guard try reader.begin("signer", bytes) else { return nil }
        var walk = FieldWalk<SignerField>("signer.")
        var (subject, serial, iin, bin, hash): (String?, String?, String?, String?, String?) = (nil, nil, nil, nil, nil)
        while let field = try reader.next(&walk, bytes) {
            switch field {
            case .subject: subject = try reader.text("signer.subject", 0...Bounds.resultBytesMax, bytes)
            case .serial: serial = try readHexadecimal("signer.serial", bytes)
            case .iin: iin = try reader.text("signer.iin", 1...64, bytes)
            case .bin: bin = try reader.text("signer.bin", 1...64, bytes)
            case .certificateSHA256: hash = try readHexadecimal("signer.certificateSHA256", bytes)
            }
        }
        guard reader.complete(walk), let subject, let serial, let hash,
            let certificateSHA256 = Hexadecimal.bytes(hash)
        else { return nil }
        guard certificateSHA256.count == 32 else {
            reader.note("signer.certificateSHA256", .wrongLength)
            return nil
        }
        return SignerSummary(subject: subject, serial: serial, iin: iin, bin: bin, certificateSHA256: certificateSHA256)
    }

    private mutating func readTimestamp(_ bytes: Span<UInt8>) throws(JSONError) -> TimestampSummary? {
        guard try reader.begin("timestamp", bytes) else { return nil }
        var walk = FieldWalk<TimestampField>("timestamp.")
        var (authority, serial): (String?, String?) = (nil, nil)
        var time: Date?
        while let field = try reader.next(&walk, bytes) {
            switch field {
            case .authority: authority = try reader.text("timestamp.authority", 0...Bounds.resultBytesMax, bytes)
            case .time: time = try reader.time("timestamp.time", bytes)
            case .serial: serial = try readHexadecimal("timestamp.serial", bytes)
            }
        }
        guard reader.complete(walk), let authority, let time, let serial else { return nil }
        return TimestampSummary(authority: authority, time: time, serial: serial)
    }

    private mutating func readRefusal(_ bytes: Span<UInt8>) throws(JSONError) -> Refusal? {
        guard try reader.begin("refusal", bytes) else { return nil }
        var walk = FieldWalk<RefusalField>("refusal.")
        var (code, message, remedy): (String?, String?, String?) = (nil, nil, nil)
        var parameters: [Refusal.Parameter]?
        while let field = try reader.next(&walk, bytes) {
            switch field {
            case .code: code = try reader.text("refusal.code", 1...Bounds.idBytesMax, bytes)
            case .parameters: parameters = try readParameters(bytes)
            case .message: message = try reader.text("refusal.message", 1...Bounds.resultBytesMax, bytes)
            case .remedy: remedy = try reader.text("refusal.remedy", 1...Bounds.resultBytesMax, bytes)
            }
        }
        guard reader.complete(walk), let code, let parameters, let message, let remedy else { return nil }
        return Refusal(code: RefusalCode(rawValue: code), parameters: parameters, message: message, remedy: remedy)
    }

    /// An object of strings, whose order is kept.
    private mutating func readParameters(_ bytes: Span<UInt8>) throws(JSONError) -> [Refusal.Parameter]? {
        guard try reader.begin("refusal.parameters", bytes) else { return nil }
        var parameters: [Refusal.Parameter] = []
        while let key = try reader.scanner.nextKey(bytes) {
            let name = key.text(in: bytes)
            if parameters.contains(where: { $0.name == name }) { throw JSONError(.doubledKey, at: key.start - 1) }
            guard let value = try reader.text("refusal.parameters", 0...Bounds.parameterBytesMax, bytes) else { continue }
            parameters.append(Refusal.Parameter(name: name, value: value))
        }
        return parameters
    }

    private mutating func readSource(_ bytes: Span<UInt8>) throws(JSONError) -> SourcePosition? {
        guard let (topic, partition, offset) = try readPosition("source", "source.", bytes) else { return nil }
        guard let topic else {
            reader.note("source.topic", .empty)
            return nil
        }
        return SourcePosition(topic: topic, partition: partition, offset: offset)
    }

    private mutating func readPosition(
        _ path: String, _ prefix: StaticString, _ bytes: Span<UInt8>
    ) throws(JSONError) -> (topic: String?, partition: Partition, offset: Offset)? {
        guard try reader.begin(path, bytes) else { return nil }
        var walk = FieldWalk<PositionField>(prefix)
        var topic: String?
        var (partition, offset): (Int64?, Int64?) = (nil, nil)
        while let field = try reader.next(&walk, bytes) {
            switch field {
            case .topic: topic = try reader.text(path + ".topic", 1...Bounds.idBytesMax, bytes)
            case .partition: partition = try reader.integer(path + ".partition", 0...Int64(Int32.max), bytes)
            case .offset: offset = try reader.integer(path + ".offset", 0...Bounds.integerMax, bytes)
            }
        }
        if path == ResultField.duplicateOf.key, walk.has(.topic) { reader.noteUnknown(path + ".topic") }
        guard reader.complete(walk), let partition, let offset else { return nil }
        return (topic, Partition(Int32(partition)), Offset(offset))
    }

    private mutating func readWord<Word: RawRepresentable<String>>(_ path: String, _ bytes: Span<UInt8>) throws(JSONError) -> Word? {
        guard let text = try reader.text(path, 1...64, bytes) else { return nil }
        let word = Word(rawValue: text)
        if word == nil { reader.note(path, .unknownWord) }
        return word
    }

    private mutating func readHexadecimal(_ path: String, _ bytes: Span<UInt8>) throws(JSONError) -> String? {
        guard let text = try reader.text(path, 2...Bounds.idBytesMax, bytes) else { return nil }
        if Hexadecimal.bytes(text) != nil { return text }
        reader.note(path, .notHexadecimal)
        return nil
    }
}
