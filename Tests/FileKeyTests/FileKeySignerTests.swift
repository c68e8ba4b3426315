import CMS
import Foundation
import LibCrypto
import Log
import Metrics
import OperatingSystem
import SigningPipeline
import Testing

@testable import FileKeySigner

/// A key out of a PKCS #12 file as a signer: proved when it is read, sampled afterwards, out as soon as it is wrong.
@Suite struct FileKeySignerTests {
    let lab: KeyFileLab
    let metrics = Metrics()

    init() throws { lab = try KeyFileLab() }

    private func signer(_ path: String, name: String? = "office", sampling: Int = 100, log: Log = .silent) throws -> FileKeySigner {
        try FileKeySigner(name: name, pkcs12: path, password: KeyFileLab.secret(), sampling: sampling, log: log, metrics: metrics)
    }

    private func inputs(_ count: Int, _ algorithm: SignatureAlgorithm) -> [[UInt8]] {
        (0..<count).map { algorithm.input(of: [UInt8($0 & 255), UInt8($0 >> 8)]) }
    }

    private var text: String { String(decoding: metrics.prometheusText(), as: UTF8.self) }

    @Test(arguments: [
        ("RSA -pkeyopt rsa_keygen_bits:2048", [SignatureAlgorithm.rsaPKCS1(.sha256), .rsaPKCS1(.sha512), .rsaPSS(.sha256), .rsaPSS(.sha384)]),
        ("EC -pkeyopt ec_paramgen_curve:P-256", [.ecdsa(.sha256)]), ("EC -pkeyopt ec_paramgen_curve:P-384", [.ecdsa(.sha384), .ecdsa(.sha256)]),
        ("EC -pkeyopt ec_paramgen_curve:P-521", [.ecdsa(.sha512)]), ("ED25519", [.ed25519]),
    ])
    func signsInOrderByEveryAlgorithmOfTheKey(_ key: String, _ algorithms: [SignatureAlgorithm]) async throws {
        let signer = try signer(lab.file("key", key: key))
        #expect(signer.name == "key file office")
        #expect(signer.certificate.subject == "CN=Signer")
        #expect(signer.chain.map(\.subject) == ["CN=Root"])
        #expect(signer.isIn)
        #expect((1...64).contains(signer.batchSize))
        for algorithm in algorithms {
            let inputs = inputs(20, algorithm)
            let signatures = try await signer.sign(inputs, with: algorithm)
            #expect(signatures.count == 20)
            for (signature, input) in zip(signatures, inputs) {
                #expect(algorithm.isValid(signature: signature, ofInput: input, by: signer.certificate.publicKey), "\(algorithm)")
            }
        }
        #expect(try await signer.sign([], with: algorithms[0]).isEmpty)
        #expect(text.contains("tanba_file_key_signatures_total{key=\"office\"} \(20 * algorithms.count)\n"))
        #expect(text.contains("tanba_file_key_signature_seconds_count{key=\"office\"} \(20 * algorithms.count)\n"))
        #expect(text.contains("tanba_file_key_healthy{key=\"office\"} 1\n"))
        await signer.close()
        #expect(text.contains("tanba_file_key_healthy{key=\"office\"} 0\n"))
    }

    @Test func theChainOfTheConfigurationStandsForTheFiles() throws {
        let path = try lab.file("key", key: "ED25519")
        let signer = try FileKeySigner(pkcs12: path, password: KeyFileLab.secret(), chain: [], log: .silent, metrics: metrics)
        #expect(signer.chain.isEmpty)
        #expect(signer.name == "key file \(path)")
    }

    @Test func aCertificateOfAnotherKeyIsAMisfit() throws {
        let path = try lab.file("key", key: "ED25519")
        let own = try Certificate.readPEM(lab.read("key.pem"))[0]
        let other = try Certificate.readPEM(lab.read("root.pem"))[0]
        let signer = try FileKeySigner(pkcs12: path, password: KeyFileLab.secret(), certificate: own, log: .silent, metrics: metrics)
        #expect(signer.certificate == own)
        let error = #expect(throws: SignerError.self) {
            try FileKeySigner(pkcs12: path, password: KeyFileLab.secret(), certificate: other, log: .silent, metrics: metrics)
        }
        #expect(error?.isMisfit == true)
        #expect(error?.reason.contains("CN=Root") == true)
    }

    @Test func anAlgorithmOfAnotherKeyIsRefusedForGood() async throws {
        let signer = try signer(lab.file("key", key: "EC -pkeyopt ec_paramgen_curve:P-256"))
        for algorithm in [SignatureAlgorithm.rsaPKCS1(.sha256), .rsaPSS(.sha256), .ed25519] {
            let error = await #expect(throws: SignerError.self) { try await signer.sign(inputs(1, algorithm), with: algorithm) }
            #expect(error?.isPermanent == true)
            #expect(error?.reason.contains(algorithm.name) == true)
        }
        // That was the caller's fault, not the key's.
        #expect(signer.isIn)
    }

    @Test func aWrongPasswordIsSaidAndNotShown() throws {
        let path = try lab.file("key", key: "ED25519")
        let wrong = "not this one"
        let error = #expect(throws: SignerError.self) {
            try FileKeySigner(pkcs12: path, password: KeyFileLab.secret(wrong), log: .silent, metrics: metrics)
        }
        #expect(error?.reason == "the password is wrong")
        #expect(error?.description.hasPrefix("key file \(path): ") == true)
        #expect(error?.token == path)
        #expect(error?.isPermanent == true)
        #expect(error?.isMisfit == true)
        #expect(error?.description.contains(wrong) == false)
        #expect(error?.description.contains(KeyFileLab.password) == false)
    }

    @Test func aFileThatIsNotThereIsSaid() throws {
        let error = #expect(throws: SignerError.self) { try signer(lab.folder + "/none.p12") }
        #expect(error?.reason.contains("cannot be read") == true)
        #expect(error?.isPermanent == true)
    }

    /// The password is not needed after the start, nor is the file; a secret that nobody holds is overwritten.
    @Test func thePasswordIsLetGoOf() async throws {
        let path = try lab.file("key", key: "EC -pkeyopt ec_paramgen_curve:P-256")
        weak var held: Secret?
        let signer: FileKeySigner
        do {
            let password = KeyFileLab.secret()
            held = password
            signer = try FileKeySigner(pkcs12: path, password: password, log: .silent, metrics: metrics)
        }
        #expect(held == nil)
        try FileManager.default.removeItem(atPath: path)
        #expect(try await signer.sign(inputs(1, .ecdsa(.sha256)), with: .ecdsa(.sha256)).count == 1)
        try await signer.recover()
    }

    /// What is logged names the key and its certificate, and warns where the memory of keys is not as it should be.
    @Test func theStartIsLogged() throws {
        let path = try lab.file("key", key: "ED25519")
        SecureHeap.prepare()
        let events = Locked<[LogEvent]>([])
        _ = try signer(path, log: Log(minimum: .info) { event in events.withLock { $0.append(event) } })
        let names = events.withLock { $0.map(\.event) }
        #expect(names.filter { $0 == "file-key-open" }.count == 1)
        #expect(names.contains("file-key-memory") == (SecureHeap.warning != nil))
        let said = events.withLock { "\($0)" }
        #expect(said.contains("CN=Signer"))
        #expect(!said.contains(KeyFileLab.password))
    }

    // MARK: - Sampling

    /// A key that signs, and at those signatures, counted from 0, gives what verifies nothing.
    private func flawed(_ signer: FileKeySigner, sampling: Int, wrongAt: Set<Int>) -> FileKeySigner {
        let count = Locked(0)
        return FileKeySigner(
            signer, sampling: sampling,
            key: FileKeySigner.Key { (input, algorithm) throws(CryptoError) in
                let index = count.withLock { count in
                    defer { count += 1 }
                    return count
                }
                return wrongAt.contains(index) ? [0x30, 0] : try signer.key.sign(input, algorithm)
            })
    }

    private var checked: Double {
        metrics.counter("tanba_file_key_checked_signatures_total", help: FileKeyMetrics.checksHelp, labels: ["key"]).value("office")
    }

    /// The first and each hundredth after it, however the signatures come in batches.
    @Test(arguments: [[1000], [1, 99, 1, 99, 800], [50, 51, 399, 500], Array(repeating: 7, count: 143)])
    func oneInAHundredIsChecked(_ batches: [Int]) async throws {
        let signer = try signer(lab.file("key", key: "ED25519"))
        var sampled: [Int] = []
        var total = 0
        for batch in batches {
            let before = checked
            _ = try await signer.sign(inputs(batch, .ed25519), with: .ed25519)
            let expected = (total..<(total + batch)).filter { $0 % 100 == 0 }
            #expect(Int(checked - before) == expected.count, "after \(total)")
            sampled += expected
            total += batch
        }
        #expect(Int(checked) == sampled.count)
    }

    @Test func everyOneIsCheckedWhereThatIsAsked() async throws {
        let signer = try signer(lab.file("key", key: "ED25519"), sampling: 1)
        _ = try await signer.sign(inputs(37, .ed25519), with: .ed25519)
        #expect(checked == 37)
    }

    /// A wrong one that is sampled takes the key out, and nothing of its batch is given out.
    @Test func aWrongSignatureTakesTheKeyOut() async throws {
        let good = try signer(lab.file("key", key: "ED25519"))
        let signer = flawed(good, sampling: 10, wrongAt: [20])
        #expect(try await signer.sign(inputs(15, .ed25519), with: .ed25519).count == 15)
        let error = await #expect(throws: SignerError.self) { try await signer.sign(inputs(15, .ed25519), with: .ed25519) }
        #expect(error?.isPermanent == false)
        #expect(error?.reason.contains("signature 6 of 15") == true)
        #expect(error?.reason.contains("CN=Signer") == true)
        #expect(!signer.isIn)
        #expect(text.contains("tanba_file_key_wrong_signatures_total{key=\"office\"} 1\n"))
        #expect(text.contains("tanba_file_key_healthy{key=\"office\"} 0\n"))

        // It signs rightly again: it is in, and from now on each is checked.
        try await signer.recover()
        #expect(signer.isIn)
        #expect(text.contains("tanba_file_key_healthy{key=\"office\"} 1\n"))
        let before = checked
        _ = try await signer.sign(inputs(9, .ed25519), with: .ed25519)
        #expect(checked - before == 9)
    }

    /// What sampling does not promise: a wrong one between two samples goes out.
    @Test func aWrongSignatureBetweenTwoSamplesIsNotSeen() async throws {
        let good = try signer(lab.file("key", key: "ED25519"))
        let signer = flawed(good, sampling: 10, wrongAt: [5])
        let signatures = try await signer.sign(inputs(10, .ed25519), with: .ed25519)
        #expect(!SignatureAlgorithm.ed25519.isValid(signature: signatures[5], overMessage: [5, 0], by: signer.certificate.publicKey))
        #expect(signer.isIn)
    }

    @Test func aKeyThatStaysWrongNeedsAPerson() async throws {
        let good = try signer(lab.file("key", key: "ED25519"))
        let signer = flawed(good, sampling: 1, wrongAt: Set(0..<100))
        await #expect(throws: SignerError.self) { try await signer.sign(inputs(3, .ed25519), with: .ed25519) }
        let error = await #expect(throws: SignerError.self) { try await signer.recover() }
        #expect(error?.isPermanent == true)
        #expect(!signer.isIn)
    }

    @Test func manyCallersShareTheKey() async throws {
        let signer = try signer(lab.file("key", key: "EC -pkeyopt ec_paramgen_curve:P-256"), sampling: 3)
        await withTaskGroup(of: Int.self) { group in
            for _ in 0..<16 {
                group.addTask {
                    guard let signatures = try? await signer.sign(inputs(25, .ecdsa(.sha256)), with: .ecdsa(.sha256)) else { return 0 }
                    return zip(signatures, inputs(25, .ecdsa(.sha256))).count {
                        SignatureAlgorithm.ecdsa(.sha256).isValid(signature: $0, ofInput: $1, by: signer.certificate.publicKey)
                    }
                }
            }
            var right = 0
            for await count in group { right += count }
            #expect(right == 400)
        }
    }
}
