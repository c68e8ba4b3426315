import CertificateTrust
import FoundationEssentials
import LibCrypto
import OperatingSystem
import Testing

@testable import TimeStampClient

/// Days from a fixed moment are the only time here.
@Suite struct TrustedAuthoritiesTests {
    private let root: Certificate
    private let leaf: Certificate
    private let other: Certificate
    private let news = Locked<[Certificate]>([])

    private static func day(_ number: Double) -> Date { Date(timeIntervalSince1970: 1_800_000_000 + number * 86_400) }

    /// The root is valid from day 0 to 100, the leaf from day 10 to 50, another of the same name from day 40 to 90.
    init() throws {
        let (rootKey, key) = (try PrivateKey.generateEC(curve: "P-256"), try PrivateKey.generateEC(curve: "P-256"))
        root = try CertificateBuilder.authority(
            DistinguishedName(commonName: "root"), notBefore: Self.day(0), notAfter: Self.day(100), serialNumber: [1]
        ).selfSigned(by: rootKey)
        func stamper(_ from: Double, _ to: Double, _ serial: UInt8, _ root: Certificate) throws -> Certificate {
            try CertificateBuilder.timeStampAuthority(
                DistinguishedName(commonName: "tsa"), notBefore: Self.day(from), notAfter: Self.day(to), serialNumber: [serial]
            ).issued(to: key.publicKey, by: root, with: rootKey)
        }
        leaf = try stamper(10, 50, 2, root)
        other = try stamper(40, 90, 3, root)
    }

    private func authorities(_ anchors: [Certificate]) -> TrustedAuthorities {
        TrustedAuthorities(TrustAnchors(anchors)) { [news] certificate in news.withLock { $0.append(certificate) } }
    }

    private func isTrusted(_ verdict: TrustVerdict) -> Bool {
        if case .trusted = verdict { true } else { false }
    }

    @Test func oneJudgementLastsAsLongAsTheWholeChain() {
        let authorities = authorities([root])
        for day in [10.0, 20, 50] { #expect(isTrusted(authorities.judge(leaf, with: [], at: Self.day(day)))) }
        #expect(news.withLock { $0 } == [leaf])
        for day in [9.9, 50.1, 200] { #expect(!isTrusted(authorities.judge(leaf, with: [], at: Self.day(day)))) }
        #expect(isTrusted(authorities.judge(leaf, with: [], at: Self.day(30))))
        #expect(news.withLock { $0 } == [leaf])
    }

    @Test func anotherCertificateIsJudgedByItself() {
        let authorities = authorities([root])
        #expect(isTrusted(authorities.judge(leaf, with: [], at: Self.day(45))))
        #expect(isTrusted(authorities.judge(other, with: [], at: Self.day(45))))
        #expect(!isTrusted(authorities.judge(leaf, with: [], at: Self.day(60))))
        #expect(isTrusted(authorities.judge(other, with: [], at: Self.day(60))))
        #expect(news.withLock { $0 } == [leaf, other])
    }

    @Test func aRefusalIsNotKeptAndNotTakenForTrust() {
        let authorities = authorities([other])
        for _ in 0..<2 { #expect(!isTrusted(authorities.judge(leaf, with: [], at: Self.day(20)))) }
        #expect(news.withLock { $0 }.isEmpty)
    }

    @Test func strangersDoNotFillTheMemory() {
        let authorities = authorities([root])
        for _ in 0..<100 {
            // Other certificates beside it make another question each
            let others = (0..<Int.random(in: 0...40)).map { _ in other }
            #expect(isTrusted(authorities.judge(leaf, with: others, at: Self.day(20))))
        }
        #expect(authorities.count <= 16)
    }
}
