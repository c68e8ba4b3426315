/// The check of a whole encoding whose type is not known.
extension DERReader {
    /// Reads the next element and everything inside it, by the rules of the universal types; context tags are taken as they are,
    /// and constructed ones are entered. What stands in an OCTET STRING or BIT STRING is not looked at.
    ///
    /// SETs are not checked for order: a SET is ordered by tags and a SET OF by encodings, and only the type tells them apart.
    public mutating func check() throws {
        guard let tag = nextTag else { throw fault(.truncated) }
        let start = offset
        if tag.isConstructed {
            // Only SEQUENCE, EXTERNAL, EMBEDDED PDV and SET are constructed in DER (X.690, 10.2)
            let constructible: [UInt8] = [0x28, 0x2B, 0x30, 0x31]
            guard !tag.isUniversal || constructible.contains(tag.rawValue) else { throw fault(.constructionWrong) }
            try anyConstructed { inside in
                while !inside.isAtEnd { try inside.check() }
            }
            return
        }
        let content = try content(tag)
        switch tag {
        case .boolean: try Self.checkBoolean(content, at: start)
        case .integer, .enumerated: try Self.checkInteger(content, at: start)
        case .bitString: try Self.checkBitString(content, at: start)
        case .null: guard content.isEmpty else { throw DERError(.nullInvalid, at: start) }
        case .objectIdentifier: try Self.checkObjectIdentifier(content, at: start)
        case .utcTime: guard DERTime(utcTime: content) != nil else { throw DERError(.timeInvalid, at: start) }
        case .generalizedTime: guard DERTime(generalizedTime: content) != nil else { throw DERError(.timeInvalid, at: start) }
        case _ where [0x00, 0x08, 0x0B, 0x10, 0x11].contains(tag.rawValue): throw DERError(.constructionWrong, at: start)
        default: break
        }
    }

    /// The next element whole, copied, after `check` has passed over it.
    public mutating func checkedElement() throws -> [UInt8] {
        var ahead = self
        try ahead.check()
        return Array(try element())
    }
}
