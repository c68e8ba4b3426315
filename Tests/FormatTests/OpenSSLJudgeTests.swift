import CAdES
import CMS
import LibCrypto
import Testing

/// What we write, openssl verifies; what is tampered with, it refuses.
@Suite struct OpenSSLJudgeTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let name: String
        let signer: TestSigner
        let digest: DigestAlgorithm
        var testDescription: String { "\(name) with \(digest)" }
    }

    static let cases = [
        Case(name: "P-256", signer: .p256, digest: .sha256), Case(name: "P-256", signer: .p256, digest: .sha512),
        Case(name: "P-384", signer: .p384, digest: .sha384), Case(name: "RSA-2048", signer: .rsa2048, digest: .sha256),
        Case(name: "RSA-2048", signer: .rsa2048, digest: .sha384), Case(name: "RSA-2048", signer: .rsa2048, digest: .sha512),
        Case(name: "P-521", signer: .p521, digest: .sha512), Case(name: "RSA-2048 PSS", signer: .pss2048, digest: .sha256),
        Case(name: "RSA-2048 PSS", signer: .pss2048, digest: .sha384), Case(name: "RSA-2048 PSS", signer: .pss2048, digest: .sha512),
    ]

    @Test(arguments: cases) func verifies(_ judged: Case) throws {
        let document = Array("Құжат".utf8)
        let signature = try judged.signer.signed(document, digest: judged.digest, chain: [TestPKI.shared.root])
        let outcome = try Self.verify(signature, document)
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.errors.contains("CAdES Verification successful"), "\(outcome.errors)")
        let read = try CAdESSignature(der: signature)
        #expect(read.certificate == judged.signer.certificate)
        #expect(read.signingTime == TestPKI.shared.now)
        #expect(read.messageDigest == judged.digest.function.digest(document))
        #expect(read.algorithm == judged.signer.algorithm(judged.digest))
    }

    @Test(arguments: cases) func refusesAnotherDocument(_ judged: Case) throws {
        let signature = try judged.signer.signed(Array("Құжат".utf8), digest: judged.digest)
        #expect(try Self.verify(signature, Array("Құжaт".utf8)).status != 0)
    }

    /// openssl parses our output as we write it: it encodes the same octets again.
    @Test(arguments: cases) func encodesTheSameAgain(_ judged: Case) throws {
        let signature = try judged.signer.signed([1, 2, 3], digest: judged.digest, chain: [TestPKI.shared.root])
        let folder = try TemporaryFolder()
        let outcome = try OpenSSL.run(
            "cms", "-cmsout", "-inform", "DER", "-in", try folder.write(signature, "in.p7s"), "-outform", "DER", "-out",
            folder.path + "/out.p7s")
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(try folder.read("out.p7s") == signature)
    }

    static func verify(_ signature: [UInt8], _ document: [UInt8]) throws -> OpenSSL.Outcome {
        let folder = try TemporaryFolder()
        return try OpenSSL.run(
            "cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", try folder.write(signature, "a.p7s"), "-content",
            try folder.write(document, "a"), "-CAfile", try folder.write(TestPKI.shared.root.pem, "ca.pem"), "-out", "/dev/null")
    }
}
