import CAdES
import CMS
import DER
import Foundation
import LibCrypto
import Testing
import TimeStampProtocol

/// Real files of Kazakhstan's authorities: each is read, or refused for the reason that is written here.
@Suite struct VectorTests {
    static let folder: String? = {
        let folder = ProcessInfo.processInfo.environment["TANBA_VECTORS"]
        if folder == nil { print("SKIPPED: VectorTests, because TANBA_VECTORS names no folder of real signatures") }
        return folder.map { $0 + "/kz" }
    }()

    /// GOST algorithms are not known yet; everything else about the detached ones is as it must be.
    @Test(
        .enabled(if: folder != nil),
        arguments: [
            ("individual_detached", [CAdESViolation.Code.digestAlgorithmUnknown]),
            ("legal_entity_detached", [.digestAlgorithmUnknown]),
            ("individual_attached", [.contentNotDetached, .digestAlgorithmUnknown]),
            ("legal_entity_attached", [.contentNotDetached, .digestAlgorithmUnknown]),
        ])
    func signaturesAreRefusedForTheirAlgorithm(_ name: String, _ codes: [CAdESViolation.Code]) throws {
        let file = try Self.read("cms/\(name).der")
        let error = #expect(throws: CAdESViolations.self) { try CAdESSignature(der: file) }
        #expect(error?.list.map(\.code) == codes, "\(String(describing: error))")
    }

    /// With the parts that GOST will bring, the same files are well built: its module needs to change nothing here.
    @Test(.enabled(if: folder != nil), arguments: ["individual_detached", "legal_entity_detached"])
    func anotherModuleMayBringTheAlgorithm(_ name: String) throws {
        // A stand-in of Streebog's length under its name, and a signature algorithm that takes any key and no signature
        let streebog = DigestAlgorithm(
            name: "streebog512", oid: ObjectIdentifier(1, 2, 398, 3, 10, 1, 3, 3), parameters: AlgorithmIdentifier.null, function: .sha512)
        let gost = SignatureAlgorithm(
            name: "gost", digest: streebog,
            identifier: AlgorithmIdentifier(ObjectIdentifier(1, 2, 398, 3, 10, 1, 1, 2, 3, 2), parameters: AlgorithmIdentifier.null),
            fits: { _ in true }, verify: { _, _, _ in false })
        let algorithms = KnownAlgorithms.standard.adding(digests: [streebog], signatures: [gost])
        let signature = try CAdESSignature(der: try Self.read("cms/\(name).der"), algorithms: algorithms)
        #expect(signature.timeStampTokens.count == 1)
        #expect(signature.algorithm == gost)
        let error = #expect(throws: CAdESViolations.self) {
            try signature.verify(documentDigest: signature.messageDigest, algorithms: algorithms, timeStampTrust: { _, _, _ in nil })
        }
        #expect(error?.list.map(\.name) == ["signature-invalid", "timestamp-imprint-differs"])
    }

    @Test(.enabled(if: folder != nil)) func aTokenIsRefusedForItsAlgorithm() throws {
        let token = try Self.read("cms/production_tsp_token_gost2015.der")
        let fault = #expect(throws: TimeStampFault.self) { try TimeStampToken.check(token, over: [], trust: { _, _, _ in nil }) }
        #expect(fault == TimeStampFault(.algorithmUnknown, "imprint by 1.2.398.3.10.1.3.3"))
    }

    /// Every file there, cut and damaged, is an error at worst.
    @Test(.enabled(if: folder != nil)) func nothingTraps() throws {
        var random = SeededRandom()
        let root = try #require(Self.folder)
        var readable = 0
        for name in try #require(FileManager.default.enumerator(atPath: root)) {
            guard let name = name as? String, let contents = FileManager.default.contents(atPath: root + "/" + name) else { continue }
            let file = [UInt8](contents)
            for round in 0..<30 {
                var damaged = file
                if round > 0 { damaged[Int.random(in: damaged.indices, using: &random)] = .random(in: 0...255, using: &random) }
                if round > 20 { damaged.removeLast(Int.random(in: 0..<damaged.count, using: &random)) }
                if (try? DERReader.read(damaged) { try $0.check() }) != nil, round == 0 { readable += 1 }
                _ = try? CAdESSignature(der: damaged)
                _ = try? SignedData(file: damaged)
                _ = try? TimeStampToken.check(damaged, over: [], trust: { _, _, _ in nil })
            }
        }
        #expect(readable > 10, "\(random)")
    }

    private static func read(_ name: String) throws -> [UInt8] {
        let contents = FileManager.default.contents(atPath: try #require(folder) + "/" + name)
        return [UInt8](try #require(contents))
    }
}
