import Foundation
import Glibc
import LibCrypto
import OperatingSystem
import Testing

/// Where a key's secret numbers lie in this process's memory once it is read from a PKCS #12 file and has signed.
///
/// Method: `openssl` makes the key and prints its numbers as text; here they are kept masked. All writable memory is read through
/// /proc/self/mem and searched for them. As the heap belongs before the first use of OpenSSL, this happens in a process of its own: the
/// program of these tests, started once more for one of them. docs/SECURITY.md says what this shows.
@Suite struct SecureHeapTests {
    /// The secret numbers of a key, by openssl's names for them.
    struct Numbers {
        let masked: [String: [UInt8]]

        init(_ text: String, _ names: [String]) {
            var found: [String: [UInt8]] = [:]
            var name: String?
            for line in text.split(separator: "\n") {
                if line.first?.isWhitespace != true {
                    name = line.split(separator: ":").first.map(String.init)
                } else if let name, names.contains(name) {
                    found[name, default: []] += line.split(separator: ":").compactMap {
                        UInt8($0.trimmingCharacters(in: .whitespaces), radix: 16).map { $0 ^ 0xA5 }
                    }
                }
            }
            // A zero in front keeps a number positive in the text
            masked = found.mapValues { $0.first == 0xA5 ? Array($0.dropFirst()) : $0 }
        }
    }

    @Test func theHeapIsPreparedOnce() {
        let state = SecureHeap.prepare()
        #expect(SecureHeap.prepare() == state)
        #expect(SecureHeap.state == state)
        switch state {
        // Other tests of this process may have used OpenSSL before.
        case .locked: #expect((SecureHeap.warning == nil) == SecureHeap.isFreedMemoryOverwritten)
        case .unlocked: #expect(SecureHeap.warning?.contains("LimitMEMLOCK") == true)
        case .unavailable: Issue.record("OpenSSL has no secure heap")
        }
    }

    static let kinds: [(key: String, numbers: [String])] = [
        ("EC -pkeyopt ec_paramgen_curve:P-256", ["priv"]), ("EC -pkeyopt ec_paramgen_curve:P-384", ["priv"]), ("ED25519", ["priv"]),
        ("RSA -pkeyopt rsa_keygen_bits:2048", ["privateExponent", "prime1", "prime2", "exponent1", "exponent2", "coefficient"]),
    ]

    private static let childMark = "TANBA_TEST_SECURE_HEAP"
    private static let isChild = ProcessInfo.processInfo.environment[childMark] != nil

    @Test(.enabled(if: ProcessMemory.isReadable && !isChild)) func secretNumbersLieOnTheSecureHeapAlone() throws {
        let child = Process()
        child.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        child.arguments = ["--testing-library", "swift-testing", "--filter", "LibCryptoTests.SecureHeapTests/numbersOf"]
        child.environment = ProcessInfo.processInfo.environment.merging([Self.childMark: "1"]) { $1 }
        let output = Pipe()
        child.standardOutput = output
        child.standardError = output
        try child.run()
        let said = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        child.waitUntilExit()
        #expect(child.terminationStatus == 0 && said.contains("Test run with 1 test in 1 suite passed"), "\(said)")
    }

    /// Only for `secretNumbersLieOnTheSecureHeapAlone`.
    @Test(.enabled(if: isChild), arguments: kinds) func numbersOf(_ kind: String, _ names: [String]) throws {
        SecureHeap.prepare()
        #expect(SecureHeap.isFreedMemoryOverwritten)
        if case .locked = SecureHeap.state { #expect(SecureHeap.warning == nil) }
        let openssl = try PKCS12Tests.lab(kind)
        try PKCS12Tests.export(openssl)
        let numbers = Numbers(try openssl.run("pkey -in key.pem -noout -text").text, names)
        #expect(Set(numbers.masked.keys) == Set(names))
        let used = SecureHeap.bytesUsed
        let file = try PKCS12Tests.read(openssl)
        #expect(SecureHeap.bytesUsed > used)
        for (name, places) in try places(of: numbers) {
            #expect(!places.isEmpty && places.allSatisfy { $0 == .secure }, "\(name) of \(kind), read: \(places)")
        }
        for _ in 0..<3 { try Self.sign(with: file.key) }
        for (name, places) in try places(of: numbers) {
            // OpenSSL prepares arithmetic modulo the primes at the first signature, and keeps that on the ordinary heap.
            let isPrime = name == "prime1" || name == "prime2"
            #expect(places.contains(.secure) && (isPrime || !places.contains(.ordinary)), "\(name) of \(kind), signed: \(places)")
        }
        withExtendedLifetime(file) {}
    }

    private static func sign(with key: PrivateKey) throws {
        let digest = DigestFunction.sha256.digest([1])
        switch key.publicKey.kind {
        case .rsa: _ = try key.signPKCS1(digest: digest, function: .sha256)
        case .ed25519: _ = try key.signEd25519(message: digest)
        default: _ = try key.signECDSA(digest: digest)
        }
    }

    /// Where each number is in memory.
    private func places(of numbers: Numbers) throws -> [String: [ProcessMemory.Place]] {
        try numbers.masked.mapValues { masked in
            // OpenSSL keeps numbers with the least significant word first; DER and Ed25519's seed are as they are printed.
            try ProcessMemory.find(masked.reversed()) + ProcessMemory.find(masked)
        }
    }
}

/// The writable memory of this process.
enum ProcessMemory {
    enum Place {
        /// In memory that the kernel leaves out of core files ("dd"), and that it keeps in RAM ("lo") where it may.
        case secure
        case ordinary
    }

    private struct Mapping {
        let start: UInt
        let end: UInt
        let isWritable: Bool
        var place = Place.ordinary
    }

    static let isReadable: Bool = {
        let descriptor = open("/proc/self/mem", O_RDONLY)
        if descriptor < 0 { print("SKIPPED: search of memory; /proc/self/mem cannot be read") } else { close(descriptor) }
        return descriptor >= 0
    }()

    /// Where these bytes are, which are given XOR 0xA5.
    static func find(_ masked: [UInt8]) throws -> [Place] {
        // The needle and what is read lie on pages of their own, which are not searched.
        let size = 1 << 20
        let room = size + 8192
        let own = try #require(mmap(nil, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
        let ownAddress = UInt(bitPattern: own)
        let needle = (own + size + 4096).assumingMemoryBound(to: UInt8.self)
        for (index, byte) in masked.enumerated() { needle[index] = byte ^ 0xA5 }
        let descriptor = open("/proc/self/mem", O_RDONLY)
        defer {
            close(descriptor)
            memset(own, 0, room)
            munmap(own, room)
        }
        var found: [Place] = []
        for mapping in try mappings() where mapping.isWritable {
            var start = mapping.start
            while start < mapping.end {
                let count = min(size, Int(mapping.end - start))
                let got = pread(descriptor, own, count, off_t(start))
                guard got > 0 else { break }
                var from = 0
                while let first = memchr(own + from, Int32(needle[0]), max(0, got - masked.count + 1 - from)) {
                    let offset = first - own
                    from = offset + 1
                    guard memcmp(first, needle, masked.count) == 0 else { continue }
                    let address = start + UInt(offset)
                    if address < ownAddress || address >= ownAddress + UInt(room) { found.append(mapping.place) }
                }
                if got < count || count == Int(mapping.end - start) { break }
                start += UInt(got - masked.count + 1)
            }
        }
        return found
    }

    private static func mappings() throws -> [Mapping] {
        var found: [Mapping] = []
        for line in String(decoding: try Files.read("/proc/self/smaps", atMost: 1 << 26), as: UTF8.self).split(separator: "\n") {
            let fields = line.split(separator: " ")
            if fields[0] == "VmFlags:" {
                if fields.contains("dd"), SecureHeap.state != .locked(bytes: 1 << 20) || fields.contains("lo") {
                    found[found.count - 1].place = .secure
                }
            } else if !fields[0].hasSuffix(":") {
                let bounds = fields[0].split(separator: "-").map { UInt($0, radix: 16)! }
                found.append(Mapping(start: bounds[0], end: bounds[1], isWritable: fields[1].hasPrefix("rw")))
            }
        }
        return found
    }
}
