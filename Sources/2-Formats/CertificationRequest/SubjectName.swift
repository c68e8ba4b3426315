import DER

/// A distinguished name, read from text and written as X.501 wants it (RFC 5280, 4.1.2.4).
///
/// The text is that of RFC 4514, the least common first: `CN=…,serialNumber=IIN…,O=…,OU=BIN…,C=KZ`. As that RFC has it, the encoding
/// has them the other way round. `+` joins values of one RDN; a backslash before `, + " \ < > ; =`, a blank or `#` takes its meaning, and before
/// two hexadecimal digits it stands for that byte of UTF-8; `#` begins a value given as hexadecimal DER.
public struct SubjectName: Sendable, Hashable {
    /// The Name.
    public let der: [UInt8]

    public init(_ text: String) throws(SubjectNameError) {
        var reader = SubjectNameReader(text)
        let names = try reader.read()
        der = DERWriter.encode { der in
            der.sequence { der in
                for name in names.reversed() { der.setOf(name) }
            }
        }
    }
}

/// A text that is no name, or a name that a certificate may not have.
public struct SubjectNameError: Error, Hashable, CustomStringConvertible {
    public let reason: String
    public let remedy: String

    public var description: String { "\(reason); \(remedy)" }
}

/// The types of attribute that have a name, and what each allows.
struct SubjectAttributeType: Sendable {
    enum Form: Sendable {
        case utf8, printable, ia5
        /// Two capital letters.
        case country
    }

    let names: [String]
    let oid: ObjectIdentifier
    let form: Form
    /// Most characters (RFC 5280, appendix A.1).
    let lengthMax: Int

    private init(_ names: [String], _ oid: ObjectIdentifier, _ form: Form, _ lengthMax: Int) {
        self.names = names
        self.oid = oid
        self.form = form
        self.lengthMax = lengthMax
    }

    /// By name in any case, or by dotted OID: then UTF8String, of any length, unless the OID is one of these.
    static func named(_ text: String) -> SubjectAttributeType? {
        if let known = known.first(where: { $0.names.contains(text.lowercased()) }) { return known }
        guard let oid = ObjectIdentifier(dotted: text.lowercased().hasPrefix("oid.") ? String(text.dropFirst(4)) : text) else { return nil }
        return known.first { $0.oid == oid } ?? SubjectAttributeType([text], oid, .utf8, 32_768)
    }

    /// Those of RFC 4514, 3 first.
    private static let known: [SubjectAttributeType] = [
        SubjectAttributeType(["cn", "commonname"], ObjectIdentifier(2, 5, 4, 3), .utf8, 64),
        SubjectAttributeType(["l", "localityname"], ObjectIdentifier(2, 5, 4, 7), .utf8, 128),
        SubjectAttributeType(["st", "s", "stateorprovincename"], ObjectIdentifier(2, 5, 4, 8), .utf8, 128),
        SubjectAttributeType(["o", "organizationname"], ObjectIdentifier(2, 5, 4, 10), .utf8, 64),
        SubjectAttributeType(["ou", "organizationalunitname"], ObjectIdentifier(2, 5, 4, 11), .utf8, 64),
        SubjectAttributeType(["c", "countryname"], ObjectIdentifier(2, 5, 4, 6), .country, 2),
        SubjectAttributeType(["street", "streetaddress"], ObjectIdentifier(2, 5, 4, 9), .utf8, 128),
        SubjectAttributeType(["dc", "domaincomponent"], ObjectIdentifier(0, 9, 2342, 19_200_300, 100, 1, 25), .ia5, 63),
        SubjectAttributeType(["uid", "userid"], ObjectIdentifier(0, 9, 2342, 19_200_300, 100, 1, 1), .utf8, 256),
        SubjectAttributeType(["serialnumber"], ObjectIdentifier(2, 5, 4, 5), .printable, 64),
        SubjectAttributeType(["surname", "sn"], ObjectIdentifier(2, 5, 4, 4), .utf8, 32_768),
        SubjectAttributeType(["givenname", "gn", "g"], ObjectIdentifier(2, 5, 4, 42), .utf8, 32_768),
        SubjectAttributeType(["title", "t"], ObjectIdentifier(2, 5, 4, 12), .utf8, 64),
        SubjectAttributeType(["businesscategory"], ObjectIdentifier(2, 5, 4, 15), .utf8, 128),
        SubjectAttributeType(["organizationidentifier"], ObjectIdentifier(2, 5, 4, 97), .utf8, 32_768),
        SubjectAttributeType(["emailaddress", "email", "e"], ObjectIdentifier(1, 2, 840, 113549, 1, 9, 1), .ia5, 255),
    ]
}
