import CBare
import CMS
import CertificateTrust
import Foundation
import LibCrypto
import SignatureTemplate
import TimeStampClient
import TimeStampProtocol

/// A timestamp but HTTP: the imprint hashed, the request written, the answer checked, the token put into the signature; beside the same by
/// OpenSSL's TS and CMS. The bare public-key operation is measured in the same rounds: what is above it is the client's own.
func measureTimeStamp(_ measure: String, _ key: Key, _ effort: Effort, _ scene: Scene) async throws -> Outcome {
    let count = effort.documents(6_000)
    // OpenSSL takes an order of magnitude longer
    let countOfReference = count / 6
    let bench = try TimeStampBench(key, scene)
    defer { bench.close() }
    let per = Double(count) / Double(countOfReference)
    var outcome = try await measurePairs(
        measure, effort: effort, documents: count,
        ours: Side(name: "TimeStampExchange and SignatureTemplate") { for number in 0..<count { try bench.stamp(number) } },
        reference: Side(
            name: "OpenSSL: TS_REQ, TS_RESP_verify_response, the CMS at hand given the attribute and encoded",
            clock: { bare_process_cpu_us() * per }
        ) {
            for number in 0..<countOfReference { try bench.stampByOpenSSL(number, readsSignature: false) }
        },
        beside: [
            Side(name: "bare operation") { try bench.verify(count) },
            Side(name: "OpenSSL with the CMS read from its octets", clock: { bare_process_cpu_us() * per }) {
                for number in 0..<countOfReference { try bench.stampByOpenSSL(number, readsSignature: true) }
            },
        ])
    outcome.remarks.append(String(format: "above the bare operation %.2f", outcome.above[0]))
    return outcome
}

/// Requests with their answers, made beforehand, and both ways to deal with them.
private final class TimeStampBench {
    private struct Exchanged {
        let request: TimeStampRequest
        /// The number's octets.
        let nonce: [UInt8]
        let answer: [UInt8]
    }

    private let exchange: TimeStampExchange
    private let template: SignatureTemplate
    private let digest = (0..<32).map { UInt8($0) }
    private let time = Date()
    /// SEQUENCE { r, s } of the usual 71 bytes: what is stamped.
    private let value = [0x30, 69, 0x02, 33, 0x00, 0x80] + [UInt8](repeating: 0x55, count: 31) + [0x02, 32] + [UInt8](repeating: 0x55, count: 32)
    /// The signature without its timestamp.
    private let signature: [UInt8]
    private let exchanged: [Exchanged]
    private let bare: OpaquePointer
    private var output = [UInt8](repeating: 0, count: 32_768)

    init(_ key: Key, _ scene: Scene) throws {
        let (name, issuer, root) = ("tsa-\(key.name)", "tsa-issuer-\(key.name)", "tsa-root-\(key.name)")
        exchange = TimeStampExchange(policy: nil, tolerance: 3_600, trust: TrustAnchors([try scene.certificate(root)])) { _ in }
        template = try SignatureTemplate(
            certificate: scene.certificate("p256"), chain: [scene.certificate("ca")], signatureAlgorithm: Key.p256.algorithm)
        signature = template.assemble(documentDigest: digest, signingTime: time, signature: value)
        guard let bare = bare_tsa_open(scene.folder, name, issuer, root, signature, signature.count) else {
            throw BareToken.Failure(description: "OpenSSL's authority does not open")
        }
        self.bare = bare
        let imprint = MessageImprint(of: value, by: .sha256)
        let exchange = exchange
        exchanged = try (0..<64).map { _ in
            let request = exchange.request(for: imprint)
            let encoded = request.encoded
            let answer = try [UInt8](unsafeUninitializedCapacity: 32_768) { buffer, initialized in
                let length = bare_tsa_answer(bare, encoded, encoded.count, buffer.baseAddress, buffer.count)
                guard length > 0 else { throw BareToken.Failure(description: "OpenSSL's authority does not answer") }
                initialized = Int(length)
            }
            return Exchanged(request: request, nonce: Array(request.nonce.dropFirst(2)), answer: answer)
        }
    }

    func close() { bare_tsa_close(bare) }

    /// The request that is made has a nonce of its own; what is checked is one that was answered.
    func stamp(_ number: Int) throws {
        let one = exchanged[number % exchanged.count]
        consume(exchange.request(for: MessageImprint(of: value, by: .sha256)).encoded)
        let token = try exchange.token(from: one.answer, to: one.request, at: Date())
        consume(template.assemble(documentDigest: digest, signingTime: time, signature: value, timeStampToken: token.der))
    }

    func stampByOpenSSL(_ number: Int, readsSignature: Bool) throws {
        let one = exchanged[number % exchanged.count]
        let length = signature.withUnsafeBufferPointer { signature in
            bare_tsa_stamp(
                bare, value, value.count, one.nonce, one.nonce.count, one.answer, one.answer.count,
                readsSignature ? signature.baseAddress : nil, signature.count, &output, output.count)
        }
        guard length > 0 else { throw BareToken.Failure(description: "OpenSSL does not take the answer") }
    }

    func verify(_ count: Int) throws {
        guard bare_tsa_verify(bare, Int32(count)) == 0 else { throw BareToken.Failure(description: "the bare operation failed") }
    }
}
