import DER

/// Reads the text form of a name (RFC 4514, 3): from left to right, byte by byte of its UTF-8.
struct SubjectNameReader {
    private let bytes: [UInt8]
    private var at = 0

    init(_ text: String) { bytes = Array(text.utf8) }

    /// The RDNs in the order of the text, each the AttributeTypeAndValues of one.
    mutating func read() throws(SubjectNameError) -> [[[UInt8]]] {
        var names: [[[UInt8]]] = [[]]
        var isFirst = true
        while isFirst || at < bytes.count {
            isFirst = false
            let (attribute, name) = try attribute()
            guard !names[names.count - 1].contains(attribute) else {
                throw SubjectNameError(reason: "\(name) stands twice in one RDN with the same value", remedy: "leave one out")
            }
            names[names.count - 1].append(attribute)
            guard at < bytes.count else { break }
            if bytes[at] != plus { names.append([]) }
            at += 1
            guard at < bytes.count else {
                throw SubjectNameError(reason: "the subject ends with a separator", remedy: "remove it, or add what is missing")
            }
        }
        return names
    }

    /// One `type=value`, up to the separator that stays.
    private mutating func attribute() throws(SubjectNameError) -> ([UInt8], name: String) {
        let start = at
        while at < bytes.count, bytes[at] != equals, !separators.contains(bytes[at]) { at += 1 }
        let name = trimmed(start..<at)
        guard at < bytes.count, bytes[at] == equals else {
            throw SubjectNameError(reason: "\"\(name)\" in the subject has no value", remedy: "write TYPE=VALUE, as in CN=Office")
        }
        guard let type = SubjectAttributeType.named(name) else {
            throw SubjectNameError(
                reason: "the subject has the attribute \"\(name)\", which is not known",
                remedy: "use CN, O, OU, C, L, ST, serialNumber, surname, givenName, title, E, DC, UID or a dotted OID")
        }
        at += 1
        while at < bytes.count, bytes[at] == blank { at += 1 }
        let value: [UInt8]
        if at < bytes.count, bytes[at] == hash { value = try encodedValue(name) } else { value = try Self.encoded(try text(name), type, name) }
        return (
            DERWriter.encode { der in
                der.sequence { der in
                    der.objectIdentifier(type.oid)
                    der.element(value)
                }
            }, name
        )
    }

    private mutating func text(_ name: String) throws(SubjectNameError) -> String {
        var value: [UInt8] = []
        var keep = 0  // how many bytes are certainly not blanks at the end
        while at < bytes.count, !separators.contains(bytes[at]) {
            guard bytes[at] == backslash else {
                if bytes[at] == quote || bytes[at] == 0 {
                    throw SubjectNameError(
                        reason: "the value of \(name) has a quotation mark or a zero", remedy: "write a backslash before a quotation mark")
                }
                value.append(bytes[at])
                if bytes[at] != blank { keep = value.count }
                at += 1
                continue
            }
            if at + 2 < bytes.count, let high = digit(bytes[at + 1]), let low = digit(bytes[at + 2]) {
                value.append(high << 4 | low)
                at += 3
            } else if at + 1 < bytes.count, special.contains(bytes[at + 1]) {
                value.append(bytes[at + 1])
                at += 2
            } else {
                throw SubjectNameError(
                    reason: "the value of \(name) has a backslash before what needs none",
                    remedy: "write a backslash only before , + \" \\ < > ; = # or a blank, or before two hexadecimal digits")
            }
            keep = value.count
        }
        guard let text = String(validating: value[..<keep], as: UTF8.self) else {
            throw SubjectNameError(reason: "the value of \(name) is not UTF-8", remedy: "check its escaped bytes")
        }
        return text
    }

    /// `#` and hexadecimal digits of a finished element.
    private mutating func encodedValue(_ name: String) throws(SubjectNameError) -> [UInt8] {
        at += 1
        var value: [UInt8] = []
        while at + 1 < bytes.count, let high = digit(bytes[at]), let low = digit(bytes[at + 1]) {
            value.append(high << 4 | low)
            at += 2
        }
        while at < bytes.count, bytes[at] == blank { at += 1 }
        let isElement = (try? DERReader.read(value) { try $0.checkedElement() }) != nil
        guard isElement, at == bytes.count || separators.contains(bytes[at]) else {
            throw SubjectNameError(
                reason: "the value of \(name) after # is not one element of DER in hexadecimal digits", remedy: "correct it, or write it as text")
        }
        return value
    }

    private static func encoded(_ text: String, _ type: SubjectAttributeType, _ name: String) throws(SubjectNameError) -> [UInt8] {
        guard !text.isEmpty else { throw SubjectNameError(reason: "the value of \(name) is empty", remedy: "write one, or leave \(name) out") }
        guard text.unicodeScalars.count <= type.lengthMax else {
            throw SubjectNameError(
                reason: "the value of \(name) has \(text.unicodeScalars.count) characters, and a certificate allows \(type.lengthMax)",
                remedy: "shorten it")
        }
        let octets = Array(text.utf8)
        switch type.form {
        case .utf8:
            return DERWriter.encode { $0.utf8String(text) }
        case .country:
            guard octets.count == 2, octets.allSatisfy({ 0x41...0x5A ~= $0 }) else {
                throw SubjectNameError(reason: "the country \(name) is \"\(text)\"", remedy: "write two capital letters (ISO 3166), as in C=KZ")
            }
            return DERWriter.encode { $0.primitive(printableString, octets) }
        case .printable:
            let isPrintable = octets.allSatisfy { 0x30...0x39 ~= $0 || 0x41...0x5A ~= $0 || 0x61...0x7A ~= $0 || printableMarks.contains($0) }
            guard isPrintable else {
                throw SubjectNameError(
                    reason: "the value of \(name) has other characters than a PrintableString",
                    remedy: "use Latin letters, digits and ' ( ) + , - . / : = ?")
            }
            return DERWriter.encode { $0.primitive(printableString, octets) }
        case .ia5:
            guard octets.allSatisfy({ $0 < 0x80 }) else {
                throw SubjectNameError(reason: "the value of \(name) has characters beyond ASCII", remedy: "write it in ASCII")
            }
            return DERWriter.encode { $0.primitive(ia5String, octets) }
        }
    }

    private func trimmed(_ range: Range<Int>) -> String {
        var part = bytes[range]
        while part.first == blank { part.removeFirst() }
        while part.last == blank { part.removeLast() }
        return String(decoding: part, as: UTF8.self)
    }

    private func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x41 + 10
        case 0x61...0x66: byte - 0x61 + 10
        default: nil
        }
    }
}

private let blank = UInt8(ascii: " ")
private let equals = UInt8(ascii: "=")
private let plus = UInt8(ascii: "+")
private let hash = UInt8(ascii: "#")
private let quote = UInt8(ascii: "\"")
private let backslash = UInt8(ascii: "\\")
/// The semicolon as RFC 2253 had it.
private let separators = Array(",+;".utf8)
private let special = Array(",+\"\\<>;= #".utf8)
private let printableMarks = Array(" '()+,-./:=?".utf8)
private let printableString = DERTag(rawValue: 0x13)
private let ia5String = DERTag(rawValue: 0x16)
