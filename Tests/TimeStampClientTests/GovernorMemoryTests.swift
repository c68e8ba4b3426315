import Foundation
import OperatingSystem
import Testing

@testable import TimeStampClient

/// What a governor knows outlives its process.
@Suite struct GovernorMemoryTests {
    private let lab = GovernorLab()
    private let folder: TestFolder

    init() throws { folder = try TestFolder() }

    private var path: String { folder("timestamps.json") }

    @Test func aBanSurvivesARestart() async throws {
        let lab = lab
        let path = path
        let banning = SimulatedAuthority("a", lab.time)
        banning.follow { number, now, _ in number > 5 && now < .seconds(86_400) ? .status(429, retryAfter: .seconds(86_400)) : .grant() }
        try await lab.time.run {
            let before = lab.governor(banning, memory: lab.memory(path))
            let group = lab.group([before])
            let work = Task { try await lab.stamp(20, by: group) }
            try await lab.time.sleep(.seconds(10))
            work.cancel()
            _ = try? await work.value
            await before.close()
            let sent = banning.arrivals.count

            let after = lab.governor(SimulatedAuthority("other", lab.time), memory: lab.memory(path))
            #expect(after.status.state == "in")
            let again = SimulatedAuthority("a", lab.time)
            let restarted = lab.governor(again, memory: lab.memory(path))
            #expect(restarted.status.state == "held" && restarted.status.budget != nil)
            let its = lab.group([restarted])
            #expect(its.reserve(1) == 0)
            #expect(its.obstacle?.hasPrefix("authority a, which wants no requests before 2026-09-22T14:13:2") == true)
            try await lab.time.sleep(.seconds(80_000))
            #expect(its.reserve(1) == 0 && again.arrivals.isEmpty && banning.arrivals.count == sent)
            try await lab.time.sleep(.seconds(90_000))
            #expect(its.reserve(1) == 1)
        }
    }

    @Test func whatWasUsedStillCounts() async throws {
        let lab = lab
        let path = path
        let rate = RequestRate(20, in: .seconds(1200))
        try await lab.time.run {
            let a = SimulatedAuthority("a", lab.time)
            let first = lab.governor(a, budget: rate, memory: lab.memory(path))
            _ = try await lab.stamp(13, by: lab.group([first]))
            // Killed: nothing is closed. What was sent is in the file all the same.
            let second = lab.governor(a, budget: rate, memory: lab.memory(path))
            second.share(among: 1, in: "s")
            #expect(second.status.budgetLeft == 7)
            let third = lab.governor(a, budget: rate, memory: lab.memory(path))
            third.share(among: 2, in: "s")
            #expect(third.status.budgetLeft == 0)
            try await lab.time.sleep(.seconds(1203))
            #expect(second.status.budgetLeft == 20 && third.status.budgetLeft == 10)
        }
    }

    @Test func anOutageSurvivesARestartAndIsProbedFirst() async throws {
        let lab = lab
        let path = path
        try await lab.time.run {
            let a = SimulatedAuthority("a", lab.time)
            a.follow { _, _, _ in .status(403) }
            let first = lab.governor(a, memory: lab.memory(path))
            let group = lab.group([first])
            #expect(group.reserve(1) == 1)
            let waiting = Task { try await group.timeStamp(GovernorLab.imprint) { true } }
            try await lab.time.sleep(.seconds(5))
            waiting.cancel()
            _ = try? await waiting.value
            await first.close()

            let b = SimulatedAuthority("a", lab.time)
            let second = lab.governor(b, memory: lab.memory(path))
            #expect(second.status.state == "refusing" && second.status.reason == "scripted http-status 403")
            let its = lab.group([second])
            #expect(its.reserve(1) == 0)
            #expect(try await lab.stamp(3, by: its, poll: .seconds(1)).by == ["a": 3])
            #expect(b.arrivals.count == 4 && b.imprints[0] != GovernorLab.imprint)
            #expect(lab.time.now > .seconds(400) && lab.time.now < .seconds(700))
        }
    }

    @Test(arguments: [
        "", "{", "[]", #"{"version":1,"authorities":[{"name":7}]}"#, #"{"authorities":[{"name":"a","learned":{"requests":0,"window_ms":-5}}]}"#,
    ])
    func anUnreadableFileIsAnEmptyMemory(_ text: String) throws {
        try folder.write(text.utf8, to: "timestamps.json")
        let memory = AuthorityMemory(path: path)
        #expect(memory.record(of: "a")?.learned == nil && memory.record(of: "a")?.outage == nil)
    }

    @Test func everythingComesBackAsItWas() async throws {
        let memory = AuthorityMemory(path: path)
        var record = AuthorityMemory.Record()
        record.outage = AuthorityMemory.Outage(
            cause: "lying", reason: "a \"quoted\"\nreason", since: Date(timeIntervalSince1970: 1000), until: Date(timeIntervalSince1970: 2000),
            openings: 4)
        record.learned = RequestRate(20, in: .seconds(1200))
        record.heldUntil = Date(timeIntervalSince1970: 3000)
        record.lastHold = .seconds(7)
        record.uses = [(Date(timeIntervalSince1970: 5), 1), (Date(timeIntervalSince1970: 6), 20)]
        await memory.remember(record, of: "a", at: .zero, lab.log)
        await memory.remember(AuthorityMemory.Record(), of: "b", at: .zero, lab.log)
        let read = try #require(AuthorityMemory(path: path).record(of: "a"))
        #expect(read.outage == record.outage && read.learned == record.learned)
        #expect(read.heldUntil == record.heldUntil && read.lastHold == record.lastHold)
        #expect(read.uses.map(\.time) == record.uses.map(\.time) && read.uses.map(\.count) == [1, 20])
    }

    @Test func aFolderThatIsGoneIsReportedOnce() async throws {
        let memory = AuthorityMemory(path: "/nowhere/at/all/timestamps.json")
        for _ in 0..<3 { await memory.remember(AuthorityMemory.Record(), of: "a", at: .zero, lab.log) }
        #expect(lab.alerts == ["timestamp-memory-not-written"])
    }
}
