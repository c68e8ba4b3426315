/// What is wrong with a timestamp answer or token. What it means is in `code`; `detail` is for a person.
public struct TimeStampFault: Error, Sendable, Hashable {
    /// In brackets: the rule of the standards.
    public enum Code: String, Sendable, CaseIterable {
        // The answer
        /// Not DER where it must be, or other fields than the type's. (RFC 3161, 2.4.2)
        case notDER = "not-der"
        /// The authority did not stamp; `status` says why. (RFC 3161, 2.4.2)
        case status
        /// Granted, but without a token. (RFC 3161, 2.4.2)
        case tokenMissing = "token-missing"

        // The token
        /// Not a SignedData with a TSTInfo inside. (RFC 3161, 2.4.2)
        case notAToken = "not-a-token"
        /// The version of SignedData is not what its parts ask for. (RFC 5652, 5.1)
        case signedDataVersion = "signed-data-version"
        /// Not exactly one SignerInfo. (RFC 3161, 2.4.2)
        case signerCount = "signer-count"
        /// The version of SignerInfo does not go with its identifier. (RFC 5652, 5.3)
        case signerInfoVersion = "signer-info-version"
        /// Another version of TSTInfo than 1. (RFC 3161, 2.4.2)
        case infoVersion = "tst-info-version"
        /// A critical extension, which is not understood.
        case extensionCritical = "extension-critical"
        /// Over something else, or by another hash algorithm. (RFC 3161, 2.2)
        case imprintDiffers = "imprint-differs"
        /// Another nonce than the request's, or none. (RFC 3161, 2.4.2)
        case nonceDiffers = "nonce-differs"
        /// Another policy than the request's. (RFC 3161, 2.4.2)
        case policyDiffers = "policy-differs"
        /// Too far from the clock of who asked. (RFC 3161, 2.2)
        case timeOutsideWindow = "time-outside-window"

        // The authority's certificate
        /// The token does not contain it, though the request asked for it. (RFC 3161, 2.4.1)
        case certificateMissing = "certificate-missing"
        /// signing-certificate and -v2 are both missing, or one is not the certificate's. (RFC 3161, 2.4.2; RFC 5816)
        case signingCertificateAttribute = "signing-certificate-attribute"
        /// Its extended key usage is not timeStamping, alone and critical. (RFC 3161, 2.3)
        case certificatePurpose = "certificate-purpose"
        /// `tsa` names someone else than the certificate. (RFC 3161, 2.4.2)
        case authorityNameDiffers = "authority-name-differs"
        /// The stamped time is outside its validity. (RFC 3161, 2.2)
        case certificateValidity = "certificate-validity"
        /// Whoever was asked does not trust it.
        case certificateUntrusted = "certificate-untrusted"

        // The authority's signature
        /// A digest or signature algorithm that is not known, or two that do not go together.
        case algorithmUnknown = "algorithm-unknown"
        /// The signer's digest algorithm is not in digestAlgorithms. (RFC 5652, 5.1)
        case digestAlgorithmNotListed = "digest-algorithm-not-listed"
        /// The content-type attribute is missing, doubled or not that of TSTInfo. (RFC 5652, 11.1)
        case contentTypeAttribute = "content-type-attribute"
        /// The message-digest attribute is missing, doubled or not the digest of the TSTInfo. (RFC 5652, 11.2)
        case messageDigestAttribute = "message-digest-attribute"
        case signatureInvalid = "signature-invalid"
    }

    public let code: Code
    public let detail: String
    /// With `status`: what the authority said.
    public let status: PKIStatusInfo?

    public init(_ code: Code, _ detail: String, status: PKIStatusInfo? = nil) {
        self.code = code
        self.detail = detail
        self.status = status
    }
}

extension TimeStampFault: CustomStringConvertible {
    public var description: String { "\(code.rawValue): \(detail)" }
}
