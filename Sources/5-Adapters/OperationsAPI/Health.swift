import JSON

/// Whether something is well; where it is not, why.
public struct Health: Sendable, Hashable {
    public struct Reason: Sendable, Hashable {
        /// A name that does not change: "token-absent".
        public let code: String
        /// The same for a person, with what can be done about it.
        public let message: String

        public init(code: String, message: String) {
            (self.code, self.message) = (code, message)
        }
    }

    /// Empty when all is well.
    public let reasons: [Reason]

    public init(reasons: [Reason]) { self.reasons = reasons }

    public static let well = Health(reasons: [])

    public var isWell: Bool { reasons.isEmpty }

    /// `{"live":false,"reasons":[{"code":"…","message":"…"}]}`; the first key is the question that was asked.
    func json(answering question: String) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key(question)
        writer.boolean(isWell)
        writer.key("reasons")
        writer.beginArray()
        for reason in reasons {
            writer.beginObject()
            writer.key("code")
            writer.string(reason.code)
            writer.key("message")
            writer.string(reason.message)
            writer.endObject()
        }
        writer.endArray()
        writer.endObject()
        return writer.bytes
    }
}
