import SigningModel
import Testing

@testable import KafkaJobLog

@Suite struct KnownJobsTests {
    static func fingerprint(_ number: Int) -> JobFingerprint {
        StreamLab.fingerprint(Array("job \(number)".utf8))
    }

    @Test func aRecordIsReadAsItWasWritten() throws {
        let record = LedgerRecord(
            from: Offset(1 << 40), to: Offset(1 << 40 + 600),
            signed: [0, 3, 600].map { .init(offset: Offset(1 << 40 + $0), fingerprint: Self.fingerprint(Int($0))) })
        let bytes = record.encoded()
        #expect(bytes.count == 16 + 3 * 32)
        #expect(Array(bytes[0..<16]) == [0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 88])
        #expect(Array(bytes[48..<52]) == [0, 0, 0, 3])
        #expect(LedgerRecord(bytes) == record)
        #expect(LedgerRecord(LedgerRecord(from: Offset(7), to: Offset(7), signed: []).encoded())?.to == Offset(7))
    }

    /// Byte by byte what docs/schemas/ledger.md promises to whoever reads a ledger with other tools.
    @Test func aRecordIsLaidOutAsDocumented() throws {
        let id = JobIDDigest(ofKey: Array("job-1".utf8))
        // sha256("job-1"), its first 16 bytes, by openssl
        let digest: [UInt8] = [0x02, 0x6a, 0xb6, 0x39, 0xc2, 0x1d, 0xf8, 0xaa, 0x80, 0xe5, 0x78, 0x93, 0x70, 0xa9, 0xdb, 0x1b]
        #expect(id.bytes == digest)
        let content = try #require(ContentDigest(bytes: Array(1...12)))
        let record = LedgerRecord(
            from: Offset(0x0102_0304_0506), to: Offset(0x0102_0304_0608),
            signed: [.init(offset: Offset(0x0102_0304_0607), fingerprint: JobFingerprint(id: id, content: content))])
        #expect(
            record.encoded() == [0, 0, 1, 2, 3, 4, 5, 6] + [0, 0, 1, 2, 3, 4, 6, 8] + [0, 0, 1, 1] + digest + Array(1...12))
    }

    /// What docs/configuration.md says of `limits.known-jobs`.
    @Test func aFullWindowTakesAsMuchMemoryAsStated() {
        var known = KnownJobs(window: 50_000)
        func fingerprint(_ number: Int64) -> JobFingerprint {
            let bytes = withUnsafeBytes(of: number) { Array($0) }
            return JobFingerprint(id: JobIDDigest(bytes: bytes + bytes)!, content: ContentDigest(bytes: bytes + [0, 0, 0, 0])!)
        }
        for start in stride(from: Int64(0), to: 55_000, by: 500) {
            known.add(
                LedgerRecord(
                    from: Offset(start), to: Offset(start + 499),
                    signed: (start..<start + 500).map { .init(offset: Offset($0), fingerprint: fingerprint($0)) }))
        }
        #expect(known.count == 50_000)
        #expect(known.byteCount <= 2_200_000, "\(known.byteCount)")
        #expect(known.entry(fingerprint(5000).id)?.offset == Offset(5000))
        #expect(known.entry(fingerprint(4999).id) == nil)
    }

    @Test(arguments: [
        [UInt8](), [UInt8](repeating: 0, count: 15), [UInt8](repeating: 0, count: 17), [UInt8](repeating: 255, count: 16),
        // `to` before `from`; an entry behind `to`
        [0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1], [UInt8](repeating: 0, count: 19) + [1] + [UInt8](repeating: 0, count: 28),
    ])
    func whatIsNoRecordIsRefused(bytes: [UInt8]) {
        #expect(LedgerRecord(bytes) == nil)
    }

    @Test func anIdIsKnownWithinTheWindow() {
        var known = KnownJobs(window: 10)
        known.add(LedgerRecord(from: Offset(0), to: Offset(4), signed: [.init(offset: Offset(2), fingerprint: Self.fingerprint(1))]))
        #expect(known.entry(Self.fingerprint(1).id)?.offset == Offset(2))
        #expect(known.entry(Self.fingerprint(1).id)?.fingerprint == Self.fingerprint(1))
        #expect(known.entry(Self.fingerprint(2).id) == nil)
        known.add(LedgerRecord(from: Offset(5), to: Offset(11), signed: []))
        #expect(known.entry(Self.fingerprint(1).id)?.offset == Offset(2))
        known.add(LedgerRecord(from: Offset(12), to: Offset(12), signed: []))
        #expect(known.entry(Self.fingerprint(1).id) == nil)
        #expect(known.count == 0)
    }

    @Test func oneRecordMayBeLongerThanTheWindow() {
        var known = KnownJobs(window: 3)
        let signed = (0..<100).map { KnownJobs.Entry(offset: Offset($0), fingerprint: Self.fingerprint(Int($0))) }
        known.add(LedgerRecord(from: Offset(0), to: Offset(99), signed: signed))
        #expect(known.count == 3)
        #expect(known.entry(Self.fingerprint(97).id)?.offset == Offset(97))
        #expect(known.entry(Self.fingerprint(96).id) == nil)
    }

    /// Compared with a dictionary, over random batches, gaps, refusals and ids that come again.
    @Test(arguments: 0..<20 as Range<UInt64>) func agreesWithADictionary(seed: UInt64) {
        var random = SplitMix(state: seed)
        let window = Int.random(in: 1...300, using: &random)
        var known = KnownJobs(window: window)
        var model: [Int: Int64] = [:]
        var next = Int64.random(in: 0...(1 << 33), using: &random)
        for _ in 0..<200 {
            let from = next
            let to = from + Int64.random(in: 0...40, using: &random)
            var signed: [KnownJobs.Entry] = []
            for offset in from...to where Bool.random(using: &random) {
                let job = Int.random(in: 0..<400, using: &random)
                signed.append(.init(offset: Offset(offset), fingerprint: Self.fingerprint(job)))
                model[job] = offset
            }
            known.add(LedgerRecord(from: Offset(from), to: Offset(to), signed: signed))
            next = to + Int64.random(in: 1...3, using: &random)
            for job in 0..<400 {
                let expected = model[job].flatMap { $0 > to - Int64(window) ? $0 : nil }
                #expect(known.entry(Self.fingerprint(job).id)?.offset.rawValue == expected)
            }
        }
    }
}

struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = (state ^ state >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}
