public import TimeStampProtocol

/// One rule that a signature breaks. What it means is in `code`; `detail` is for a person.
public struct CAdESViolation: Sendable, Hashable {
    /// In brackets: the rule of the standards.
    public enum Code: String, Sendable, CaseIterable {
        // The encoding
        /// Not DER, or other fields than the type's. (X.690; RFC 5652, 5.3)
        case notDER = "not-der"
        /// A SET OF out of order: digestAlgorithms, certificates, crls, signedAttrs, unsignedAttrs, attrValues or signerInfos.
        /// (X.690, 11.6; for signedAttrs also RFC 5652, 5.4)
        case setNotInOrder = "set-not-in-order"
        /// A CMS file of another content type. (RFC 5652, 5.1)
        case notSignedData = "not-signed-data"
        /// The version of SignedData is not what its parts ask for. (RFC 5652, 5.1)
        case signedDataVersion = "signed-data-version"
        /// The version of SignerInfo does not go with its identifier. (RFC 5652, 5.3)
        case signerInfoVersion = "signer-info-version"

        // What must be there once
        /// Not exactly one SignerInfo. Several signers of a document have a file each.
        case signerCount = "signer-count"
        /// The document is inside; ours are detached. (EN 319 122-1, 6.3 lets both be)
        case contentNotDetached = "content-not-detached"
        /// A certificate, CRL, digest algorithm or timestamp token stands there twice.
        case listedTwice = "listed-twice"

        // Certificates
        /// Something else than a public-key certificate among the certificates.
        case certificateKind = "certificate-kind"
        case certificateUnreadable = "certificate-unreadable"
        /// None of the certificates is the one that the SignerInfo names. (EN 319 122-1, 6.3)
        case signerCertificateMissing = "signer-certificate-missing"
        /// Several of the certificates are.
        case signerCertificateAmbiguous = "signer-certificate-ambiguous"

        // Algorithms
        case digestAlgorithmUnknown = "digest-algorithm-unknown"
        /// The signer's digest algorithm is not in digestAlgorithms. (RFC 5652, 5.1)
        case digestAlgorithmNotListed = "digest-algorithm-not-listed"
        /// Unknown, or it does not go with the digest algorithm. (RFC 5754, 3)
        case signatureAlgorithmUnfitting = "signature-algorithm-unfitting"
        /// The certificate has a key of another kind.
        case signatureKeyUnfitting = "signature-key-unfitting"

        // Signed attributes
        /// No signed attributes at all: such a signature is over the document alone. (EN 319 122-1, 6.3)
        case signedAttributesMissing = "signed-attributes-missing"
        /// One of the four required attributes is not there. (EN 319 122-1, 6.3)
        case signedAttributeMissing = "signed-attribute-missing"
        /// One of them stands there more than once. (RFC 5652, 11)
        case signedAttributeDoubled = "signed-attribute-doubled"
        /// One of them has no value or several. (RFC 5652, 11)
        case signedAttributeValues = "signed-attribute-values"
        /// The content-type attribute differs from eContentType. (RFC 5652, 11.1)
        case contentTypeDiffers = "content-type-differs"
        /// The message-digest attribute is not as long as the algorithm's digests.
        case messageDigestLength = "message-digest-length"
        /// GeneralizedTime for a year that has UTCTime. (RFC 5652, 11.3)
        case signingTimeForm = "signing-time-form"
        /// Outside the validity of the signer's certificate.
        case signingTimeOutsideCertificate = "signing-time-outside-certificate"

        // signing-certificate-v2
        /// The first form, bound to SHA-1, is there. (EN 319 122-1, 5.2.2.2)
        case signingCertificateV1 = "signing-certificate-v1"
        /// Not exactly one ESSCertIDv2.
        case signingCertificateCount = "signing-certificate-count"
        /// SHA-256, the DEFAULT, is written out. (X.690, 11.5)
        case signingCertificateDefaultEncoded = "signing-certificate-default-encoded"
        /// A hash algorithm that is not known.
        case signingCertificateHashUnknown = "signing-certificate-hash-unknown"
        /// The hash of another certificate. (RFC 5035, 3)
        case signingCertificateDiffers = "signing-certificate-differs"
        /// The issuer or serial number of another certificate. (RFC 5035, 4)
        case signingCertificateIssuerDiffers = "signing-certificate-issuer-differs"

        // Verification
        /// The message-digest attribute is not the document's digest. (RFC 5652, 11.2)
        case documentDigestDiffers = "document-digest-differs"
        /// The signature value is not the certificate's key's over the signed attributes. (RFC 5652, 5.6)
        case signatureInvalid = "signature-invalid"
        /// A timestamp does not hold; `timeStampFault` says why. (RFC 3161, 2.4.2; EN 319 122-1, 5.3)
        case timeStamp = "timestamp"
    }

    public let code: Code
    public let detail: String
    /// With `timeStamp`: what is wrong with the token.
    public let timeStampFault: TimeStampFault?

    public init(_ code: Code, _ detail: String) {
        self.code = code
        self.detail = detail
        timeStampFault = nil
    }

    public init(timeStamp fault: TimeStampFault) {
        code = .timeStamp
        detail = fault.detail
        timeStampFault = fault
    }

    /// One word for reports: the code's, or `timestamp-` and that of the token's fault.
    public var name: String { timeStampFault.map { "\(code.rawValue)-\($0.code.rawValue)" } ?? code.rawValue }
}

/// All rules that a signature breaks, in the order of the examination; never empty.
public struct CAdESViolations: Error, Sendable, Hashable {
    public let list: [CAdESViolation]

    public init(_ list: [CAdESViolation]) {
        precondition(!list.isEmpty)
        self.list = list
    }
}

// MARK: - CustomStringConvertible

extension CAdESViolation: CustomStringConvertible {
    public var description: String { "\(name): \(detail)" }
}

extension CAdESViolations: CustomStringConvertible {
    public var description: String { list.map(\.description).joined(separator: "; ") }
}
