/// Why octets are not the DER that was asked for, and where.
///
/// A reader that threw is spent: its position is somewhere inside the fault. Two errors are equal when code and offset are.
public struct DERError: Error, Sendable, Hashable {
    public enum Code: String, Sendable, CaseIterable {
        /// An element says it is longer than what holds it, or there is none where one must be.
        case truncated
        /// Octets follow where the type has ended.
        case trailing
        /// Indefinite length: BER, not DER (X.690, 10.1).
        case lengthIndefinite = "length-indefinite"
        /// A length in more octets than it needs (X.690, 10.1).
        case lengthNotMinimal = "length-not-minimal"
        /// A length in more than four octets.
        case lengthTooLarge = "length-too-large"
        /// Another tag than the type has at this place.
        case tagUnexpected = "tag-unexpected"
        /// A tag number of 31 or above, which none of our formats uses.
        case tagNumberHigh = "tag-number-high"
        /// A string in pieces, or a SEQUENCE or SET marked as primitive (X.690, 10.2).
        case constructionWrong = "construction-wrong"
        /// Elements nested deeper than `DERReader.depthMax`.
        case depthExceeded = "depth-exceeded"
        /// BOOLEAN other than 00 or FF (X.690, 11.1).
        case booleanInvalid = "boolean-invalid"
        /// INTEGER or ENUMERATED without octets or with a superfluous one (X.690, 8.3.2).
        case integerNotMinimal = "integer-not-minimal"
        /// INTEGER that is negative or too large for what it stands for.
        case integerOutOfRange = "integer-out-of-range"
        case nullInvalid = "null-invalid"
        /// OBJECT IDENTIFIER without arcs, cut off inside one, or with a padded one (X.690, 8.19).
        case objectIdentifierInvalid = "object-identifier-invalid"
        /// BIT STRING without its first octet, with more than 7 unused bits or with one of them set (X.690, 11.2).
        case bitStringInvalid = "bit-string-invalid"
        /// UTCTime or GeneralizedTime in another form than DER's, or no date of the calendar (X.690, 11.7 and 11.8).
        case timeInvalid = "time-invalid"
        /// Elements of a SET OF out of ascending order (X.690, 11.6).
        case setNotInOrder = "set-not-in-order"
        /// A value equal to its DEFAULT is written out (X.690, 11.5).
        case defaultEncoded = "default-encoded"
        /// Well-formed, but not a value that the type allows here.
        case valueInvalid = "value-invalid"
    }

    public let code: Code
    /// Octets from the beginning of what was read to the fault.
    public let offset: Int

    public init(_ code: Code, at offset: Int) {
        self.code = code
        self.offset = offset
    }
}

extension DERError: CustomStringConvertible {
    public var description: String { "not DER: \(code.rawValue) at octet \(offset)" }
}
