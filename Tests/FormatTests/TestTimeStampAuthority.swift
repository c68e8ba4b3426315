import CMS
import DER
import Foundation
import LibCrypto
import TimeStampProtocol

/// A timestamp authority in a folder: `openssl ts` answers, with a certificate of the test PKI.
final class TestTimeStampAuthority {
    static let policy = ObjectIdentifier(1, 2, 3, 9, 1)

    let folder: TemporaryFolder
    let signer: TestSigner

    /// - Parameters:
    ///   - algorithm: As in `openssl genpkey -algorithm`.
    ///   - essDigest: Of signing-certificate; `sha1` gives its first form.
    init(
        _ algorithm: [String] = ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"], essDigest: String = "sha256",
        change: (inout CertificateBuilder) -> Void = { _ in }
    ) throws {
        folder = try TemporaryFolder()
        try OpenSSL.succeed(["genpkey", "-algorithm"] + algorithm + ["-out", "key.pem"], in: folder)
        let key = try PrivateKey.readPEM(try folder.read("key.pem"))
        let pki = TestPKI.shared
        var builder = CertificateBuilder.timeStampAuthority(
            TestPKI.name("TSA"), notBefore: pki.now.addingTimeInterval(-3_600), notAfter: pki.now.addingTimeInterval(86_400 * 3_650),
            serialNumber: [0x75, 0x5A])
        change(&builder)
        signer = TestSigner(certificate: pki.issue(builder, key.publicKey), key: key)
        _ = try folder.write(signer.certificate.pem, "tsa.pem")
        _ = try folder.write(pki.root.pem, "ca.pem")
        let configuration = """
            [tsa]
            default_tsa = here
            [here]
            serial = serial
            crypto_device = builtin
            default_policy = 1.2.3.9.1
            other_policies = 1.2.3.9.2
            digests = sha256, sha384, sha512
            signer_digest = sha256
            accuracy = secs:1, millisecs:500, microsecs:100
            ordering = yes
            tsa_name = yes
            ess_cert_id_chain = no
            ess_cert_id_alg = \(essDigest)
            """
        _ = try folder.write(Array(configuration.utf8), "tsa.cnf")
    }

    func answer(_ request: TimeStampRequest) throws -> [UInt8] {
        try answer(request.encoded)
    }

    func answer(_ request: [UInt8]) throws -> [UInt8] {
        _ = try folder.write(request, "request.tsq")
        try OpenSSL.succeed(
            [
                "ts", "-reply", "-config", "tsa.cnf", "-queryfile", "request.tsq", "-signer", "tsa.pem", "-inkey", "key.pem", "-out",
                "answer.tsr",
            ],
            in: folder)
        return try folder.read("answer.tsr")
    }

    /// What `openssl ts -verify` says of an answer.
    func judge(_ answer: [UInt8], to request: TimeStampRequest) throws -> OpenSSL.Outcome {
        _ = try folder.write(request.encoded, "judged.tsq")
        _ = try folder.write(answer, "judged.tsr")
        return try OpenSSL.run(["ts", "-verify", "-queryfile", "judged.tsq", "-in", "judged.tsr", "-CAfile", "ca.pem"], in: folder)
    }

    static func request(_ octets: [UInt8] = [1, 2, 3], nonce: [UInt8] = [0x81, 2, 3, 4, 5, 6, 7, 8]) -> TimeStampRequest {
        TimeStampRequest(imprint: MessageImprint(of: octets, by: .sha256), nonce: nonce, policy: policy)
    }
}
