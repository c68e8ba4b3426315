/// The words of every refusal: its parameters in order, and the English templates in which `{name}` stands for a parameter's value
/// (`{reason}` for the phrase of its word). docs/schemas/refusals.md shows the same, held by a test.
struct RefusalText: Sendable {
    let code: RefusalCode
    let parameters: [String]
    let message: String
    let remedy: String

    static let table: [RefusalText] = [
        RefusalText(
            code: .jobMalformed, parameters: ["reason", "offset"],
            message: "The record's value is no job: {reason} (byte {offset}).",
            remedy: "Whoever enqueues must write one JSON object in UTF-8, as RFC 8259 has it."),
        RefusalText(
            code: .jobKeyUnknown, parameters: ["key"],
            message: "The job has the key {key}, which this version does not know.",
            remedy: "Whoever enqueues must spell the key as the schema does, or leave it out; own data belongs in attributes."),
        RefusalText(
            code: .jobKeyDoubled, parameters: ["key"],
            message: "The job has the key {key} twice in one object.",
            remedy: "Whoever enqueues must write each key once."),
        RefusalText(
            code: .jobFieldMissing, parameters: ["field"],
            message: "The job has no {field}.",
            remedy: "Whoever enqueues must add the field; package and document are given whole or not at all."),
        RefusalText(
            code: .jobFieldInvalid, parameters: ["field", "reason"],
            message: "The job's field {field} is not acceptable: {reason}.",
            remedy: "Whoever enqueues must give the field a value that the schema allows."),
        RefusalText(
            code: .jobTooLarge, parameters: ["part", "bytes", "limit"],
            message: "The {part} takes {bytes} bytes, more than the {limit} that are allowed.",
            remedy: "Whoever enqueues must keep data that is not needed for signing elsewhere and refer to it."),
        RefusalText(
            code: .versionUnsupported, parameters: ["version", "supported"],
            message: "The job has version {version}; this worker reads {supported}.",
            remedy: "The operator upgrades the workers before jobs of a newer version are enqueued."),
        RefusalText(
            code: .profileUnknown, parameters: ["profile"],
            message: "There is no signing profile {profile}.",
            remedy: "Whoever enqueues must name a profile of this stream, or the operator must configure this one."),
        RefusalText(
            code: .profileNotAllowed, parameters: ["profile", "stream"],
            message: "The signing profile {profile} may not be used in the stream {stream}.",
            remedy: "Whoever enqueues must use a stream that allows the profile, or the operator must allow it here."),
        RefusalText(
            code: .digestAlgorithmMismatch, parameters: ["profile", "expected", "actual"],
            message: "The signing profile {profile} signs {expected} digests; the job has one of {actual}.",
            remedy: "Whoever enqueues must hash the document with {expected}, or name a profile for {actual}."),
        RefusalText(
            code: .digestLength, parameters: ["algorithm", "expected", "actual"],
            message: "A {algorithm} digest has {expected} bytes; the job's has {actual}.",
            remedy: "Whoever enqueues must give the raw digest in Base64, not its hexadecimal text and not the document."),
        RefusalText(
            code: .jobExpired, parameters: ["expires", "judged", "waitedSeconds"],
            message: "The job expired at {expires}; a worker came to it at {judged}, when it had waited {waitedSeconds} s in the stream.",
            remedy: "Whoever enqueues may enqueue it again with a later time; the operator may add workers if the stream waits long."),
        RefusalText(
            code: .misplaced, parameters: ["reason", "partition"],
            message: "The record does not stand where its job belongs (partition {partition}): {reason}.",
            remedy: "Whoever enqueues must use the job's id as the key and the murmur2 partitioner."),
        RefusalText(
            code: .jobConflict, parameters: ["partition", "offset"],
            message: "A job with this id and another digest or profile was signed already (partition {partition}, offset {offset}).",
            remedy: "Whoever enqueues must give every job an id of its own."),
        RefusalText(
            code: .resultTooLarge, parameters: ["bytes", "limit"],
            message: "The result would take {bytes} bytes, more than the {limit} that are allowed.",
            remedy: "The operator must shorten the certificate chain of the profile, or whoever enqueues the job's attributes."),
    ]

    /// The phrases for the words under `reason`.
    static let reasons: [String: String] = [
        // job-malformed
        "no-value": "it has no value",
        "not-an-object": "it is not a JSON object",
        "unexpected-end": "the text ends too early",
        "unexpected-byte": "a character stands where JSON has none",
        "trailing-bytes": "something follows the end of the object",
        "byte-order-mark": "it begins with a byte order mark",
        "not-utf-8": "it is not UTF-8",
        "control-character": "it holds a control character",
        "bad-escape": "a string holds an escape that JSON does not have",
        "lone-surrogate": "a string holds half of a surrogate pair",
        "bad-number": "a number is not written as JSON writes it",
        "too-deep": "objects and arrays are nested deeper than 16",
        // job-field-invalid
        "not-a-string": "it is not a string",
        "not-an-integer": "it is not an integer",
        "empty": "it is empty",
        "too-long": "it is too long",
        "out-of-range": "the number is out of range",
        "not-base64": "it is not Base64 with padding",
        "not-utc-time": "it is not a time in UTC as RFC 3339 writes it",
        "unknown-algorithm": "the digest algorithm is not known",
        "unknown-word": "it is none of the words that may stand there",
        "not-hexadecimal": "it is not lower-case hexadecimal",
        "wrong-length": "its length does not fit its algorithm",
        // misplaced
        "no-key": "the record has no key",
        "key-differs": "the record's key is not the job's id",
        "wrong-partition": "the key belongs into another partition",
    ]
}
