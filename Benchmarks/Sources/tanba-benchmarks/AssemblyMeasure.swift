import CBare
import Foundation
import SignatureTemplate

/// All of a CAdES signature but the private-key operation: the template (attribute hash, assembly) beside OpenSSL's CMS API with a key
/// whose signature is a constant.
func measureAssembly(_ measure: String, _ effort: Effort, _ scene: Scene) async throws -> Outcome {
    let count = effort.documents(10_000)
    let signer = try scene.certificate("p256")
    let issuer = try scene.certificate("ca")
    let template = try SignatureTemplate(certificate: signer, chain: [issuer], signatureAlgorithm: Key.p256.algorithm)
    // SEQUENCE { r, s } of the usual 71 bytes
    let signature =
        [0x30, 69, 0x02, 33, 0x00, 0x80] + [UInt8](repeating: 0x55, count: 31) + [0x02, 32] + [UInt8](repeating: 0x55, count: 32)
    let digest = (0..<32).map { UInt8($0) }
    let time = Date()
    guard let cms = bare_cms_open(signer.der, signer.der.count, issuer.der, issuer.der.count) else {
        throw BareToken.Failure(description: "OpenSSL's CMS API does not open")
    }
    defer { bare_cms_close(cms) }
    var output = [UInt8](repeating: 0, count: 16_384)
    return try await measurePairs(
        measure, effort: effort, documents: count,
        ours: Side(name: "SignatureTemplate") {
            for _ in 0..<count {
                let attributes = template.dataToBeSigned(documentDigest: digest, signingTime: time)
                consume(attributes)
                consume(template.assemble(documentDigest: digest, signingTime: time, signature: signature))
            }
        },
        reference: Side(name: "OpenSSL's CMS API with a signature that costs nothing") {
            for _ in 0..<count where bare_cms_assemble(cms, digest, &output, output.count) < 0 {
                throw BareToken.Failure(description: "OpenSSL's CMS API failed")
            }
        })
}
