import Auditor
import FoundationEssentials
import SigningModel
import SigningTestKit
import Testing

/// What retention deleted: jobs that nobody had read are a finding, the rest is beyond the audit, and neither hides anything else.
@Suite struct RetentionTests {
    private func lab() async throws -> AuditLab { try await AuditLab.honest(partitions: 1) }

    private func codes(_ report: AuditReport) -> [String] { report.findings.map(\.code.rawValue) }

    private func source(_ lab: AuditLab, _ index: Int) throws -> Offset { try JobResult.read(lab.results[0][index].value!).source.offset }

    @Test func jobsDeletedUnreadAreAFindingWithTheirOffsets() async throws {
        var lab = try await lab()
        // In the middle, with results on both sides of them
        lab.firstJobs[0] = 6
        lab.results[0].removeSubrange(2...4)
        var report = try await lab.audit(allowsPending: true)
        #expect(codes(report) == ["jobs-deleted-unread"] && report.deletedUnread == 3 && report.lost == 0)
        #expect(report.findings.first?.offset == Offset(2) && report.findings.first?.sentence.contains("offsets 2 to 4") == true)
        // Up to the first that is left
        lab = try await self.lab()
        lab.firstJobs[0] = 6
        lab.results[0].removeSubrange(4...)
        report = try await lab.audit(allowsPending: true)
        #expect(codes(report) == ["jobs-deleted-unread"] && report.deletedUnread == 2)
        #expect(report.pending == lab.jobs[0].count - 6)
        #expect(String(decoding: report.json, as: UTF8.self).contains("\"deletedUnread\":2"))
    }

    /// Deleted with its time and a second result all the same.
    @Test func aSecondResultOfADeletedJobIsADouble() async throws {
        var lab = try await lab()
        lab.firstJobs[0] = 6
        let copy = lab.results[0][3]
        lab.results[0].append(StreamRecord(offset: Offset(999), key: copy.key, value: copy.value, time: copy.time))
        #expect(codes(try await lab.audit(allowsPending: true)) == ["result-doubled"])
        lab = try await self.lab()
        lab.firstJobs[0] = 6
        lab.reorder(0, [0, 2, 1] + (3..<lab.results[0].count))
        #expect(codes(try await lab.audit(allowsPending: true)) == ["result-out-of-order"])
    }

    /// One offset without a result may have been the mark of a transaction, where enqueuers use them, as the jobs that are left show.
    @Test func aMarkOfATransactionIsNoDeletedJob() async throws {
        var lab = try await lab()
        lab.firstJobs[0] = 6
        lab.results[0].remove(at: 3)
        #expect(codes(try await lab.audit(allowsPending: true)) == ["jobs-deleted-unread"])
        let gone = try source(lab, 8)
        lab.jobs[0].removeAll { $0.offset == gone }
        lab.results[0].remove(at: 8)
        let report = try await lab.audit(allowsPending: true)
        #expect(report.isClean && report.unjudged == 1 && report.deletedUnread == 0)
    }

    @Test func jobsWhoseResultsAreDeletedAreNotLost() async throws {
        var lab = try await lab()
        let index = 5
        lab.firstResults[0] = lab.results[0][index].offset.rawValue
        let report = try await lab.audit()
        #expect(report.isClean, "\(report.text)")
        #expect(report.unjudged == index && report.lost == 0 && report.packagesUnjudged == 1)
        #expect(report.text.contains("clean: every job that could be judged"))
        // It hides nothing of what is left
        lab.results[0].remove(at: index + 2)
        let tampered = try await lab.audit()
        #expect(codes(tampered) == ["job-without-result"] && tampered.lost == 1)
    }

    /// A duplicate and a conflict whose first job has lost its result are not unfounded.
    @Test func whatPointsAtADeletedResultCannotBeJudged() async throws {
        var lab = try await lab()
        let duplicate = try lab.place { if case .duplicate = $0.outcome { true } else { false } }
        lab.firstResults[0] = lab.results[0][duplicate.index].offset.rawValue
        #expect(try await lab.audit().isClean)
    }

    /// Results without their jobs: each is judged over the digest that it names, and that there is one for each job.
    @Test func resultsAloneAreJudgedByThemselves() async throws {
        let honest = try await {
            var lab = try await AuditLab.honest()
            lab.isWithoutJobs = true
            return lab
        }()
        let report = try await honest.audit()
        #expect(report.isClean, "\(report.text)")
        #expect(report.outside == 16 && report.results == 16 && report.jobs == 0 && report.packagesComplete == 1)
        #expect(report.text.contains("over the digest that it names"))

        var lab = honest
        let signed = try lab.place { if case .signed = $0.outcome { true } else { false } }
        try lab.change(signed) { $0.digest?.value[0] ^= 1 }
        #expect(codes(try await lab.audit()) == ["document-digest-differs"])
        lab = honest
        try lab.change(signed, key: Array("another".utf8)) { _ in }
        #expect(codes(try await lab.audit()) == ["result-differs-from-job"])
        lab = honest
        lab.results[signed.partition].remove(at: 1)
        let missing = try await lab.audit(allowsPending: true)
        #expect(codes(missing) == ["job-without-result"] && missing.lost == 1)
        lab = honest
        let copy = lab.results[signed.partition][signed.index]
        lab.results[signed.partition].append(StreamRecord(offset: Offset(999), key: copy.key, value: copy.value, time: copy.time))
        #expect(codes(try await lab.audit()) == ["result-doubled"])
        // The same id signed for another job record
        let end = Offset(Int64(lab.jobs[signed.partition].count))
        lab = honest
        var again = try JobResult.read(copy.value!)
        again.source = SourcePosition(topic: again.source.topic, partition: again.source.partition, offset: end)
        lab.results[signed.partition].append(StreamRecord(offset: Offset(999), key: copy.key, value: again.encoded(), time: copy.time))
        #expect(codes(try await lab.audit()) == ["signed-twice"])
    }

    /// Retention took the jobs and left their results: a signature that does not hold is found all the same.
    @Test func resultsOfDeletedJobsAreStillJudged() async throws {
        var lab = try await lab()
        lab.firstJobs[0] = 6
        #expect(try await lab.audit().isClean)
        try lab.change((0, 2)) { $0.digest?.value[0] ^= 1 }
        #expect(codes(try await lab.audit()) == ["document-digest-differs"])
    }

    @Test func aLevelThatWasChangedOnPurposeIsANote() async throws {
        var lab = try await lab()
        // The same document signed without a time-stamp, as the profile did before
        let place = try lab.place { if case .signed(_, _, .some) = $0.outcome { true } else { false } }
        let job = try lab.job(of: place).job
        let outcome = try Forgery().outcome(for: job)
        try lab.change(place) { $0.outcome = outcome }
        let report = try await lab.audit()
        #expect(codes(report) == ["profile-level-mixed"], "\(report.text)")
        #expect(report.findings.first?.sentence.contains("--level-changed rsa-t") == true)
        let told = try await lab.audit(levelsChanged: ["rsa-t"])
        #expect(told.isClean && told.notes.count == 1 && told.text.contains("changed on purpose"), "\(told.text)")
        #expect(try await !lab.audit(levelsChanged: ["another"]).isClean)
    }
}
