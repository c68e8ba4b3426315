import Dispatch
import Foundation
import LibCrypto
import Testing

@Suite struct DigestTests {
    static let functions: [DigestFunction] = [.sha1, .sha256, .sha384, .sha512]

    /// The vectors of FIPS 180-4's examples ("abc").
    @Test func publishedVectors() {
        let abc = Array("abc".utf8)
        #expect(hex(DigestFunction.sha1.digest(abc)) == "a9993e364706816aba3e25717850c26c9cd0d89d")
        #expect(hex(DigestFunction.sha256.digest(abc)) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(hex(DigestFunction.sha256.digest([])) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        let sha384 = "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7"
        #expect(hex(DigestFunction.sha384.digest(abc)) == sha384)
        let sha512 =
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
            + "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
        #expect(hex(DigestFunction.sha512.digest(abc)) == sha512)
    }

    @Test(arguments: functions) func piecesGiveTheSameAsTheWhole(function: DigestFunction) {
        let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let whole = function.digest(bytes)
        #expect(whole.count == function.byteCount)
        var hasher = function.makeHasher()
        hasher.update([UInt8]().span)
        for start in stride(from: 0, to: bytes.count, by: 4097) {
            hasher.update(bytes.span.extracting(start..<min(start + 4097, bytes.count)))
        }
        #expect(hasher.finish() == whole)
    }

    @Test(arguments: functions) func openSSLCommandAgrees(function: DigestFunction) throws {
        let openssl = try OpenSSLCommand()
        let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0) }
        try openssl.write(bytes, to: "document")
        #expect(try openssl.run("dgst -\(function.name) -binary document").output == function.digest(bytes))
    }

    /// Each thread has its own context: many threads, several functions in turn, no mixed-up digests.
    @Test func threadsDoNotDisturbEachOther() {
        let inputs = (0..<64).map { [UInt8](repeating: UInt8($0), count: 250 + $0) }
        let expected = Self.functions.map { function in inputs.map { function.digest($0) } }
        let wrong = Counter()
        DispatchQueue.concurrentPerform(iterations: 64) { round in
            for (index, function) in Self.functions.enumerated() {
                for (input, digest) in zip(inputs, expected[index]) where function.digest(input) != digest { wrong.add() }
            }
        }
        #expect(wrong.value == 0)
    }

    @Test func equalByName() {
        #expect(DigestFunction.sha256 == .sha256)
        #expect(DigestFunction.sha256 != .sha512)
        #expect(Set(Self.functions).count == 4)
    }
}

/// Counts from several threads.
final class Counter: @unchecked Sendable {
    private let lock = NSLock()
    private var count = 0

    func add() { lock.withLock { count += 1 } }
    var value: Int { lock.withLock { count } }
}
