import CAdES
import CMS
import FoundationEssentials
import LibCrypto
import SignatureTemplate
import Testing

/// The template gives what the plain writer gives, octet for octet, whatever it is fed.
@Suite struct SignatureTemplateTests {
    static let signers = [TestSigner.p256, .p384, .rsa2048, .pss2048, .ed25519]
    static let digests: [DigestAlgorithm] = [.sha256, .sha384, .sha512]

    @Test func equalsThePlainWriter() throws {
        var random = SeededRandom()
        let chains: [[Certificate]] = [[], [TestPKI.shared.root], [TestPKI.shared.root, TestSigner.rsa2048.certificate]]
        for signer in Self.signers {
            for digest in Self.digests where signer.signs(digest) {
                for chain in chains {
                    let algorithm = signer.algorithm(digest)
                    let template = try SignatureTemplate(certificate: signer.certificate, chain: chain, signatureAlgorithm: algorithm)
                    for _ in 0..<60 {
                        let documentDigest = random.bytes(digest.function.byteCount...digest.function.byteCount)
                        let time = Self.time(&random)
                        let attributes = CAdESSignature.signedAttributes(
                            documentDigest: documentDigest, signingTime: time, certificate: signer.certificate)
                        #expect(
                            template.dataToBeSigned(documentDigest: documentDigest, signingTime: time)
                                == algorithm.input(of: attributes.encoded), "\(random)")
                        let signature = Self.signature(&random)
                        let plain = CAdESSignature.encode(
                            certificate: signer.certificate, chain: chain, algorithm: algorithm, documentDigest: documentDigest,
                            signingTime: time, signature: signature)
                        #expect(
                            template.assemble(documentDigest: documentDigest, signingTime: time, signature: signature) == plain,
                            "\(signature.count) octets at \(time), \(random)")
                        let token = Self.signature(&random) + [0x30, 0x00]
                        let plainWithToken = CAdESSignature.encode(
                            certificate: signer.certificate, chain: chain, algorithm: algorithm, documentDigest: documentDigest,
                            signingTime: time, signature: signature, timeStampTokens: [token])
                        #expect(
                            template.assemble(
                                documentDigest: documentDigest, signingTime: time, signature: signature, timeStampToken: token)
                                == plainWithToken, "\(signature.count) octets, token of \(token.count), at \(time), \(random)")
                    }
                }
            }
        }
    }

    /// Every length at which a length octet is gained, in whichever of the enclosing elements.
    @Test func lengthsAreRightForEverySignatureSize() throws {
        let signer = TestSigner.p256
        let template = try SignatureTemplate(certificate: signer.certificate, chain: [], signatureAlgorithm: signer.algorithm())
        let digest = [UInt8](repeating: 7, count: 32)
        for count in Array(0...700) + Array(64_000...65_600).filter({ $0 % 7 == 0 }) + Array(65_500...65_550) + [16_777_300] {
            let signature = [UInt8](repeating: 0xAB, count: count)
            let plain = CAdESSignature.encode(
                certificate: signer.certificate, chain: [], algorithm: signer.algorithm(), documentDigest: digest,
                signingTime: TestPKI.shared.now, signature: signature)
            let fast = template.assemble(documentDigest: digest, signingTime: TestPKI.shared.now, signature: signature)
            #expect(fast == plain, "\(count) octets")
        }
    }

    @Test func aKeyThatCannotSignSoIsRefused() throws {
        #expect(throws: SignatureTemplateError.self) {
            try SignatureTemplate(certificate: TestSigner.p256.certificate, chain: [], signatureAlgorithm: .rsaPKCS1(.sha256))
        }
    }

    private static func time(_ random: inout SeededRandom) -> Date {
        // The second around the change of form more often than chance would have it
        switch Int.random(in: 0..<4, using: &random) {
        case 0: Date(timeIntervalSince1970: 2_524_608_000 + Double(Int.random(in: -2...2, using: &random)))
        case 1: Date(timeIntervalSince1970: Double.random(in: 2_524_608_000..<200_000_000_000, using: &random))
        default: Date(timeIntervalSince1970: Double.random(in: 0..<2_524_608_000, using: &random))
        }
    }

    private static func signature(_ random: inout SeededRandom) -> [UInt8] {
        switch Int.random(in: 0..<12, using: &random) {
        case 0...2: random.bytes(0...9)
        case 3...5: random.bytes(100...300)
        case 6: random.bytes(60_000...66_000)
        default: random.bytes(8...72)
        }
    }
}
