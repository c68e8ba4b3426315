import CMS
import DER
import LibCrypto
import Testing
import TimeStampProtocol

@Suite struct TimeStampRequestTests {
    /// The fast writing gives what the plain writer gives.
    @Test func equalsThePlainWriter() {
        var random = SeededRandom()
        for _ in 0..<2_000 {
            let algorithm = [DigestAlgorithm.sha256, .sha384, .sha512].randomElement(using: &random)!
            let imprint = MessageImprint(of: random.bytes(0...40), by: algorithm)
            var nonce = random.bytes(1...100)
            for index in nonce.indices.prefix(Int.random(in: 0...3, using: &random)) { nonce[index] = 0 }
            let policy = Bool.random(using: &random) ? ObjectIdentifier(1, 2, UInt64.random(in: 0 ... .max, using: &random)) : nil
            let request = TimeStampRequest(imprint: imprint, nonce: nonce, policy: policy)
            let plain = DERWriter.encode { der in
                der.sequence { der in
                    der.integer(1)
                    der.sequence { der in
                        der.element(algorithm.identifier)
                        der.octetString(imprint.digest)
                    }
                    if let policy { der.objectIdentifier(policy) }
                    der.integer(magnitude: nonce)
                    der.boolean(true)
                }
            }
            #expect(request.encoded == plain, "\(nonce) \(random)")
            #expect(throws: Never.self, "\(random)") { try DERReader.read(request.encoded) { try $0.check() } }
        }
    }

    @Test func opensslReadsIt() throws {
        let folder = try TemporaryFolder()
        let file = try folder.write(TestTimeStampAuthority.request().encoded, "request.tsq")
        let outcome = try OpenSSL.run("ts", "-query", "-in", file, "-text")
        #expect(outcome.status == 0, "\(outcome.errors)")
        for line in ["Hash Algorithm: sha256", "Policy OID: 1.2.3.9.1", "Nonce: 0x8102030405060708", "Certificate required: yes"] {
            #expect(outcome.output.contains(line), "\(outcome.output)")
        }
    }
}
