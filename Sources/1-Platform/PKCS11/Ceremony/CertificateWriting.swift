internal import CPKCS11

/// What a certificate object says beside the certificate: all of it stands in the certificate too, and tokens search by these.
public struct CertificateAttributes: Hashable, Sendable {
    /// CKA_ID of the key it belongs to.
    public var id: [UInt8]
    public var label: String
    /// DER of the whole certificate.
    public var value: [UInt8]
    /// DER of the subject's Name.
    public var subject: [UInt8]
    /// DER of the issuer's Name.
    public var issuer: [UInt8]
    /// DER of the serial number: an INTEGER.
    public var serialNumber: [UInt8]

    public init(id: [UInt8], label: String, value: [UInt8], subject: [UInt8], issuer: [UInt8], serialNumber: [UInt8]) {
        self.id = id
        self.label = label
        self.value = value
        self.subject = subject
        self.issuer = issuer
        self.serialNumber = serialNumber
    }
}

extension CeremonySession {
    /// Writes an X.509 certificate to the token, for everybody to see (C_CreateObject). What has this id already is not looked at here.
    /// After an error there is no new object.
    public borrowing func write(_ certificate: CertificateAttributes) throws(PKCS11Error) {
        var template = AttributeTemplate()
        template.set(CKA_CLASS, number: CKO_CERTIFICATE)
        template.set(CKA_CERTIFICATE_TYPE, number: CKC_X_509)
        template.set(CKA_TOKEN, true)
        template.set(CKA_PRIVATE, false)
        template.set(CKA_ID, bytes: certificate.id)
        template.set(CKA_LABEL, bytes: Array(certificate.label.utf8))
        template.set(CKA_SUBJECT, bytes: certificate.subject)
        template.set(CKA_ISSUER, bytes: certificate.issuer)
        template.set(CKA_SERIAL_NUMBER, bytes: certificate.serialNumber)
        template.set(CKA_VALUE, bytes: certificate.value)
        var object: CK_OBJECT_HANDLE = 0
        try check(template.lend { functions.C_CreateObject(handle, $0, $1, &object) }, "C_CreateObject")
    }

    /// Takes a certificate off the token.
    public borrowing func destroy(_ certificate: StoredCertificate) throws(PKCS11Error) {
        try check(functions.C_DestroyObject(handle, certificate.handle), "C_DestroyObject")
    }
}
