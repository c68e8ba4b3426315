import CMS
import DER
import FoundationEssentials
import LibCrypto
import Testing
import TimeStampProtocol

/// Tokens made by `openssl ts`: the good ones pass, and each lie is found and named.
@Suite struct TimeStampTests {
    static let trusting: @Sendable (Certificate, [Certificate], Date) -> String? = { _, _, _ in nil }

    // MARK: Good ones

    @Test(arguments: [
        (["EC", "-pkeyopt", "ec_paramgen_curve:P-256"], "sha256"), (["RSA", "-pkeyopt", "rsa_keygen_bits:2048"], "sha1"),
        (["EC", "-pkeyopt", "ec_paramgen_curve:P-384"], "sha512"),
    ])
    func takesWhatOpenSSLStamps(_ key: [String], _ essDigest: String) throws {
        let authority = try TestTimeStampAuthority(key, essDigest: essDigest)
        let request = TestTimeStampAuthority.request()
        let answer = try authority.answer(request)
        #expect(try authority.judge(answer, to: request).status == 0)
        var asked: (Certificate, Int, Date)?
        let token = try TimeStampResponse.check(answer, answering: request, at: Date(), accepting: 300) {
            asked = ($0, $1.count, $2)
            return nil
        }
        #expect(token.authority == authority.signer.certificate)
        #expect(token.imprint == request.imprint)
        #expect(token.policy == TestTimeStampAuthority.policy)
        #expect(!token.serialNumberHex.isEmpty)
        #expect(token.accuracy?.seconds == 1 && token.accuracy?.milliseconds == 500 && token.accuracy?.microseconds == 100)
        #expect(abs(token.time.timeIntervalSinceNow) < 300)
        #expect(asked?.0 == token.authority && asked?.1 == 1 && asked?.2 == token.time)
        #expect(token.der == DERNode(answer)[1].encoded, "octet for octet")
        let found = try TimeStampToken.check(token.der, over: [1, 2, 3], trust: Self.trusting)
        #expect(found == token)
        #expect(try TimeStampToken.check(token.der, imprint: request.imprint, trust: Self.trusting) == token)
    }

    @Test func aPolicyThatWasNotAskedForMayBeAny() throws {
        let request = TimeStampRequest(imprint: MessageImprint(of: [1], by: .sha512), nonce: [0, 0, 1])
        let answer = try TestTimeStampAuthority().answer(request)
        let token = try TimeStampResponse.check(answer, answering: request, at: Date(), accepting: 300, trust: Self.trusting)
        #expect(token.policy == TestTimeStampAuthority.policy)
    }

    @Test func refusalsOfTheAuthorityAreTold() throws {
        let authority = try TestTimeStampAuthority()
        let request = TimeStampRequest(imprint: MessageImprint(of: [1], by: .sha256), nonce: [1], policy: ObjectIdentifier(1, 2, 3))
        let fault = try Self.fault(try authority.answer(request), request)
        #expect(fault?.code == .status)
        #expect(fault?.status?.status == 2)
        #expect(fault?.status?.failures == ["unacceptedPolicy"])
        #expect(fault?.detail.contains("unacceptedPolicy") == true)
    }

    // MARK: Lies

    struct Lie: CustomTestStringConvertible, Sendable {
        let what: String
        /// Nil: harmless, must pass.
        let code: TimeStampFault.Code?
        let tell: @Sendable (inout ForgedAnswer) throws -> Void
        var testDescription: String { what }

        init(_ what: String, _ code: TimeStampFault.Code?, _ tell: @escaping @Sendable (inout ForgedAnswer) throws -> Void) {
            self.what = what
            self.code = code
            self.tell = tell
        }
    }

    static let good: ForgedAnswer = try! ForgedAnswer()
    /// When it was stamped, which is our clock's time to all that it is changed into: their turn may come many minutes later.
    static let moment: Date = try! TimeStampToken.check(DERNode(good.original)[1].encoded, over: [1, 2, 3], trust: trusting).time

    @Test(arguments: lies) func finds(_ lie: Lie) throws {
        var answer = Self.good
        try lie.tell(&answer)
        #expect(try Self.fault(answer.encoded(), answer.request)?.code == lie.code)
    }

    @Test func trustIsAsked() throws {
        let fault = #expect(throws: TimeStampFault.self) {
            try TimeStampResponse.check(
                Self.good.original, answering: Self.good.request, at: Self.moment, accepting: 300, trust: { _, _, _ in "unknown" })
        }
        #expect(fault == TimeStampFault(.certificateUntrusted, "unknown"))
    }

    @Test(arguments: [-301.0, 301.0]) func theClockDecides(_ seconds: Double) throws {
        let token = DERNode(Self.good.original)[1].encoded
        let stamped = try TimeStampToken.check(token, over: [1, 2, 3], trust: Self.trusting).time
        func check(_ seconds: Double) throws {
            _ = try TimeStampResponse.check(
                Self.good.original, answering: Self.good.request, at: stamped.addingTimeInterval(seconds), accepting: 300,
                trust: Self.trusting)
        }
        #expect(throws: TimeStampFault.self) { try check(seconds) }
        try check(seconds < 0 ? -300 : 300)
    }

    @Test func aTokenInASignatureIsJudgedAlike() throws {
        let token = DERNode(Self.good.original)[1].encoded
        let other = #expect(throws: TimeStampFault.self) { try TimeStampToken.check(token, over: [1, 2, 4], trust: Self.trusting) }
        #expect(other?.code == .imprintDiffers)
        let garbage = #expect(throws: TimeStampFault.self) { try TimeStampToken.check([], over: [1, 2, 3], trust: Self.trusting) }
        #expect(garbage?.code == .notDER)
    }

    /// No octet of an answer can be changed, taken away or added without a fault.
    @Test func noOctetCanBeChanged() throws {
        var random = SeededRandom()
        let answer = Self.good.original
        #expect(answer[4...8] == [0x30, 0x03, 0x02, 0x01, 0x00])
        for index in answer.indices {
            var changed = answer
            changed[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            // PKIStatus: 0 granted and 1 grantedWithMods, which nothing in the token binds
            if index == 8, changed[8] == 1 { continue }
            #expect(try Self.fault(changed, Self.good.request) != nil, "octet \(index) \(answer[index]) -> \(changed[index]) \(random)")
        }
        for count in stride(from: 0, to: answer.count, by: 7) {
            #expect(try Self.fault(Array(answer.prefix(count)), Self.good.request) != nil)
        }
    }

    static func fault(_ answer: [UInt8], _ request: TimeStampRequest) throws -> TimeStampFault? {
        do throws(TimeStampFault) {
            _ = try TimeStampResponse.check(answer, answering: request, at: moment, accepting: 300, trust: trusting)
            return nil
        } catch {
            return error
        }
    }
}
