import CAdES
import CMS
import DER
import FoundationEssentials
import FuzzKit
import LibCrypto
import TimeStampProtocol

/// Signatures, tokens and answers of timestamp authorities come from outside: whatever they are, reading them ends in a value or an
/// error; what is read as DER throughout is written again octet for octet; and under a certificate nothing verifies but what its key signed.
@main struct Main {
    static func main() throws {
        let scene = try Scene()
        try Fuzzer.run(seeds: [scene.signature, scene.stamped, scene.token, scene.answer]) { input in
            if let signedData = try? SignedData(file: input) {
                let again = DERWriter.encode { der in
                    ContentInfo(.signedData, content: DERWriter.encode { signedData.write(to: &$0) }).write(to: &der)
                }
                // An empty set of certificates or CRLs may be written or left out
                let hasAll = !signedData.certificates.isEmpty && !signedData.crls.isEmpty
                demand(again == input || !hasAll && again.count < input.count, "another encoding of the same signature was accepted")
            }
            // Whoever brings a certificate of his own may sign what he likes; trust is not asked here
            if let signature = try? CAdESSignature(der: input),
                let verified = try? signature.verify(documentDigest: scene.digest, timeStampTrust: { _, _, _ in nil })
            {
                let isSigner = verified.signature.certificate == scene.signer
                demand(!isSigner || signature.signatureValue == scene.value, "another signature value verifies")
            }
            let token = try? TimeStampToken.check(input, over: scene.value, trust: { _, _, _ in nil })
            demand(token?.authority != scene.authority || token?.time == scene.time, "another time is stamped")
            demand(fault(of: input, scene) == fault(ofReading: input), "a token is read otherwise than a SignedData")
            // Who is known is asked no less than who is not
            var (known, none) = (scene.known, KnownAuthorities())
            let answered = answer(input, scene, &known)
            demand(answered == answer(input, scene, &none), "an authority that is known is judged otherwise")
            let stamped = try? answered.get()
            demand(stamped?.authority != scene.authority || stamped?.time == scene.time, "another time is stamped")
        }
    }

    /// What is said of a token that cannot be read as SignedData; nil for everything else.
    private static func fault(of token: [UInt8], _ scene: Scene) -> String? {
        do throws(TimeStampFault) {
            _ = try TimeStampToken.check(token, over: scene.value, trust: { _, _, _ in nil })
            return nil
        } catch {
            return error.code == .notDER && error.detail.hasPrefix("the token is ") ? error.detail : nil
        }
    }

    private static func fault(ofReading token: [UInt8]) -> String? {
        do {
            _ = try SignedData(file: token, order: .whereHashed)
            return nil
        } catch is NotSignedData {
            return nil
        } catch {
            return "the token is \(error)"
        }
    }

    private static func answer(_ input: [UInt8], _ scene: Scene, _ known: inout KnownAuthorities) -> Result<TimeStampToken, TimeStampFault> {
        do throws(TimeStampFault) {
            return .success(
                try TimeStampResponse.check(
                    input, answering: scene.request, at: scene.time, accepting: 1e12, knowing: &known, trust: { _, _, _ in nil }))
        } catch {
            return .failure(error)
        }
    }
}

/// A signer, an authority and what they made.
struct Scene: Sendable {
    let time = Date(timeIntervalSince1970: 1_795_000_000)
    let digest = DigestFunction.sha256.digest([1, 2, 3])
    let signer: Certificate
    let authority: Certificate
    let value: [UInt8]
    let request: TimeStampRequest
    let token: [UInt8]
    let answer: [UInt8]
    let signature: [UInt8]
    let stamped: [UInt8]
    /// The authority.
    let known: KnownAuthorities

    init() throws {
        let notBefore = time.addingTimeInterval(-1_000)
        let notAfter = time.addingTimeInterval(1_000)
        let key = try PrivateKey.generateEC(curve: "P-256")
        signer = try CertificateBuilder.documentSigner(
            DistinguishedName(commonName: "Signer"), notBefore: notBefore, notAfter: notAfter, serialNumber: [1]
        ).selfSigned(by: key)
        authority = try CertificateBuilder.timeStampAuthority(
            DistinguishedName(commonName: "TSA"), notBefore: notBefore, notAfter: notAfter, serialNumber: [2]
        ).selfSigned(by: key)
        let algorithm = SignatureAlgorithm.ecdsa(.sha256)
        let attributes = CAdESSignature.signedAttributes(documentDigest: digest, signingTime: time, certificate: signer)
        value = try key.signECDSA(digest: DigestFunction.sha256.digest(attributes.encoded))
        request = TimeStampRequest(imprint: MessageImprint(of: value, by: .sha256), nonce: [7, 7])
        token = try Self.token(over: request, at: time, by: authority, key)
        let granted = DERWriter.encode { $0.sequence { $0.integer(0) } }
        let token = token
        answer = DERWriter.encode { der in
            der.sequence { der in
                der.element(granted)
                der.element(token)
            }
        }
        signature = CAdESSignature.encode(
            certificate: signer, chain: [], algorithm: algorithm, documentDigest: digest, signingTime: time, signature: value)
        stamped = CAdESSignature.encode(
            certificate: signer, chain: [authority], algorithm: algorithm, documentDigest: digest, signingTime: time, signature: value,
            timeStampTokens: [token])
        var known = KnownAuthorities()
        _ = try TimeStampResponse.check(answer, answering: request, at: time, accepting: 1, knowing: &known, trust: { _, _, _ in nil })
        self.known = known
    }

    private static func token(
        over request: TimeStampRequest, at time: Date, by authority: Certificate, _ key: PrivateKey
    ) throws -> [UInt8] {
        let text = time.formatted(.iso8601).filter { $0.isNumber } + "Z"
        let info = DERWriter.encode { der in
            der.sequence { der in
                der.integer(1)
                der.objectIdentifier(ObjectIdentifier(1, 2, 3))
                der.sequence { der in
                    der.element(request.imprint.algorithm.identifier)
                    der.octetString(request.imprint.digest)
                }
                der.integer(5)
                der.primitive(.generalizedTime, Array(text.utf8))
                der.element(request.nonce)
            }
        }
        let attributes = SignedAttributes([
            Attribute(.contentType, [ObjectIdentifier.tstInfo.encoded]),
            Attribute(.messageDigest, [DERWriter.encode { $0.octetString(DigestFunction.sha256.digest(info)) }]),
            Attribute(
                .signingCertificateV2,
                [DERWriter.encode { SigningCertificateV2([ESSCertIDv2(sha256Of: authority)]).write(to: &$0) }]),
        ])
        let signer = SignerInfo(
            sid: .issuerAndSerialNumber(IssuerAndSerialNumber(of: authority)),
            digestAlgorithm: AlgorithmIdentifier(DigestAlgorithm.sha256.oid), signedAttributes: attributes,
            signatureAlgorithm: AlgorithmIdentifier(ObjectIdentifier(1, 2, 840, 10045, 4, 3, 2)),
            signature: try key.signECDSA(digest: DigestFunction.sha256.digest(attributes.encoded)))
        let signedData = SignedData(
            digestAlgorithms: [AlgorithmIdentifier(DigestAlgorithm.sha256.oid)],
            encapContentInfo: EncapsulatedContentInfo(.tstInfo, content: info),
            certificates: [CertificateChoice(certificate: authority.der)], signerInfos: [signer])
        let content = DERWriter.encode { signedData.write(to: &$0) }
        return DERWriter.encode { ContentInfo(.signedData, content: content).write(to: &$0) }
    }
}
