import Foundation
import JSON

/// A JSON text as a tree, for comparing readers; the product itself builds none.
indirect enum JSONTree: Equatable {
    case null
    case boolean(Bool)
    case number(Double)
    case string(String)
    case array([JSONTree])
    case object([String: JSONTree])

    /// Reads by the scanner's own steps, not by `skipValue`.
    static func read(_ bytes: [UInt8]) throws(JSONError) -> JSONTree {
        try JSON.scan(bytes.span)
        var scanner = JSONScanner()
        try scanner.beginDocument(bytes.span)
        let tree = try value(&scanner, bytes)
        try scanner.endDocument(bytes.span)
        return tree
    }

    private static func value(_ scanner: inout JSONScanner, _ bytes: [UInt8]) throws(JSONError) -> JSONTree {
        switch try scanner.kind(bytes.span) {
        case .null:
            try scanner.null(bytes.span)
            return .null
        case .boolean: return .boolean(try scanner.boolean(bytes.span))
        case .string: return .string(try scanner.string(bytes.span).text(in: bytes.span))
        case .number:
            let range = try scanner.number(bytes.span)
            return .number(Double(String(decoding: bytes[range], as: UTF8.self))!)
        case .array:
            var elements: [JSONTree] = []
            try scanner.beginArray(bytes.span)
            while try scanner.nextElement(bytes.span) { elements.append(try value(&scanner, bytes)) }
            return .array(elements)
        case .object:
            var members: [String: JSONTree] = [:]
            try scanner.beginObject(bytes.span)
            while let key = try scanner.nextKey(bytes.span) { members[key.text(in: bytes.span)] = try value(&scanner, bytes) }
            return .object(members)
        }
    }

    /// What Foundation makes of the text, or nil where it refuses.
    static func byFoundation(_ bytes: [UInt8]) -> JSONTree? {
        guard let object = try? JSONSerialization.jsonObject(with: Data(bytes), options: [.fragmentsAllowed]) else { return nil }
        return JSONTree(object)
    }

    private init(_ object: Any) {
        switch object {
        case is NSNull: self = .null
        case let text as String: self = .string(text)
        case let number as NSNumber:
            // JSONSerialization's booleans are numbers whose C type is a character
            self = String(cString: number.objCType) == "c" ? .boolean(number.boolValue) : .number(number.doubleValue)
        case let elements as [Any]: self = .array(elements.map { JSONTree($0) })
        case let members as [String: Any]: self = .object(members.mapValues { JSONTree($0) })
        default: fatalError("a kind of value that JSON has not: \(type(of: object))")
        }
    }
}

/// Makes JSON texts that the scanner must accept, in all their spellings.
struct RandomJSON {
    var random: Seeded
    private var text: [UInt8] = []

    init(_ random: Seeded) { self.random = random }

    mutating func document() -> [UInt8] {
        text = []
        space()
        value(depth: 1)
        space()
        return text
    }

    private mutating func value(depth: Int) {
        switch random.below(depth >= 6 ? 5 : 8) {
        case 0: write("null")
        case 1: write(Bool.random(using: &random) ? "true" : "false")
        case 2, 3: string()
        case 4: number()
        case 5: list("[", "]", depth)
        default: list("{", "}", depth)
        }
    }

    private mutating func list(_ opening: String, _ closing: String, _ depth: Int) {
        write(opening)
        let count = random.chance(20) ? random.below(40) : random.below(6)
        for index in 0..<count {
            if index > 0 { write(",") }
            space()
            if opening == "{" {
                // The number and what ends it make keys of one object differ
                string(prefix: "\(index):")
                space()
                write(":")
                space()
            }
            value(depth: depth + 1)
            space()
        }
        if count == 0 { space() }
        write(closing)
    }

    private mutating func string(prefix: String = "") {
        write("\"" + prefix)
        for _ in 0..<random.below(12) {
            switch random.below(6) {
            case 0: write(["\\\"", "\\\\", "\\/", "\\b", "\\f", "\\n", "\\r", "\\t"].randomElement(using: &random)!)
            case 1:
                let scalar = scalar()
                for unit in UTF16.encode(scalar)! {
                    let digits = String(unit, radix: 16, uppercase: Bool.random(using: &random))
                    write("\\u" + String(repeating: "0", count: 4 - digits.count) + digits)
                }
            case 2: write(String(Character(scalar())))
            default: write(String(Character(Unicode.Scalar(UInt8(0x61 + random.below(26))))))
            }
        }
        write("\"")
    }

    private mutating func scalar() -> Unicode.Scalar {
        while true {
            let bound = [0x80, 0x800, 0x1_0000, 0x11_0000].randomElement(using: &random)!
            // Foundation drops a byte order mark at the head of a string; U+FEFF is left out for that
            if let scalar = Unicode.Scalar(UInt32(random.below(bound))), scalar.value > 0x1F, scalar != "\"", scalar != "\\",
                scalar.value != 0xFEFF
            {
                return scalar
            }
        }
    }

    private mutating func number() {
        if random.chance(2) { write("-") }
        write(random.chance(3) ? "0" : "\(1 + random.below(999_999))")
        if random.chance(3) { write(".\(random.below(10))\(random.below(1000))") }
        if random.chance(3) { write(["e", "E", "e+", "E-"].randomElement(using: &random)! + "\(random.below(30))") }
    }

    private mutating func space() {
        for _ in 0..<(random.chance(4) ? random.below(3) : 0) { write([" ", "\n", "\r", "\t"].randomElement(using: &random)!) }
    }

    private mutating func write(_ part: String) { text += Array(part.utf8) }
}
