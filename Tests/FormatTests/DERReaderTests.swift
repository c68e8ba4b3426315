import DER
import Testing

/// Each rule of X.690 that makes BER into DER has a broken encoding here, and the reader names it.
@Suite struct DERReaderTests {
    struct Broken: CustomTestStringConvertible, Sendable {
        let what: String
        let hex: String
        let code: DERError.Code
        var testDescription: String { what }

        init(_ what: String, _ hex: String, _ code: DERError.Code) {
            self.what = what
            self.hex = hex
            self.code = code
        }
    }

    static let broken: [Broken] = [
        Broken("nothing", "", .truncated),
        Broken("a tag alone", "30", .truncated),
        Broken("a length longer than the octets", "0403 0102", .truncated),
        Broken("length octets missing", "0482 01", .truncated),
        Broken("octets after the end", "0500 00", .trailing),
        Broken("indefinite length", "3080 0500 0000", .lengthIndefinite),
        Broken("length 5 in the long form", "0481 05 0102030405", .lengthNotMinimal),
        Broken("length with a leading zero", "048200 80" + String(repeating: "00", count: 128), .lengthNotMinimal),
        Broken("length in five octets", "0485 0000000001 00", .lengthTooLarge),
        Broken("length beyond any file", "0484 FFFFFFFF 00", .truncated),
        Broken("long form of the tag", "1F81 01 00", .tagNumberHigh),
        Broken("OCTET STRING in pieces", "2403 040101", .constructionWrong),
        Broken("constructed INTEGER", "2203 020101", .constructionWrong),
        Broken("primitive SEQUENCE", "1000", .constructionWrong),
        Broken("end-of-contents as an element", "3002 0000", .constructionWrong),
        Broken("BOOLEAN of 01", "0101 01", .booleanInvalid),
        Broken("BOOLEAN of two octets", "0102 FFFF", .booleanInvalid),
        Broken("empty INTEGER", "0200", .integerNotMinimal),
        Broken("INTEGER 1 in two octets", "0202 0001", .integerNotMinimal),
        Broken("INTEGER -1 in two octets", "0202 FFFF", .integerNotMinimal),
        Broken("ENUMERATED in two octets", "0A02 0001", .integerNotMinimal),
        Broken("NULL with content", "0501 00", .nullInvalid),
        Broken("empty OBJECT IDENTIFIER", "0600", .objectIdentifierInvalid),
        Broken("arc cut off", "0602 2A86", .objectIdentifierInvalid),
        Broken("padded arc", "0603 2A8001", .objectIdentifierInvalid),
        Broken("padded first arc", "0603 802A01", .objectIdentifierInvalid),
        Broken("BIT STRING without its first octet", "0300", .bitStringInvalid),
        Broken("BIT STRING with 8 unused bits", "0302 0800", .bitStringInvalid),
        Broken("empty BIT STRING with unused bits", "0301 01", .bitStringInvalid),
        Broken("unused bit set", "0302 0101", .bitStringInvalid),
        Broken("UTCTime without seconds", "170B 3236303130313030 30305A", .timeInvalid),
        Broken("fault two levels down", "3005 3003 0101 01", .booleanInvalid),
        Broken("inner element longer than the outer", "3003 0402 00", .truncated),
    ]

    @Test(arguments: broken) func refuses(_ broken: Broken) {
        let error = #expect(throws: DERError.self) { try DERReader.read(bytes(broken.hex)) { try $0.check() } }
        #expect(error?.code == broken.code)
    }

    @Test func errorsNameTheOctet() {
        #expect(throws: Never.self) { try DERReader.read(bytes("300A 020101 3005 0101FF 0500")) { try $0.check() } }
        let inner = #expect(throws: DERError.self) { try DERReader.read(bytes("300A 020101 3005 0101FE 0500")) { try $0.check() } }
        #expect(inner == DERError(.booleanInvalid, at: 7))
        #expect(inner.map(String.init(describing:)) == "not DER: boolean-invalid at octet 7")
    }

    @Test func nestingIsBounded() throws {
        func nested(_ levels: Int) -> [UInt8] {
            (0..<levels).reduce([0x05, 0x00]) { inner, _ in DERWriter.encode { $0.sequence { $0.element(inner) } } }
        }
        try DERReader.read(nested(DERReader.depthMax)) { try $0.check() }
        let error = #expect(throws: DERError.self) { try DERReader.read(nested(DERReader.depthMax + 1)) { try $0.check() } }
        #expect(error?.code == .depthExceeded)
        // Deep enough to end a reader without a bound on the stack
        let deep = #expect(throws: DERError.self) { try DERReader.read(nested(3_000)) { try $0.check() } }
        #expect(deep?.code == .depthExceeded)
    }

    @Test func aClosureMustReadEverythingInside() {
        let error = #expect(throws: DERError.self) {
            try DERReader.read(bytes("3006 020101 020102")) { try $0.sequence { try $0.integer() } }
        }
        #expect(error == DERError(.trailing, at: 5))
    }

    @Test func anotherTagIsRefused() {
        let error = #expect(throws: DERError.self) { try DERReader.read(bytes("0401 00")) { try $0.integer() } }
        #expect(error == DERError(.tagUnexpected, at: 0))
    }

    @Test func optionalElementsAreTakenByTag() throws {
        let (number, flag) = try DERReader.read(bytes("3005 A003 020107")) { der in
            try der.sequence { inside in
                let number = try inside.optional(.context(0)) { try $0.integer() }
                return (number, try inside.booleanDefaultFalse())
            }
        }
        #expect(number == 7)
        #expect(!flag)
    }

    @Test func aDefaultMustNotBeWritten() {
        let error = #expect(throws: DERError.self) { try DERReader.read(bytes("0101 00")) { try $0.booleanDefaultFalse() } }
        #expect(error?.code == .defaultEncoded)
    }

    @Test(arguments: [("0201 00", 0), ("0201 7F", 127), ("0202 0080", 128), ("0208 7FFFFFFFFFFFFFFF", Int.max)])
    func readsIntegers(_ hex: String, _ value: Int) throws {
        #expect(try DERReader.read(bytes(hex)) { try $0.integer() } == value)
    }

    @Test(arguments: ["0201 80", "0201 FF", "0209 008000000000000000"]) func refusesIntegersOutOfRange(_ hex: String) {
        let error = #expect(throws: DERError.self) { try DERReader.read(bytes(hex)) { try $0.integer() } }
        #expect(error?.code == .integerOutOfRange)
    }

    @Test func integersHaveAnUpperBound() throws {
        #expect(try DERReader.read(bytes("0201 03")) { try $0.integer(upTo: 3) } == 3)
        let error = #expect(throws: DERError.self) { try DERReader.read(bytes("0201 04")) { try $0.integer(upTo: 3) } }
        #expect(error?.code == .integerOutOfRange)
    }

    @Test func setsMustBeInOrder() throws {
        let ordered = bytes("3106 020101 020102")
        let unordered = bytes("3106 020102 020101")
        #expect(try DERReader.read(ordered) { try $0.setOf { try $0.integer() } } == [1, 2])
        let error = #expect(throws: DERError.self) { try DERReader.read(unordered) { try $0.setOf { try $0.integer() } } }
        #expect(error == DERError(.setNotInOrder, at: 5))
        #expect(try DERReader.read(unordered) { try $0.setOf(ordered: false) { try $0.integer() } } == [2, 1])
        // The length octet decides before the content
        #expect(try DERReader.read(bytes("3107 0201FF 02020080")) { try $0.setOf { try $0.elementBytes().count } } == [3, 4])
    }

    @Test func readsStrings() throws {
        #expect(try DERReader.read(bytes("0302 0480")) { try $0.bitString() }.unusedBits == 4)
        #expect(try DERReader.read(bytes("0C02 C398")) { try $0.utf8String() } == "Ø")
        let error = #expect(throws: DERError.self) { try DERReader.read(bytes("0C01 C3")) { try $0.utf8String() } }
        #expect(error?.code == .valueInvalid)
        #expect(try DERReader.read(bytes("8002 0102")) { try $0.octetString(.context(0, constructed: false)) } == [1, 2])
    }
}
