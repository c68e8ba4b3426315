internal import CPKCS11

/// A CKM number: what a token can do with a key. Vendors add their own, so any number is a mechanism.
public struct Mechanism: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt

    public init(rawValue: UInt) { self.rawValue = rawValue }

    /// RSASSA-PKCS1-v1_5 over a DigestInfo that the caller has written; gives as many bytes as the modulus has.
    public static let rsaPKCS = Mechanism(rawValue: 0x1)
    /// RSASSA-PSS over a digest that the caller has computed; takes `MechanismParameters.pss`.
    public static let rsaPKCSPSS = Mechanism(rawValue: 0xD)
    /// ECDSA over a digest that the caller has computed; gives r and s, each as long as the curve's order, one after the other.
    public static let ecdsa = Mechanism(rawValue: 0x1041)
    /// EdDSA over the data itself; without parameters it is pure EdDSA (RFC 8032). Gives 64 bytes (Ed25519) or 114 (Ed448).
    public static let eddsa = Mechanism(rawValue: 0x1057)

    public static let rsaPKCSKeyPairGen = Mechanism(rawValue: 0x0)
    public static let ecKeyPairGen = Mechanism(rawValue: 0x1040)
    public static let ecEdwardsKeyPairGen = Mechanism(rawValue: 0x1055)
}

extension Mechanism: CustomStringConvertible {
    public var description: String {
        switch self {
        case .rsaPKCS: "CKM_RSA_PKCS"
        case .rsaPKCSPSS: "CKM_RSA_PKCS_PSS"
        case .ecdsa: "CKM_ECDSA"
        case .eddsa: "CKM_EDDSA"
        case .rsaPKCSKeyPairGen: "CKM_RSA_PKCS_KEY_PAIR_GEN"
        case .ecKeyPairGen: "CKM_EC_KEY_PAIR_GEN"
        case .ecEdwardsKeyPairGen: "CKM_EC_EDWARDS_KEY_PAIR_GEN"
        default: "CKM 0x" + String(rawValue, radix: 16)
        }
    }
}

/// What a mechanism is told beside the key and the data.
public enum MechanismParameters: Hashable, Sendable {
    case none
    /// For `Mechanism.rsaPKCSPSS` (CK_RSA_PKCS_PSS_PARAMS).
    case pss(PSSParameters)
}

/// How RSASSA-PSS pads (RFC 8017, 8.1): MGF1 over the hash that made the digest.
public struct PSSParameters: Hashable, Sendable {
    public enum Hash: Hashable, Sendable, CaseIterable {
        case sha256, sha384, sha512

        /// Bytes of its digest.
        public var byteCount: Int {
            switch self {
            case .sha256: 32
            case .sha384: 48
            case .sha512: 64
            }
        }
    }

    public let hash: Hash
    /// In bytes.
    public let saltLength: Int

    /// A salt as long as the digest, as CMS wants it (RFC 4056, 3.1).
    public init(_ hash: Hash) {
        self.hash = hash
        saltLength = hash.byteCount
    }
}

extension PSSParameters {
    /// The structure of the standard, made for one call.
    var structure: CK_RSA_PKCS_PSS_PARAMS {
        let (mechanism, generator): (UInt, UInt) =
            switch hash {
            case .sha256: (0x250, 2)
            case .sha384: (0x260, 3)
            case .sha512: (0x270, 4)
            }
        return CK_RSA_PKCS_PSS_PARAMS(hashAlg: CK_MECHANISM_TYPE(mechanism), mgf: generator, sLen: CK_ULONG(saltLength))
    }
}

/// What a token says of one of its mechanisms (CK_MECHANISM_INFO).
public struct MechanismInfo: Hashable, Sendable {
    /// The least and the greatest key, in the mechanism's own unit: bits of the modulus for RSA, bits of the order for curves. Both 0 where
    /// keys have no size.
    public let keySizeMin: Int
    public let keySizeMax: Int
    public let flags: Flags

    public struct Flags: OptionSet, Hashable, Sendable {
        public let rawValue: UInt
        public init(rawValue: UInt) { self.rawValue = rawValue }

        /// The token does it in hardware.
        public static let hardware = Flags(rawValue: 0x1)
        /// C_SignInit takes the mechanism.
        public static let sign = Flags(rawValue: 0x800)
        public static let generateKeyPair = Flags(rawValue: 0x10000)
    }
}

extension MechanismInfo {
    init(_ info: CK_MECHANISM_INFO) {
        keySizeMin = Int(clamping: info.ulMinKeySize)
        keySizeMax = Int(clamping: info.ulMaxKeySize)
        flags = Flags(rawValue: info.flags)
    }
}
