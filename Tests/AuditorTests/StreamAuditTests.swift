import Auditor
import CMS
import FoundationEssentials
import LibCrypto
import SigningModel
import SigningTestKit
import Testing

/// An honest stream is clean; each way to tamper with it has its own finding, which names the job.
@Suite struct StreamAuditTests {
    private static func isSigned(_ result: JobResult) -> Bool { if case .signed = result.outcome { true } else { false } }

    private static func isStamped(_ result: JobResult) -> Bool { if case .signed(_, _, .some) = result.outcome { true } else { false } }

    private static func codes(_ report: AuditReport) -> [String] { report.findings.map(\.code.rawValue) }

    @Test func anHonestStreamIsClean() async throws {
        let report = try await AuditLab.honest().audit()
        #expect(report.findings.map(\.description) == [])
        #expect(report.isClean)
        #expect(report.jobs == 16 && report.results == 16 && report.signed == 12 && report.refused == 3 && report.duplicate == 1)
        #expect(report.lost == 0 && report.doubled == 0 && report.pending == 0 && report.packagesComplete == 1)
        #expect(String(decoding: report.json, as: UTF8.self).contains(#""verdict":"clean""#))
    }

    @Test func aMissingResultIsALostJob() async throws {
        var lab = try await AuditLab.honest()
        let partition = try #require(lab.results.firstIndex { $0.count >= 3 })
        lab.results[partition].remove(at: 0)
        let report = try await lab.audit()
        #expect(report.lost == 1 && report.packagesIncomplete <= 1)
        let finding = try #require(report.findings.first { $0.code == .jobWithoutResult })
        #expect(finding.partition == Partition(Int32(partition)) && finding.offset == Offset(0) && finding.job != nil)
    }

    @Test func aMissingEndIsPending() async throws {
        var lab = try await AuditLab.honest()
        lab.results[0].removeLast()
        #expect(Self.codes(try await lab.audit()).contains("job-pending"))
        let report = try await lab.audit(allowsPending: true)
        #expect(report.pending == 1 && report.isClean && report.lost == 0)
    }

    @Test func aSecondResultIsADouble() async throws {
        var lab = try await AuditLab.honest()
        let first = lab.results[0][0]
        lab.results[0].append(StreamRecord(offset: Offset(999), key: first.key, value: first.value, time: first.time))
        let report = try await lab.audit()
        #expect(Self.codes(report) == ["result-doubled"] && report.doubled == 1)
    }

    @Test func exchangedResultsAreOutOfOrder() async throws {
        var lab = try await AuditLab.honest()
        let (a, b) = (lab.results[0][0], lab.results[0][1])
        lab.results[0][0] = StreamRecord(offset: a.offset, key: b.key, value: b.value, time: b.time)
        lab.results[0][1] = StreamRecord(offset: b.offset, key: a.key, value: a.value, time: a.time)
        let report = try await lab.audit()
        #expect(Self.codes(report).contains("result-out-of-order") && report.lost == 0)
    }

    @Test func aStrangerHasNoJob() async throws {
        var lab = try await AuditLab.honest()
        let last = lab.results[0].count - 1
        try lab.change((0, last)) { $0.source = SourcePosition(topic: "test.jobs", partition: Partition(0), offset: Offset(4711)) }
        #expect(Self.codes(try await lab.audit()) == ["result-without-job", "job-pending"], "the stranger took the place of the last result")
    }

    @Test func whatIsNoResultIsFound() async throws {
        var lab = try await AuditLab.honest()
        let record = lab.results[0][0]
        lab.results[0][0] = StreamRecord(offset: record.offset, key: record.key, value: Array("{}".utf8), time: record.time)
        #expect(Self.codes(try await lab.audit()).contains("result-unreadable"))
    }

    @Test func aFlippedSignatureDoesNotHold() async throws {
        var lab = try await AuditLab.honest()
        let place = try lab.place(Self.isSigned)
        try lab.change(place) { result in
            guard case .signed(var signature, let signer, let timestamp) = result.outcome else { return }
            signature.value[signature.value.count - (timestamp == nil ? 1 : 5)] ^= 1
            result.outcome = .signed(signature, signer: signer, timestamp: timestamp)
        }
        let report = try await lab.audit()
        #expect(report.findingCount >= 1 && report.findings.allSatisfy { $0.offset != nil && $0.job != nil })
        #expect(Self.codes(report).contains { $0.hasPrefix("signature") || $0.hasPrefix("timestamp") || $0 == "not-der" })
    }

    @Test func theSignatureOfAnotherDocumentDoesNotHold() async throws {
        var lab = try await AuditLab.honest()
        let signed = try (0..<2).flatMap { partition in
            try lab.results[partition].indices.filter { Self.isSigned(try JobResult.read(lab.results[partition][$0].value!)) }.map { (partition, $0) }
        }
        let (one, other) = (signed[0], try #require(signed.last))
        let foreign = try JobResult.read(lab.results[other.0][other.1].value!).outcome
        try lab.change(one) { $0.outcome = foreign }
        #expect(Self.codes(try await lab.audit()).contains("document-digest-differs"))
    }

    @Test func aCutTimeStampIsNoticed() async throws {
        var lab = try await AuditLab.honest()
        let (stamped, plain) = (try lab.place(Self.isStamped), try lab.place { Self.isSigned($0) && !Self.isStamped($0) })
        try lab.change(stamped) { result in
            guard case .signed(let signature, let signer, _) = result.outcome else { return }
            result.outcome = .signed(signature, signer: signer, timestamp: nil)
        }
        try lab.change(plain) { result in
            guard case .signed(var signature, let signer, _) = result.outcome else { return }
            signature.level = .bT
            result.outcome = .signed(signature, signer: signer, timestamp: TimestampSummary(authority: "local", time: Date(), serial: "01"))
        }
        let codes = Self.codes(try await lab.audit())
        #expect(codes.count >= 2 && Set(codes) == ["result-differs-from-signature"])
    }

    @Test func aForeignCertificateIsNotTrusted() async throws {
        let other = try TestPKI(notBefore: Date(timeIntervalSince1970: 1_577_836_800), notAfter: Date(timeIntervalSince1970: 2_208_988_800))
        let report = try await AuditLab.honest().audit(trust: other)
        #expect(report.findingCount >= 12 && report.signed == 12)
        #expect(Set(Self.codes(report)).contains("certificate-untrusted"))
    }

    @Test func aResultMustSayWhatItsJobSays() async throws {
        let changes: [(String, (inout JobResult) -> Void)] = [
            ("job", { $0.job = "somebody else" }), ("package", { $0.package = nil }), ("document", { $0.documentID = "other" }),
            ("digest", { $0.digest = DocumentDigest(algorithm: .sha256, value: Array(repeating: 0, count: 32)) }),
            ("attributes", { $0.attributes = nil }),
            ("source", { $0.source = SourcePosition(topic: "other.jobs", partition: $0.source.partition, offset: $0.source.offset) }),
        ]
        for (name, change) in changes {
            var lab = try await AuditLab.honest()
            try lab.change(try lab.place(Self.isSigned), change)
            #expect(Self.codes(try await lab.audit()) == ["result-differs-from-job"], "\(name)")
        }
        var lab = try await AuditLab.honest()
        try lab.change(try lab.place(Self.isSigned), key: [1]) { _ in }
        #expect(Self.codes(try await lab.audit()) == ["result-differs-from-job"])
    }

    @Test func aRefusalMustBeFounded() async throws {
        for refusal in [
            Refusal.jobMalformed(.noValue, at: 0), .misplaced(.noKey, in: Partition(0)), .jobExpired(Date(), judged: Date(), enqueued: Date()),
        ] {
            var lab = try await AuditLab.honest()
            try lab.change(try lab.place(Self.isSigned)) { $0.outcome = .refused(refusal) }
            #expect(Self.codes(try await lab.audit()).contains("refusal-unfounded"), "\(refusal.code)")
        }
        var lab = try await AuditLab.honest()
        try lab.change(try lab.place { $0.job == "job-3" && Self.isSigned($0) }) {
            $0.outcome = .refused(.jobConflict(with: Partition(0), Offset(0)))
        }
        #expect(Self.codes(try await lab.audit()).contains("refusal-unfounded"))
    }

    @Test func aDuplicateMustPointAtASignedJobOfItsIDAndContent() async throws {
        var lab = try await AuditLab.honest()
        try lab.change(try lab.place(Self.isSigned)) { $0.outcome = .duplicate(of: $0.source.partition, $0.source.offset) }
        #expect(Self.codes(try await lab.audit()).contains("duplicate-unfounded"))
    }

    @Test func anIDThatIsSignedTwiceIsADouble() async throws {
        var lab = try await AuditLab.honest()
        let place = try lab.place { $0.job == "job-1" && Self.isSigned($0) }
        let first = try JobResult.read(lab.results[place.partition][place.index].value!)
        let duplicate = try lab.place { if case .duplicate = $0.outcome { true } else { false } }
        try lab.change(duplicate) { $0.outcome = first.outcome }
        let report = try await lab.audit()
        #expect(Self.codes(report).contains("signed-twice") && report.doubled == 1)
    }
}
