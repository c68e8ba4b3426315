import COpenSSL

/// A name to put into a certificate: attributes in their order, each its own RDN.
public struct DistinguishedName: Sendable, Hashable {
    public struct Attribute: Sendable, Hashable {
        /// OpenSSL's short name ("CN", "serialNumber") or a dotted OID.
        public var type: String
        public var value: String

        public init(_ type: String, _ value: String) {
            self.type = type
            self.value = value
        }
    }

    public var attributes: [Attribute]

    public init(_ attributes: [Attribute]) {
        self.attributes = attributes
    }

    /// A name of a country and a common name.
    public init(commonName: String, country: String = "KZ") {
        attributes = [Attribute("C", country), Attribute("CN", commonName)]
    }

    /// Writes the attributes into an empty X509_NAME.
    func write(to name: OpaquePointer?) throws(CryptoError) {
        for attribute in attributes {
            let value = Array(attribute.value.utf8)
            guard X509_NAME_add_entry_by_txt(name, attribute.type, MBSTRING_UTF8, value, Int32(value.count), -1, 0) == 1 else {
                throw ErrorQueue.take("write the name's attribute \(attribute.type)")
            }
        }
    }
}
