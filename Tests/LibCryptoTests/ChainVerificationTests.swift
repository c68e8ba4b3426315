import Dispatch
import Foundation
import LibCrypto
import Testing

@Suite struct ChainVerificationTests {
    func verify(
        _ leaf: Certificate, _ intermediates: [Certificate], _ anchors: [Certificate], at date: Date = TestPKI.middle,
        purpose: ChainVerification.Purpose = .any
    ) -> ChainVerdict {
        ChainVerification.verify(leaf: leaf, intermediates: intermediates, anchors: anchors, at: date, purpose: purpose)
    }

    func fault(_ verdict: ChainVerdict) -> ChainFault? {
        if case .refused(_, let code) = verdict { code } else { nil }
    }

    /// The openssl program takes what the builder makes, and both find the same chain.
    @Test func openSSLCommandAgrees() throws {
        let pki = try TestPKI()
        let openssl = try OpenSSLCommand()
        try openssl.write(pki.root.pem, to: "root.pem")
        try openssl.write(pki.authority.pem, to: "authority.pem")
        try openssl.write(pki.signer.pem, to: "signer.pem")
        try openssl.write(pki.timeStamper.pem, to: "tsa.pem")
        let time = Int(TestPKI.middle.timeIntervalSince1970)
        let common = "verify -x509_strict -no-CApath -no-CAstore -attime \(time) -CAfile root.pem -untrusted authority.pem"
        #expect(try openssl.run("\(common) signer.pem").text == "signer.pem: OK\n")
        #expect(try openssl.run("\(common) -purpose timestampsign tsa.pem").text == "tsa.pem: OK\n")
        #expect(verify(pki.signer, [pki.authority], [pki.root]) == .trusted([pki.signer, pki.authority, pki.root]))
        #expect(
            verify(pki.timeStamper, [pki.authority], [pki.root], purpose: .timeStamping)
                == .trusted([pki.timeStamper, pki.authority, pki.root]))
        try openssl.run("\(common) -purpose timestampsign signer.pem", expecting: 2)
        #expect(fault(verify(pki.signer, [pki.authority], [pki.root], purpose: .timeStamping)) == .purposeUnfit)
    }

    @Test func uselessAndRepeatedCertificatesDoNoHarm() throws {
        let pki = try TestPKI()
        let stranger = try TestPKI(authorityKey: .generateEC(curve: "P-384"))
        let many = [stranger.authority, pki.signer, pki.authority, pki.authority, stranger.root, pki.root]
        #expect(verify(pki.signer, many, [stranger.root, pki.root, pki.root]) == .trusted([pki.signer, pki.authority, pki.root]))
        // The names are the same in both PKIs: only the keys tell them apart.
        #expect(pki.root.subjectDER == stranger.root.subjectDER)
        #expect(fault(verify(pki.signer, many, [stranger.root])) != nil)
    }

    @Test func anAnchorNeedNotBeARoot() throws {
        let pki = try TestPKI()
        #expect(verify(pki.signer, [], [pki.authority]) == .trusted([pki.signer, pki.authority]))
        #expect(verify(pki.signer, [], [pki.signer]) == .trusted([pki.signer]))
    }

    @Test func withoutAChainThereIsNoTrust() throws {
        let pki = try TestPKI()
        #expect(fault(verify(pki.signer, [], [pki.root])) == .issuerUnknown)
        #expect(fault(verify(pki.signer, [pki.authority, pki.root], [])) == .selfSignedInChain)
        #expect(fault(verify(pki.signer, [pki.authority], [])) != nil)
        #expect(fault(verify(pki.root, [], [])) == .selfSignedLeaf)
        if case .refused(let reason, _) = verify(pki.signer, [], [pki.root]) { #expect(reason.contains("CN=Signer")) }
    }

    @Test func validityCountsAtTheGivenMoment() throws {
        let pki = try TestPKI()
        func at(_ date: Date) -> ChainFault? { fault(verify(pki.signer, [pki.authority], [pki.root], at: date)) }
        #expect(at(TestPKI.start.addingTimeInterval(-1)) == .notYetValid)
        #expect(at(TestPKI.start) == nil)
        #expect(at(TestPKI.end.addingTimeInterval(-1)) == nil)
        // By RFC 5280, 4.1.2.5 the last second belongs to the validity; OpenSSL is stricter by that second.
        #expect(at(TestPKI.end) == .expired)
        #expect(at(TestPKI.end.addingTimeInterval(1)) == .expired)
    }

    @Test func brokenChainsAreRefused() throws {
        let pki = try TestPKI()
        // Signed with another key than the issuer's. Without the authority's key identifier OpenSSL gets as far as the signature.
        let forged = try TestPKI.signerBuilder.with("authorityKeyIdentifier", nil)
            .issued(to: pki.leafKey.publicKey, by: pki.authority, with: TestPKI.forgersKey.get())
        #expect(fault(verify(forged, [pki.authority], [pki.root])) != nil)
        let forgedWhole = try TestPKI.signerBuilder.issued(to: pki.leafKey.publicKey, by: pki.authority, with: TestPKI.forgersKey.get())
        #expect(fault(verify(forgedWhole, [pki.authority], [pki.root])) == .signatureInvalid)
        // A signer is no authority.
        let below = try TestPKI.signerBuilder.issued(to: pki.leafKey.publicKey, by: pki.signer, with: pki.leafKey)
        #expect(fault(verify(below, [pki.signer, pki.authority], [pki.root])) != nil)
        // The authority may have no authority below it.
        let second =
            try CertificateBuilder
            .authority(.init(commonName: "Second"), notBefore: TestPKI.start, notAfter: TestPKI.end, serialNumber: [9])
            .issued(to: pki.leafKey.publicKey, by: pki.authority, with: pki.authorityKey)
        let tooDeep = try TestPKI.signerBuilder.issued(to: pki.leafKey.publicKey, by: second, with: pki.leafKey)
        #expect(fault(verify(tooDeep, [second, pki.authority], [pki.root])) == .pathTooLong)
        // An unknown critical extension must be understood (RFC 5280, 4.2).
        let unknown = try pki.issue(TestPKI.signerBuilder.with("1.2.3.4.5", "critical,DER:0500"))
        #expect(fault(verify(unknown, [pki.authority], [pki.root])) == ChainFault(rawValue: 34))
    }

    @Test func weakChainsAreRefused() throws {
        let pki = try TestPKI()
        let smallKey = try PrivateKey.generateRSA(bits: 1024)
        let small = try TestPKI.signerBuilder.issued(to: smallKey.publicKey, by: pki.authority, with: pki.authorityKey)
        #expect(fault(verify(small, [pki.authority], [pki.root])) == ChainFault(rawValue: 66))
        var builder = TestPKI.signerBuilder
        builder.digest = .sha1
        let sha1 = try pki.issue(builder)
        #expect(fault(verify(sha1, [pki.authority], [pki.root])) == ChainFault(rawValue: 68))
    }

    @Test func threadsVerifyTheSameCertificates() throws {
        let pki = try TestPKI()
        let wrong = Counter()
        DispatchQueue.concurrentPerform(iterations: 200) { index in
            let date = index.isMultiple(of: 2) ? TestPKI.middle : TestPKI.end.addingTimeInterval(1)
            let fault = self.fault(self.verify(pki.signer, [pki.authority], [pki.root], at: date))
            if fault != (index.isMultiple(of: 2) ? nil : .expired) { wrong.add() }
        }
        #expect(wrong.value == 0)
    }

    /// The names of the roots of 2015 and 2020 are the same; the key identifiers tell them apart.
    @Test(.enabled(if: KazakhstanVectorTests.folder != nil)) func kazakhstanRSAChain() throws {
        let root = try KazakhstanVectorTests.read("production-cas/root_rsa_2020.cer")
        let oldRoot = try KazakhstanVectorTests.read("production-cas/root_rsa.pem")
        let authority = try KazakhstanVectorTests.read("production-cas/nca_rsa_2022.cer")
        #expect(verify(authority, [], [oldRoot, root]) == .trusted([authority, root]))
        #expect(fault(verify(authority, [], [oldRoot])) != nil)
        // OpenSSL knows no GOST key: refused, not crashed.
        let gost = try KazakhstanVectorTests.read("production-cas/nca_gost_2022.pem")
        #expect(fault(verify(gost, [], [try KazakhstanVectorTests.read("production-cas/root_gost_2022.pem")])) != nil)
    }
}
