import COpenSSL
public import FoundationEssentials

/// Path validation by OpenSSL (RFC 5280, 6.1) against given anchors alone: no default folders, no network, no clock, no revocation.
///
/// OpenSSL's strict mode is on (X509_V_FLAG_X509_STRICT: authorities need critical basicConstraints, keyUsage and key identifiers),
/// and its security level is 2: no RSA key below 2048 bits, no signature with SHA-1 below the anchor. An anchor is trusted as it
/// stands in the list, whether it signed itself or not; its own validity counts all the same. At the second of notAfter OpenSSL already
/// says expired.
public enum ChainVerification {
    public enum Purpose: Sendable, Hashable {
        /// Keys may be for anything; the caller judges the leaf's usage.
        case any
        /// RFC 3161, 2.3: extendedKeyUsage is critical and timeStamping alone.
        case timeStamping
    }

    /// Searches a chain from `leaf` over `intermediates` (in any order, useless ones do no harm) to one of `anchors`, valid at `date`.
    /// May be called from any thread.
    public static func verify(
        leaf: Certificate, intermediates: [Certificate], anchors: [Certificate], at date: Date, purpose: Purpose
    ) -> ChainVerdict {
        ErrorQueue.clear()
        defer { ErrorQueue.clear() }
        guard let store = X509_STORE_new(), let untrusted = OPENSSL_sk_new_null(), let context = X509_STORE_CTX_new() else {
            preconditionFailure("out of memory")
        }
        defer {
            // In this order: the context points to the other two. The stack does not own what is in it, the store takes references.
            X509_STORE_CTX_free(context)
            OPENSSL_sk_free(untrusted)
            X509_STORE_free(store)
        }
        for anchor in anchors { X509_STORE_add_cert(store, anchor.parsed.x509) }
        for certificate in intermediates { OPENSSL_sk_push(untrusted, UnsafeRawPointer(certificate.parsed.x509)) }
        guard X509_STORE_CTX_init(context, store, leaf.parsed.x509, untrusted) == 1, let settings = X509_STORE_CTX_get0_param(context)
        else {
            preconditionFailure("out of memory")
        }
        X509_VERIFY_PARAM_set_flags(settings, UInt(X509_V_FLAG_X509_STRICT | X509_V_FLAG_PARTIAL_CHAIN))
        X509_VERIFY_PARAM_set_auth_level(settings, securityLevel)
        X509_VERIFY_PARAM_set_depth(settings, intermediatesMax)
        X509_VERIFY_PARAM_set_time(settings, Int(date.timeIntervalSince1970.rounded(.down)))
        X509_VERIFY_PARAM_set_purpose(settings, purpose == .any ? X509_PURPOSE_ANY : X509_PURPOSE_TIMESTAMP_SIGN)

        let known = Dictionary(([leaf] + intermediates + anchors).map { ($0.parsed.x509, $0) }, uniquingKeysWith: { first, _ in first })
        guard X509_verify_cert(context) == 1 else {
            let code = X509_STORE_CTX_get_error(context)
            let at = X509_STORE_CTX_get_current_cert(context).flatMap { known[$0] } ?? leaf
            // Code 0 with a failure would be a fault of OpenSSL's; it must not read as "ok".
            let fault = ChainFault(rawValue: code == X509_V_OK ? X509_V_ERR_UNSPECIFIED : code)
            return .refused(reason: "\(fault.reason): \(at.subject)", code: fault)
        }
        let chain = X509_STORE_CTX_get0_chain(context)
        // Every X509 of the chain is one of ours: leaf, intermediate or anchor.
        return .trusted((0..<OPENSSL_sk_num(chain)).compactMap { known[OpaquePointer(OPENSSL_sk_value(chain, $0))] })
    }

    /// 112 bits.
    private static let securityLevel: Int32 = 2
    private static let intermediatesMax: Int32 = 8
}

public enum ChainVerdict: Sendable, Hashable {
    /// The chain from the leaf to its anchor, both included.
    case trusted([Certificate])
    /// The first thing found wrong, and the subject of the certificate with which it is wrong.
    case refused(reason: String, code: ChainFault)
}

/// Why OpenSSL found no chain. A number, so that codes which are not named here survive.
public struct ChainFault: RawRepresentable, Sendable, Hashable {
    /// OpenSSL's X509_V_ERR_ code.
    public let rawValue: Int32

    public init(rawValue: Int32) {
        self.rawValue = rawValue
    }

    public static let notYetValid = ChainFault(rawValue: X509_V_ERR_CERT_NOT_YET_VALID)
    public static let expired = ChainFault(rawValue: X509_V_ERR_CERT_HAS_EXPIRED)
    /// The chain ends below an authority that was not given.
    public static let issuerUnknown = ChainFault(rawValue: X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY)
    /// As `issuerUnknown`, for an issuer among the anchors' side.
    public static let issuerMissing = ChainFault(rawValue: X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT)
    /// As `issuerUnknown`, where no issuer of the leaf was given at all.
    public static let leafUnverified = ChainFault(rawValue: X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE)
    public static let selfSignedLeaf = ChainFault(rawValue: X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT)
    public static let selfSignedInChain = ChainFault(rawValue: X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN)
    public static let signatureInvalid = ChainFault(rawValue: X509_V_ERR_CERT_SIGNATURE_FAILURE)
    public static let issuerNoAuthority = ChainFault(rawValue: X509_V_ERR_INVALID_CA)
    public static let purposeUnfit = ChainFault(rawValue: X509_V_ERR_INVALID_PURPOSE)
    public static let pathTooLong = ChainFault(rawValue: X509_V_ERR_PATH_LENGTH_EXCEEDED)

    /// OpenSSL's sentence.
    public var reason: String { String(cString: X509_verify_cert_error_string(Int(rawValue))) }
}
