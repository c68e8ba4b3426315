public import FoundationEssentials
public import LibCrypto

/// A root, a signer of each kind and a time-stamp authority, made when first asked for.
public struct TestPKI: Sendable {
    public struct Identity: Sendable {
        public let key: PrivateKey
        public let certificate: Certificate

        public init(key: PrivateKey, certificate: Certificate) {
            self.key = key
            self.certificate = certificate
        }
    }

    public let root: Identity
    public let p256: Identity
    public let rsa2048: Identity
    public let authority: Identity

    /// Valid from 2020 to 2040.
    public static let shared = try! TestPKI(
        notBefore: Date(timeIntervalSince1970: 1_577_836_800), notAfter: Date(timeIntervalSince1970: 2_208_988_800))

    public init(notBefore: Date, notAfter: Date) throws {
        let rootKey = try PrivateKey.generateEC(curve: "P-256")
        let rootCertificate = try CertificateBuilder.authority(
            DistinguishedName(commonName: "Test Root"), notBefore: notBefore, notAfter: notAfter, serialNumber: [1]
        ).selfSigned(by: rootKey)
        root = Identity(key: rootKey, certificate: rootCertificate)
        func issue(_ builder: CertificateBuilder, _ key: PrivateKey) throws -> Identity {
            Identity(key: key, certificate: try builder.issued(to: key.publicKey, by: rootCertificate, with: rootKey))
        }
        p256 = try issue(
            .documentSigner(DistinguishedName(commonName: "Signer P-256"), notBefore: notBefore, notAfter: notAfter, serialNumber: [2]),
            .generateEC(curve: "P-256"))
        rsa2048 = try issue(
            .documentSigner(DistinguishedName(commonName: "Signer RSA"), notBefore: notBefore, notAfter: notAfter, serialNumber: [3]),
            .generateRSA(bits: 2048))
        authority = try issue(
            .timeStampAuthority(DistinguishedName(commonName: "Test TSA"), notBefore: notBefore, notAfter: notAfter, serialNumber: [4]),
            .generateEC(curve: "P-256"))
    }
}
