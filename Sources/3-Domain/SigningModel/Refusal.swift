/// Why a job got no signature, as a value that is published like any result. The job is at fault; a world that fails is waited out.
///
/// Readers render other languages from `code` and `parameters`; docs/schemas/refusals.md lists them all.
public struct Refusal: Sendable, Hashable {
    public struct Parameter: Sendable, Hashable {
        public let name: String
        /// At most ``Bounds/parameterBytesMax`` bytes of UTF-8, without control characters.
        public let value: String

        public init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    public let code: RefusalCode
    /// Always the same names in the same order for one code.
    public let parameters: [Parameter]
    /// One English sentence: what is wrong.
    public let message: String
    /// One English sentence: who can do what about it.
    public let remedy: String

    /// A refusal as it was read from a result; those that Tanba itself makes come from the functions in Refusals.swift.
    public init(code: RefusalCode, parameters: [Parameter], message: String, remedy: String) {
        self.code = code
        self.parameters = parameters
        self.message = message
        self.remedy = remedy
    }
}

/// The kind of a refusal: a stable word in kebab case. Codes that a later version adds survive being read.
public struct RefusalCode: RawRepresentable, Sendable, Hashable, CustomStringConvertible {
    public let rawValue: String

    public init(rawValue: String) { self.rawValue = rawValue }

    public var description: String { rawValue }

    public static let jobMalformed = RefusalCode(rawValue: "job-malformed")
    public static let jobKeyUnknown = RefusalCode(rawValue: "job-key-unknown")
    public static let jobKeyDoubled = RefusalCode(rawValue: "job-key-doubled")
    public static let jobFieldMissing = RefusalCode(rawValue: "job-field-missing")
    public static let jobFieldInvalid = RefusalCode(rawValue: "job-field-invalid")
    public static let jobTooLarge = RefusalCode(rawValue: "job-too-large")
    public static let versionUnsupported = RefusalCode(rawValue: "version-unsupported")
    public static let profileUnknown = RefusalCode(rawValue: "profile-unknown")
    public static let profileNotAllowed = RefusalCode(rawValue: "profile-not-allowed")
    public static let digestAlgorithmMismatch = RefusalCode(rawValue: "digest-algorithm-mismatch")
    public static let digestLength = RefusalCode(rawValue: "digest-length")
    public static let jobExpired = RefusalCode(rawValue: "job-expired")
    public static let misplaced = RefusalCode(rawValue: "misplaced")
    public static let jobConflict = RefusalCode(rawValue: "job-conflict")
    public static let resultTooLarge = RefusalCode(rawValue: "result-too-large")

    /// Every code that this version gives.
    public static let all: [RefusalCode] = RefusalText.table.map(\.code)
}

extension Refusal {
    /// Fills the templates of `code`. Precondition: the values are those that the table names, in its order.
    init(_ code: RefusalCode, _ values: String...) {
        guard let text = RefusalText.table.first(where: { $0.code == code }), text.parameters.count == values.count else {
            preconditionFailure("the parameters of \(code) are others")
        }
        let parameters = zip(text.parameters, values).map { Parameter(name: $0, value: Self.presentable($1)) }
        func filled(_ template: String) -> String {
            var sentence = ""
            var rest = template[...]
            while let open = rest.firstIndex(of: "{"), let close = rest[open...].firstIndex(of: "}") {
                sentence += rest[..<open]
                let name = rest[rest.index(after: open)..<close]
                guard let parameter = parameters.first(where: { $0.name == name }) else { preconditionFailure("\(code) has no \(name)") }
                // A reason is a word of a closed list, which the sentence spells out
                sentence += name == "reason" ? (RefusalText.reasons[parameter.value] ?? parameter.value) : parameter.value
                rest = rest[rest.index(after: close)...]
            }
            return sentence + rest
        }
        self.init(code: code, parameters: parameters, message: filled(text.message), remedy: filled(text.remedy))
    }

    /// What a caller wrote, made fit to be shown: bounded, and without what would steer a terminal.
    private static func presentable(_ value: String) -> String {
        var shown = String.UnicodeScalarView()
        var count = 0
        for scalar in value.unicodeScalars {
            let isControl = scalar.properties.generalCategory == .control
            let kept: Unicode.Scalar = isControl ? "\u{FFFD}" : scalar
            count += UTF8.width(kept)
            if count > Bounds.parameterBytesMax - 3 {
                shown.append("…")
                break
            }
            shown.append(kept)
        }
        return String(shown)
    }
}
