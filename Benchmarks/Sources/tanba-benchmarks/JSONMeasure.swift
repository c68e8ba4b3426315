import CMS
import Foundation
import SignatureTemplate
import SigningModel

/// A job parsed and its result written, with a P-256 signature in it; beside Foundation's coders on the same fields.
func measureJSON(_ measure: String, _ effort: Effort, _ scene: Scene) async throws -> Outcome {
    let count = effort.documents(4000)
    let job = Job(
        id: "contracts-2026/001234.pdf", package: Package(id: "contracts-2026", index: 1234, count: 10_000),
        document: Document(id: "001234", title: "Договор № 1234", name: "001234.pdf", size: 48_213),
        digest: DocumentDigest(algorithm: .sha256, value: (0..<32).map { UInt8($0 &* 7 &+ 3) }), profile: "p256-b",
        expires: Date(timeIntervalSince1970: 1_900_000_000), attributes: Array(#"{"department":"sales","registry":"7731"}"#.utf8))
    let value = job.encoded()
    let template = try SignatureTemplate(
        certificate: scene.certificate("p256"), chain: [scene.certificate("ca")], signatureAlgorithm: Key.p256.algorithm)
    let signature = template.assemble(
        documentDigest: job.digest.value, signingTime: Date(), signature: [UInt8](repeating: 0x55, count: 71))
    let signer = SignerSummary(
        subject: "CN=Signer p256,O=Tanba benchmarks,C=KZ", serial: "1f2e3d4c5b6a79880123456789abcdef01234567", iin: nil, bin: nil,
        certificateSHA256: (0..<32).map { UInt8($0) })
    let source = SourcePosition(topic: "demo.jobs", partition: Partition(3), offset: Offset(123_456))
    let data = Data(value)
    let decoder = JSONDecoder()
    decoder.dateDecodingStrategy = .iso8601
    let encoder = JSONEncoder()
    return try await measurePairs(
        measure, effort: effort, documents: count,
        ours: Side(name: "SigningModel") {
            for _ in 0..<count {
                guard case .job(let job) = Job.read(value) else { throw BareToken.Failure(description: "the job is refused") }
                let result = JobResult(
                    of: job, outcome: .signed(Signature(level: .bB, value: signature), signer: signer, timestamp: nil), source: source,
                    worker: "w1")
                consume(result.encoded())
            }
        },
        reference: Side(name: "Foundation's JSONDecoder and JSONEncoder") {
            for _ in 0..<count {
                let job = try decoder.decode(FoundationJob.self, from: data)
                consume(try encoder.encode(FoundationResult(job, signature: signature, signer: signer, source: source)))
            }
        })
}

// The fields of docs/schemas, as somebody would write them who uses Foundation.

private struct FoundationJob: Decodable {
    struct Document: Decodable {
        var id, title, name: String
        var size: Int
    }
    var version: Int
    var job: String
    var package: FoundationPackage?
    var document: Document?
    var digest: FoundationDigest
    var profile: String
    var expires: Date?
    var attributes: [String: String]?
}

private struct FoundationPackage: Codable {
    var id: String
    var index, count: Int
}

private struct FoundationDigest: Codable {
    var algorithm: String
    var value: Data
}

private struct FoundationResult: Encodable {
    struct DocumentID: Encodable { var id: String }
    struct SignatureValue: Encodable {
        var format, level: String
        var value: Data
    }
    struct Signer: Encodable { var subject, serial, certificateSHA256: String }
    struct Source: Encodable {
        var topic: String
        var partition: Int32
        var offset: Int64
    }
    var version = 1
    var job: String
    var package: FoundationPackage?
    var document: DocumentID?
    var outcome = "signed"
    var signature: SignatureValue
    var signer: Signer
    var digest: FoundationDigest
    var attributes: [String: String]?
    var source: Source
    var worker = "w1"

    init(_ job: FoundationJob, signature: [UInt8], signer: SignerSummary, source: SourcePosition) {
        self.job = job.job
        package = job.package
        document = job.document.map { DocumentID(id: $0.id) }
        self.signature = SignatureValue(format: "CAdES", level: "B-B", value: Data(signature))
        self.signer = Signer(
            subject: signer.subject, serial: signer.serial,
            certificateSHA256: signer.certificateSHA256.map { String(format: "%02x", $0) }.joined())
        digest = job.digest
        attributes = job.attributes
        self.source = Source(topic: source.topic, partition: source.partition.rawValue, offset: source.offset.rawValue)
    }
}
