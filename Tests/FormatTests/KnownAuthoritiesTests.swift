import CMS
import DER
import FoundationEssentials
import LibCrypto
import Testing
import TimeStampProtocol

/// What a client remembers of an authority spares work and no check: with it, every lie is found as without.
@Suite struct KnownAuthoritiesTests {
    private static func check(
        _ answer: [UInt8], _ request: TimeStampRequest, _ known: inout KnownAuthorities, at clock: Date = TimeStampTests.moment,
        trust: TimeStampToken.Trust = TimeStampTests.trusting
    ) throws(TimeStampFault) -> TimeStampToken {
        try TimeStampResponse.check(answer, answering: request, at: clock, accepting: 300, knowing: &known, trust: trust)
    }

    private static func fault(_ answer: [UInt8], _ request: TimeStampRequest, _ known: inout KnownAuthorities) -> TimeStampFault? {
        do throws(TimeStampFault) {
            _ = try check(answer, request, &known)
            return nil
        } catch {
            return error
        }
    }

    /// Of the authority that all lies come from.
    private static let known: KnownAuthorities = {
        var known = KnownAuthorities()
        _ = try! check(TimeStampTests.good.original, TimeStampTests.good.request, &known)
        return known
    }()

    @Test(arguments: TimeStampTests.lies) func finds(_ lie: TimeStampTests.Lie) throws {
        var known = Self.known
        #expect(known.additions == 1)
        var answer = TimeStampTests.good
        try lie.tell(&answer)
        let encoded = try answer.encoded()
        #expect(Self.fault(encoded, answer.request, &known) == (try TimeStampTests.fault(encoded, answer.request)))
        if lie.code != nil { #expect(known.additions == 1, "who lies is not remembered") }
        #expect(Self.fault(answer.original, answer.request, &known) == nil)
    }

    @Test func noOctetCanBeChanged() throws {
        var random = SeededRandom()
        let (answer, request) = (TimeStampTests.good.original, TimeStampTests.good.request)
        var known = Self.known
        for index in answer.indices {
            var changed = answer
            changed[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            // PKIStatus: 0 granted and 1 grantedWithMods, which nothing in the token binds
            if index == 8, changed[8] == 1 { continue }
            #expect(Self.fault(changed, request, &known) != nil, "octet \(index) \(answer[index]) -> \(changed[index]) \(random)")
        }
        #expect(known.additions == 1)
    }

    @Test func itsTokensAreTheSameAndAddNothing() throws {
        let authority = try TestTimeStampAuthority(["RSA", "-pkeyopt", "rsa_keygen_bits:2048"], essDigest: "sha1")
        var known = Self.known
        for number in UInt8(0)..<3 {
            let request = TestTimeStampAuthority.request([number], nonce: [number + 1])
            let answer = try authority.answer(request)
            let token = try Self.check(answer, request, &known, at: Date())
            #expect(known.additions == 2)
            var none = KnownAuthorities()
            #expect(try Self.check(answer, request, &none, at: Date()) == token)
            #expect(token.authority == authority.signer.certificate && token.certificates == [token.authority])
        }
    }

    @Test func trustIsAskedEachTime() throws {
        var known = Self.known
        #expect(throws: TimeStampFault(.certificateUntrusted, "no more")) {
            try Self.check(TimeStampTests.good.original, TimeStampTests.good.request, &known) { _, _, _ in "no more" }
        }
        var none = KnownAuthorities()
        #expect(throws: TimeStampFault(.certificateUntrusted, "unknown")) {
            try Self.check(TimeStampTests.good.original, TimeStampTests.good.request, &none) { _, _, _ in "unknown" }
        }
        #expect(none.additions == 0)
    }

    @Test func manyAuthoritiesComeAndGo() throws {
        var known = Self.known
        for _ in 0..<20 {
            var answer = TimeStampTests.good
            answer.replaceCertificate { $0.serialNumber = [0x75, 0x5A] }
            let encoded = try answer.encoded()
            for _ in 0..<2 { #expect(try Self.check(encoded, answer.request, &known).authority != TimeStampTests.good.signer.certificate) }
        }
        #expect(known.additions <= 21)
        #expect(Self.fault(TimeStampTests.good.original, TimeStampTests.good.request, &known) == nil)
    }
}
