import Auditor
import FoundationEssentials
import Kafka
import KafkaResultStream
import Log
import OperatingSystem
import ResultExport
import SigningModel
import SigningTestKit
import Testing

/// Goal: an export has every result once, in order, however often it is interrupted, and says what it could not have.
@Suite(.enabled(if: TestBroker.isAvailable)) final class ResultExportTests {
    private let folder = FileManager.default.temporaryDirectory.appending(path: "tanba-export-\(freshName("t"))").path
    private var path: String { folder + "/results.jsonl" }

    init() throws { try Files.createDirectory(folder) }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    /// Publishes results of these jobs as a worker does, a batch a transaction: each leaves a marker behind.
    private func publish(_ sources: Range<Int64>, to lab: StreamLab, partition: Int32 = 0, batch: Int64 = 10, padding: Int = 0) throws {
        let producer = try Producer(
            properties: ["bootstrap.servers": lab.broker.bootstrap, "transactional.id": freshName("id"), "linger.ms": "0"], log: KafkaClient.silent)
        try producer.initTransactions(within: .seconds(30))
        let reader = try Reader(properties: ["bootstrap.servers": lab.broker.bootstrap], log: KafkaClient.silent)
        func end() throws -> Int64 {
            try retrying { try reader.watermarks(of: lab.results, KafkaPartition(partition), within: .seconds(10)).high.rawValue }
        }
        let before = try end()
        for start in stride(from: sources.lowerBound, to: sources.upperBound, by: Int(batch)) {
            let transaction = try producer.begin()
            for source in start..<min(start + batch, sources.upperBound) {
                var job = Job.test("job-\(partition)-\(source)")
                if padding > 0 { job.attributes = Array("{\"a\":\"\(String(repeating: "x", count: min(padding, 4000)))\"}".utf8) }
                let result = JobResult(
                    of: job, outcome: .duplicate(of: Partition(partition), Offset(0)),
                    source: SourcePosition(topic: lab.jobs, partition: Partition(partition), offset: Offset(source)), worker: "w")
                try transaction.produce(to: lab.results, KafkaPartition(partition), key: Array(job.id.utf8), value: result.encoded())
            }
            try producer.flush(within: .seconds(20))
            try transaction.commit(within: .seconds(20))
        }
        // The last mark comes a moment after the commit; only then may be deleted what stands before it
        let marks = (Int64(sources.count) + batch - 1) / batch
        try retrying { guard try end() >= before + Int64(sources.count) + marks else { throw NotYet() } }
    }

    /// What one run of `tanba results --export` does; stops after so many results as if it were killed.
    /// - Returns: the gaps that it told.
    @discardableResult private func run(_ lab: StreamLab, limit: Int = 500, stopAfter: Int = .max) async throws -> [ResultExport.Gap] {
        try await lab.export(to: path, limit: limit, stopAfter: stopAfter)
    }

    /// The sources of the lines, by partition, in the order of the file.
    private func sources() throws -> [Int32: [Int64]] {
        var sources: [Int32: [Int64]] = [:]
        let torn = try LineFile(path: path, isWritten: false).forEachLine { line, _ in
            let exported = try ExportedResult.read(line)
            let source = try #require(exported.result?.source)
            #expect(source.partition == exported.partition && exported.key == Array((exported.result?.job ?? "").utf8))
            sources[source.partition.rawValue, default: []].append(source.offset.rawValue)
        }
        #expect(torn.isEmpty)
        return sources
    }

    /// Killed at any byte of the file: the next run goes on there. Method: the file is cut where a kill may have left it, twenty times.
    @Test func anExportThatIsKilledAtAnyByteGoesOn() async throws {
        let lab = try StreamLab(partitions: 2)
        try publish(0..<150, to: lab, partition: 0)
        try publish(0..<90, to: lab, partition: 1)
        var random = SeededGenerator(seed: 8)
        var cuts = 0
        for round in 0..<20 {
            try await run(lab, limit: 7, stopAfter: 20)
            let size = try Files.read(path, atMost: 1 << 24).count
            let cut = Int.random(in: max(1, size - 1200)...size, using: &random)
            let file = try LineFile(path: path, isWritten: true)
            try file.cut(to: cut)
            if cut < size { cuts += 1 }
            #expect(round < 19 || cuts > 10)
        }
        try publish(150..<200, to: lab, partition: 0)
        try await run(lab)
        #expect(try sources() == [0: Array(0..<200), 1: Array(0..<90)])
        // Nothing new: nothing is added
        let content = try Files.read(path, atMost: 1 << 24)
        #expect(try await run(lab).isEmpty)
        #expect(try Files.read(path, atMost: 1 << 24) == content)
    }

    /// A power cut leaves zeros where bytes had not reached the disk.
    @Test func zerosAtTheEndAreATornLine() async throws {
        let lab = try StreamLab(partitions: 1)
        try publish(0..<10, to: lab)
        try await run(lab)
        let file = try Files.read(path, atMost: 1 << 24)
        try Files.writeAtomically(Array(file.dropLast(100)) + [UInt8](repeating: 0, count: 4096), to: path)
        try await run(lab)
        #expect(try Files.read(path, atMost: 1 << 24) == file)
    }

    /// Retention took results that were not exported: told, with the jobs they were of.
    @Test func resultsDeletedBeforeTheyWereExportedAreTold() async throws {
        let lab = try StreamLab(partitions: 2)
        try publish(0..<20, to: lab)
        try await run(lab)
        // 20 results and 2 markers stand before the next one
        try publish(20..<50, to: lab)
        try RawAdmin.deleteRecords(of: lab.results, 0, before: 33, at: lab.broker.bootstrap)
        let gaps = try await run(lab)
        #expect(gaps.map(\.partition) == [Partition(0)])
        #expect(gaps.first?.offsets == Offset(21)..<Offset(33) && gaps.first?.jobs == Offset(20)..<Offset(30))
        #expect(gaps.first?.description.contains("jobs 20 to 29") == true)
        #expect(try sources() == [0: Array(0..<20) + Array(30..<50)])
        // Told once: the next run goes on behind it
        #expect(try await run(lab).isEmpty)
    }

    /// Retention took what was exported, and the marker behind it: nothing is missing, and nothing is told.
    @Test func resultsDeletedAfterTheyWereExportedAreNotMissed() async throws {
        let lab = try StreamLab(partitions: 1)
        try publish(0..<20, to: lab)
        try await run(lab)
        try RawAdmin.deleteRecords(of: lab.results, 0, before: 22, at: lab.broker.bootstrap)
        #expect(try await run(lab).isEmpty)
        try publish(20..<25, to: lab)
        #expect(try await run(lab).isEmpty)
        #expect(try sources() == [0: Array(0..<25)])
    }

    /// All that came since is deleted, and nothing stands behind it that would tell how much it was.
    @Test func resultsThatAreAllDeletedAreTold() async throws {
        let lab = try StreamLab(partitions: 1)
        try publish(0..<10, to: lab)
        try await run(lab)
        try publish(10..<20, to: lab)
        try RawAdmin.deleteRecords(of: lab.results, 0, before: 22, at: lab.broker.bootstrap)
        let gaps = try await run(lab)
        #expect(gaps.map(\.offsets) == [Offset(10)..<Offset(22)] && gaps.first?.jobs == nil)
    }

    /// An export that begins late begins with what is there.
    @Test func aFirstExportBeginsWithTheFirstResultThatIsThere() async throws {
        let lab = try StreamLab(partitions: 1)
        try publish(0..<20, to: lab)
        try RawAdmin.deleteRecords(of: lab.results, 0, before: 11, at: lab.broker.bootstrap)
        #expect(try await run(lab).isEmpty)
        #expect(try sources() == [0: Array(10..<20)])
    }

    /// Retention overtakes a reader on its way: it learns what it missed instead of jumping. Method: more than the reader fetches ahead.
    @Test func aReaderThatRetentionOvertakesIsTold() async throws {
        let lab = try StreamLab(partitions: 1)
        try publish(0..<4000, to: lab, batch: 1000, padding: 4000)
        let follower = ResultFollower(bootstrap: lab.broker.bootstrap, stream: lab.name, report: .silent)
        var seen = try await follower.next(limit: 1, wait: .seconds(20)).results.map(\.record.offset)
        #expect(seen == [Offset(0)])
        try RawAdmin.deleteRecords(of: lab.results, 0, before: 3990, at: lab.broker.bootstrap)
        var deleted: [ResultFollower.Deletion] = []
        while true {
            let caught = try await follower.next(limit: 500, wait: .seconds(20))
            deleted += caught.deleted
            if deleted.isEmpty { seen += caught.results.map(\.record.offset) }
            if caught.isAtEnd { break }
        }
        #expect(deleted.map(\.offsets) == [seen.last!.next..<Offset(3990)])
    }

    @Test func aFileOfAnotherStreamIsRefusedAndLeftAlone() async throws {
        let (lab, other) = (try StreamLab(partitions: 1), try StreamLab(partitions: 1))
        try publish(0..<5, to: other)
        try publish(0..<10, to: lab)
        try await run(other)
        for content in [try Files.read(path, atMost: 1 << 20), Array("notes\n".utf8), Array("notes".utf8), Array("{\"stream\":\"of things\"".utf8)] {
            try Files.writeAtomically(content, to: path)
            let error = await #expect(throws: ResultExportError.self) { try await self.run(lab) }
            #expect(error?.description.contains("left as it is") == true)
            #expect(try Files.read(path, atMost: 1 << 20) == content)
        }
    }

    /// A stream that was made anew has its name and other records.
    @Test func aStreamThatWasMadeAnewIsNotGoneOnWith() async throws {
        let (lab, before) = (try StreamLab(partitions: 1), try StreamLab(partitions: 1))
        try publish(0..<10, to: before)
        try await run(before)
        let text = String(decoding: try Files.read(path, atMost: 1 << 20), as: UTF8.self).replacing(before.name, with: lab.name)
        try Files.writeAtomically(Array(text.utf8), to: path)
        // It ends before the file does
        let ends = await #expect(throws: KafkaStreamError.self) { try await self.run(lab) }
        #expect(ends?.reason.contains("ends at 0") == true, "\(ends?.reason ?? "")")
        // It has another record there
        try publish(100..<110, to: lab)
        let differs = await #expect(throws: ResultExportError.self) { try await self.run(lab) }
        #expect(differs?.reason.contains("another record") == true)
        #expect(try Files.read(path, atMost: 1 << 20) == Array(text.utf8))
    }

    @Test func twoRunsDoNotWriteOneFile() async throws {
        let first = try ResultExport(path: path, stream: "s")
        #expect(throws: LockFileInUse.self) { try ResultExport(path: self.path, stream: "s") }
        withExtendedLifetime(first) {}
    }

    /// What is no result is kept as it is, and a key of any bytes.
    @Test func recordsThatAreNoResultsAreKept() async throws {
        let lab = try StreamLab(partitions: 1)
        let producer = try Producer(properties: ["bootstrap.servers": lab.broker.bootstrap], log: KafkaClient.silent)
        let values: [[UInt8]?] = [nil, [], [0, 255, 10, 34], Array("{\n}".utf8)]
        for value in values { try producer.produce(to: lab.results, KafkaPartition(0), key: [0, 34, 255], value: value) }
        try producer.flush(within: .seconds(20))
        try await run(lab)
        var read: [[UInt8]?] = []
        _ = try LineFile(path: path, isWritten: false).forEachLine { line, _ in
            let exported = try ExportedResult.read(line)
            #expect(exported.key == [0, 34, 255] && exported.result == nil)
            read.append(exported.value)
        }
        #expect(read == values)
    }
}

extension StreamLab {
    /// What one run of `tanba results --export` does; stops after so many results as if it were killed.
    /// - Returns: the gaps that it told.
    @discardableResult func export(to path: String, limit: Int = 500, stopAfter: Int = .max) async throws -> [ResultExport.Gap] {
        let export = try ResultExport(path: path, stream: name)
        let follower = ResultFollower(bootstrap: broker.bootstrap, stream: name, from: export.places, report: .silent)
        var gaps: [ResultExport.Gap] = []
        let before = export.count
        while export.count - before < stopAfter {
            let caught = try await follower.next(limit: limit, wait: .seconds(5))
            for deletion in caught.deleted { export.noteDeleted(deletion.offsets, in: deletion.partition) }
            gaps += try export.append(
                caught.results.map {
                    ExportedResult(
                        stream: name, partition: $0.partition, offset: $0.record.offset, time: $0.record.time, key: $0.record.key,
                        value: $0.record.value)
                })
            if caught.isAtEnd { break }
        }
        return gaps + export.openGaps
    }
}
