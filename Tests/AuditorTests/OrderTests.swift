import Auditor
import FoundationEssentials
import SigningModel
import SigningTestKit
import Testing

/// Results that are not where they belong: each is found once, whatever stands around it, and what can be checked is checked all the same.
@Suite struct OrderTests {
    private static let long = 1

    /// The lab with the partition that has more results put second.
    private func lab() async throws -> AuditLab {
        let lab = try await AuditLab.honest()
        try #require(lab.results.allSatisfy { $0.count >= 5 })
        return lab
    }

    private func codes(_ report: AuditReport) -> [String] { report.findings.map(\.code.rawValue) }

    private func source(_ lab: AuditLab, _ partition: Int, _ index: Int) throws -> Offset {
        try JobResult.read(lab.results[partition][index].value!).source.offset
    }

    /// A result that names an offset beyond all jobs, put between others: one finding, not one for each that follows.
    @Test func aStrangerAmongOthersIsOneFinding() async throws {
        for index in [0, 2, 4] {
            var lab = try await lab()
            var stranger = try JobResult.read(lab.results[Self.long][index].value!)
            stranger.source = SourcePosition(topic: "test.jobs", partition: Partition(1), offset: Offset(4711))
            let record = lab.results[Self.long][index]
            lab.results[Self.long].insert(
                StreamRecord(offset: Offset(record.offset.rawValue - 1), key: record.key, value: stranger.encoded(), time: record.time), at: index)
            let report = try await lab.audit()
            #expect(codes(report) == ["result-without-job"])
            #expect(report.findings.first?.offset == Offset(record.offset.rawValue - 1))
            #expect(report.lost == 0 && report.doubled == 0 && report.results == report.jobs + 1)
        }
    }

    /// Enqueuers with transactions leave holes between jobs. A result of a hole is a stranger, too.
    @Test func aResultOfAHoleIsAStranger() async throws {
        for isLate in [false, true] {
            var lab = try await lab()
            let gone = try source(lab, Self.long, 1)
            lab.jobs[Self.long].removeAll { $0.offset == gone }
            if isLate { lab.reorder(Self.long, [0] + (2..<lab.results[Self.long].count) + [1]) }
            let report = try await lab.audit(allowsPending: true)
            #expect(codes(report) == ["result-without-job"])
        }
    }

    @Test func holesAloneAreNoFinding() async throws {
        var lab = try await lab()
        let gone = try source(lab, Self.long, 1)
        lab.jobs[Self.long].removeAll { $0.offset == gone }
        lab.results[Self.long].remove(at: 1)
        #expect(try await lab.audit(allowsPending: true).isClean)
    }

    @Test func twoThatChangedPlacesAreOneFinding() async throws {
        var lab = try await lab()
        let second = try source(lab, Self.long, 2)
        lab.reorder(Self.long, [0, 2, 1] + (3..<lab.results[Self.long].count))
        let report = try await lab.audit()
        #expect(codes(report) == ["result-out-of-order"])
        #expect(report.findings.first?.offset == second && report.lost == 0)
    }

    @Test func oneThatComesLateIsOneFindingAndIsChecked() async throws {
        var lab = try await lab()
        let first = try source(lab, Self.long, 0)
        let order = Array(1..<lab.results[Self.long].count) + [0]
        lab.reorder(Self.long, order)
        var report = try await lab.audit()
        #expect(codes(report) == ["result-out-of-order"])
        #expect(report.findings.first?.offset == first && report.lost == 0)
        // Being late does not save it from being read
        try lab.change((Self.long, order.count - 1)) { $0.attributes = nil }
        report = try await lab.audit()
        #expect(codes(report) == ["result-out-of-order", "result-differs-from-job"])
    }

    @Test func aCopyThatStandsTooEarlyIsFoundTwice() async throws {
        var lab = try await lab()
        let last = lab.results[Self.long].count - 1
        let copy = lab.results[Self.long][last]
        lab.results[Self.long].insert(StreamRecord(offset: Offset(0), key: copy.key, value: copy.value, time: copy.time), at: 0)
        let report = try await lab.audit()
        #expect(codes(report) == ["result-out-of-order", "result-doubled"])
        #expect(report.doubled == 1 && report.lost == 0)
        #expect(report.findings.allSatisfy { $0.offset?.rawValue == Int64(lab.jobs[Self.long].count - 1) })
    }

    @Test func aResultOfAnotherJobInItsPlace() async throws {
        // Value and key of the next: that one is doubled, this one lost
        var lab = try await lab()
        let (this, next) = (lab.results[Self.long][1], lab.results[Self.long][2])
        let lost = try source(lab, Self.long, 1)
        lab.results[Self.long][1] = StreamRecord(offset: this.offset, key: next.key, value: next.value, time: next.time)
        let report = try await lab.audit()
        #expect(Set(codes(report)).subtracting(["package-incomplete"]) == ["result-doubled", "job-without-result"])
        #expect(report.lost == 1 && report.doubled == 1)
        #expect(report.findings.first { $0.code == .jobWithoutResult }?.offset == lost)
    }

    @Test func aPartitionWithoutResults() async throws {
        var lab = try await lab()
        lab.results[Self.long] = []
        let report = try await lab.audit()
        #expect(Set(codes(report)).isSubset(of: ["job-pending", "package-incomplete"]))
        #expect(report.pending == lab.jobs[Self.long].count && report.lost == 0)
        #expect(try await lab.audit(allowsPending: true).isClean)
    }

    @Test func whatIsNoResultTakesTheTurnOfNone() async throws {
        var lab = try await lab()
        let record = lab.results[Self.long][2]
        for value: [UInt8]? in [nil, [], Array("{".utf8), Array(#"{"version":2}"#.utf8)] {
            lab.results[Self.long].insert(
                StreamRecord(offset: Offset(record.offset.rawValue - 1), key: record.key, value: value, time: record.time), at: 2)
            #expect(codes(try await lab.audit()) == ["result-unreadable"])
            lab.results[Self.long].remove(at: 2)
        }
    }

    /// Jobs that were deleted with their time: their results are beyond the audit, those of the others are not.
    @Test func jobsThatWereDeletedAreBeyondTheAudit() async throws {
        let lab = try await lab()
        let report = try await StreamAudit(Shortened(lab: lab, firstJob: Offset(3)), judge: lab.judge, allowsPending: true).run()
        #expect(report.findings.map(\.description) == [])
        #expect(report.outside == 3)
    }

    /// The second partition without its first jobs.
    private struct Shortened: ResultStream {
        let lab: AuditLab
        let firstJob: Offset
        var name: String { lab.name }

        func partitions() async throws -> [AuditedPartition] {
            try await lab.partitions().map {
                $0.partition == Partition(1) ? AuditedPartition(partition: $0.partition, firstJob: firstJob, endOfJobs: $0.endOfJobs) : $0
            }
        }

        func jobs(of partition: Partition, from: Offset, limit: Int) async throws -> [StreamRecord] {
            try await lab.jobs(of: partition, from: partition == Partition(1) ? max(from, firstJob) : from, limit: limit)
        }

        func results(of partition: Partition, from: Offset, limit: Int) async throws -> [StreamRecord] {
            try await lab.results(of: partition, from: from, limit: limit)
        }
    }
}
