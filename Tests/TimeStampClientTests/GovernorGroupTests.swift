import CMS
import Foundation
import Log
import Metrics
import OperatingSystem
import SigningPipeline
import SigningTestKit
import Testing
import TimeStampProtocol

@testable import TimeStampClient

/// Groups of governed authorities in virtual time: order, weights, outages, hedging, and what a stamp's owner may do meanwhile.
@Suite struct GovernorGroupTests {
    private let lab = GovernorLab()

    private func authority(_ name: String = "a") -> SimulatedAuthority { SimulatedAuthority(name, lab.time) }

    // MARK: one authority

    @Test func promisesAreBoundedUsedAndGivenBack() async throws {
        let group = lab.group([lab.governor(authority(), inFlight: 2)])
        #expect(group.reserve(0) == 0)
        #expect(group.reserve(1000) == Governor.promisesMax(2))
        #expect(group.reserve(1) == 0 && group.obstacle == nil)
        group.release(3)
        #expect(group.reserve(1000) == 3)
        let authority = try await lab.time.run { [group] in
            for _ in 0..<Governor.promisesMax(2) - 1 { _ = try await group.timeStamp(GovernorLab.imprint) { true } }
            return try await group.timeStamp(GovernorLab.imprint) { true }.authority
        }
        #expect(authority == "a")
        #expect(group.reserve(1000) == Governor.promisesMax(2))
    }

    @Test func requestsUnderWayRiseWhileTheyHelp() async throws {
        let fast = authority()
        let group = lab.group([lab.governor(fast, inFlight: 64)])
        let lab = lab
        let (took, most) = try await lab.time.run {
            let most = try await lab.stamp(4000, by: group, poll: .milliseconds(5)).promisesMost
            return (lab.time.now, most)
        }
        // 64 at once, 20 ms each: 3,200 a second.
        #expect(fast.inFlightMost == 64)
        #expect(took < .seconds(3), "\(took)")
        #expect(most <= Governor.promisesMax(64) + 64)
    }

    @Test func deadForTenMinutesWithTenThousandWaiting() async throws {
        let dying = authority()
        let (from, to) = (Duration.seconds(1), Duration.seconds(601))
        dying.follow { _, now, _ in from <= now && now < to ? .dead : .grant() }
        let group = lab.group([lab.governor(dying, inFlight: 16)])
        let lab = lab
        let (by, most) = try await lab.time.run {
            let result = try await lab.stamp(10_000, by: group)
            #expect(group.obstacle == nil)
            return result
        }
        #expect(by == ["a": 10_000])
        #expect(dying.granted >= 10_000)
        let whileDead = dying.arrivals.filter { from <= $0 && $0 < to }.count
        #expect(whileDead <= 16 + 2 + 40, "\(whileDead)")
        #expect(most <= Governor.promisesMax(16) + 16)
        // One probe came before the batch.
        let back = dying.arrivals.filter { $0 >= to }.sorted()
        #expect(back[1] - back[0] >= .milliseconds(20))
        #expect(back[0] - to <= .seconds(31), "\(back[0])")
        #expect(Array(dying.imprints.suffix(back.count))[0] != GovernorLab.imprint)
        #expect(lab.alerts.first == "timestamp-authority-out" && lab.alerts.contains("timestamp-authority-still-out"))
        #expect(lab.events("timestamp-authority-back").count == 1)
        print("dead 600 s: \(whileDead) requests, promises at most \(most)")
    }

    @Test func theObstacleSaysWhy() async throws {
        let a = authority()
        a.follow { _, _, _ in .status(403) }
        let group = lab.group([lab.governor(a)])
        let time = lab.time
        try await time.run {
            #expect(group.reserve(1) == 1)
            let waiting = Task { try await group.timeStamp(GovernorLab.imprint) { true } }
            try await time.sleep(.seconds(5))
            #expect(group.reserve(5) == 0)
            let obstacle = try #require(group.obstacle)
            #expect(obstacle.hasPrefix("authority a, which is out (refusing), asked again at 2026-09-21T14:2"))
            #expect(obstacle.contains("http-status 403"))
            #expect(a.arrivals.count == 1)
            try await time.sleep(.seconds(3600))
            #expect(a.arrivals.count <= 5)
            a.follow { _, _, _ in .grant() }
            #expect(try await waiting.value.authority == "a")
        }
        #expect(lab.alerts.first == "timestamp-authority-out")
    }

    @Test(arguments: ["signature-invalid", "nonce-differs", "not-der", "certificate-purpose"])
    func aLieTakesItOutAtOnce(_ fault: String) async throws {
        let liar = authority()
        liar.follow { _, now, _ in now < .seconds(1000) ? .fault(fault) : .grant() }
        let group = lab.group([lab.governor(liar, inFlight: 1)])
        let lab = lab
        let by = try await lab.time.run { try await lab.stamp(50, by: group, poll: .seconds(10)).by }
        #expect(by == ["a": 50])
        // Pauses of 5 s, doubled each time
        #expect(liar.arrivals.filter { $0 < .seconds(1000) }.count <= 10)
        #expect(lab.events("timestamp-authority-out").map { $0.fields.first { $0.0 == "cause" }?.1 } == [.text("lying")])
    }

    @Test func oneImprintThatIsRejectedDoesNotWaitSilentlyNorStopTheOthers() async throws {
        let picky = authority("a")
        let other = authority("b")
        let poison = MessageImprint(of: [13], by: .sha256)
        picky.follow { [picky] number, _, _ in picky.imprints[number - 1] == poison ? .fault("status") : .grant() }
        let lab = lab
        // Alone, it is alerted again and again; with another authority beside, that one stamps it.
        let alone = lab.group([lab.governor(picky, inFlight: 4)])
        try await lab.time.run {
            #expect(alone.reserve(1) == 1)
            let stuck = Task { try await alone.timeStamp(poison) { true } }
            let by = try await lab.stamp(200, by: alone).by
            #expect(by == ["a": 200])
            try await lab.time.sleep(.seconds(7200))
            #expect(lab.events("timestamp-authority-out").count >= 4)
            stuck.cancel()
            await #expect(throws: CancellationError.self) { try await stuck.value }
        }
        let pair = lab.group([lab.governor(authority("a"), inFlight: 4), lab.governor(other, inFlight: 4)])
        #expect(try await lab.time.run { try await lab.stamp(1, by: pair).by } == ["a": 1])
    }

    @Test func aClockThatIsOffTakesItOutAndBack() async throws {
        let a = authority()
        a.follow { _, now, _ in
            now < .seconds(100) ? .fault("time-outside-window", skew: .seconds(400)) : .grant(skew: .milliseconds(-700))
        }
        let group = lab.group([lab.governor(a, inFlight: 1)])
        let lab = lab
        let skew = lab.metrics.gauge(
            "tanba_timestamp_clock_skew_seconds", help: "The stamped time of the last answer less our clock's.", labels: ["authority"])
        try await lab.time.run {
            #expect(group.reserve(1) == 1)
            let waiting = Task { try await group.timeStamp(GovernorLab.imprint) { true } }
            try await lab.time.sleep(.seconds(1))
            #expect(skew.value("a") == 400)
            #expect(group.obstacle?.contains("out (clock)") == true)
            _ = try await waiting.value
        }
        #expect(skew.value("a") == -0.7)
        #expect(lab.time.now < .seconds(400))
        #expect(lab.events("timestamp-authority-out").count == 1 && lab.events("timestamp-authority-back").count == 1)
    }

    @Test func withoutAPartOfTheBudgetAnOutageIsWaitedOutInPeace() async throws {
        let a = authority()
        a.follow { _, now, _ in now < .seconds(50) ? .dead : .grant() }
        let governor = lab.governor(a, budget: RequestRate(1, in: .seconds(10)))
        let group = lab.group([governor])
        let time = lab.time
        try await time.run {
            #expect(group.reserve(5) == 1)
            let waiting = Task { try await group.timeStamp(GovernorLab.imprint) { true } }
            try await time.sleep(.seconds(5))
            group.share(among: 2, in: "s")
            try await time.sleep(.seconds(100))
            #expect(a.granted == 0 && group.obstacle != nil)
            group.share(among: 1, in: "s")
            #expect(try await waiting.value.authority == "a")
        }
    }

    // MARK: several

    @Test func theNextStampsWhileTheFirstIsOutAndTheFirstIsReturnedTo() async throws {
        let (a, b) = (authority("a"), authority("b"))
        a.follow { _, now, _ in .seconds(1) <= now && now < .seconds(60) ? .dead : .grant() }
        let group = lab.group([lab.governor(a, inFlight: 2), lab.governor(b, inFlight: 2)])
        let lab = lab
        try await lab.time.run {
            // One at a time, so that the first always can take more.
            func one() async throws -> String { try await lab.stamp(1, by: group).by.keys.first! }
            #expect(try await one() == "a")
            try await lab.time.sleep(.seconds(2))
            for _ in 0..<300 { #expect(try await one() == "b" || lab.time.now > .seconds(60)) }
            try await lab.time.sleep(.seconds(60))
            _ = try await one()
            try await lab.time.sleep(.seconds(2))
            #expect(try await one() == "a")
        }
        #expect(a.arrivals.filter { .seconds(1) <= $0 && $0 < .seconds(60) }.count <= 12)
    }

    @Test func oneLimitedAndOneDead() async throws {
        let (limited, dead) = (authority("limited"), authority("dead"))
        limited.follow(SimulatedAuthority.limited(to: 5, in: .seconds(1), retryAfter: .seconds(1)))
        dead.follow { _, _, _ in .dead }
        let rate = RequestRate(5, in: .seconds(1))
        let group = lab.group([lab.governor(dead), lab.governor(limited, budget: rate)])
        let lab = lab
        let (by, most) = try await lab.time.run { try await lab.stamp(300, by: group) }
        #expect(by == ["limited": 300])
        #expect(limited.arrivals.count == 300, "no request for nothing, so no 429")
        #expect(mostInAnyWindow(limited.arrivals, .seconds(1)) <= 5)
        // The budget less what an answer takes.
        #expect(lab.time.now < .seconds(70), "\(lab.time.now)")
        #expect(dead.arrivals.count <= 10)
        #expect(most <= Governor.promisesMax(16) + 16)
        print("limited to 5/s: 300 stamps in \(lab.time.now), \(limited.arrivals.count) and \(dead.arrivals.count) requests")
    }

    @Test func aLimitThatIsNotConfiguredIsLearnedWithoutAStorm() async throws {
        let limited = authority()
        limited.follow(SimulatedAuthority.limited(to: 5, in: .seconds(1), retryAfter: .seconds(1)))
        let group = lab.group([lab.governor(limited)])
        let lab = lab
        let by = try await lab.time.run { try await lab.stamp(300, by: group).by }
        #expect(by == ["a": 300])
        let refused = limited.arrivals.count - limited.granted
        #expect(refused <= 12, "\(refused)")
        #expect(lab.time.now < .seconds(150), "\(lab.time.now)")
        #expect(lab.alerts.contains("timestamp-authority-limits"))
        print("learned: 300 stamps in \(lab.time.now), \(refused) times 429")
    }

    @Test func withoutRetryAfterItIsLeftAloneForLongerAndLonger() async throws {
        let limited = authority()
        limited.follow(SimulatedAuthority.limited(to: 20, in: .seconds(1200), retryAfter: nil))
        let group = lab.group([lab.governor(limited)])
        let lab = lab
        let by = try await lab.time.run { try await lab.stamp(40, by: group, poll: .seconds(20)).by }
        #expect(by == ["a": 40])
        let refused = limited.arrivals.count - limited.granted
        #expect(refused <= 30, "\(refused)")
        #expect(lab.time.now < .seconds(4 * 3600), "\(lab.time.now)")
        print("20 in 20m, no Retry-After: 40 stamps in \(lab.time.now), \(refused) times 429")
    }

    @Test func twoWorkersNeverExceedTheBudgetOfOne() async throws {
        let lab = lab
        let rate = RequestRate(20, in: .seconds(10))
        let shared = authority()
        shared.follow(SimulatedAuthority.limited(to: 20, in: .seconds(10), retryAfter: .seconds(10)))
        let workers = (0..<2).map { _ in lab.group([lab.governor(shared, budget: rate)]) }
        try await lab.time.run {
            workers[0].share(among: 1, in: "s")
            async let first = lab.stamp(200, by: workers[0])
            try await lab.time.sleep(.seconds(23))
            workers[1].share(among: 2, in: "s")
            try await lab.time.sleep(.seconds(1))
            workers[0].share(among: 2, in: "s")
            async let second = lab.stamp(60, by: workers[1])
            _ = try await second
            // It leaves; the other may use all of it again.
            workers[0].share(among: 1, in: "s")
            _ = try await first
        }
        #expect(shared.arrivals.count == 260 && shared.granted == 260)
        #expect(mostInAnyWindow(shared.arrivals, rate.window) <= rate.requests)
        #expect(lab.time.now < .seconds(260 / 2 + 40), "\(lab.time.now)")
    }

    @Test(arguments: [[3, 1], [1, 1], [1, 9]]) func weightsArePartsOfTheWhole(_ weights: [Int]) async throws {
        let group = lab.group([lab.governor(authority("a"), inFlight: 64), lab.governor(authority("b"), inFlight: 64)], weights: weights)
        let lab = lab
        let by = try await lab.time.run {
            // So few at a time that neither is full.
            var by: [String: Int] = [:]
            for _ in 0..<200 { by.merge(try await lab.stamp(4, by: group).by) { $0 + $1 } }
            return by
        }
        let part = 800 * weights[0] / (weights[0] + weights[1])
        #expect(abs(by["a", default: 0] - part) <= 8, "\(by)")
    }

    @Test func theWeightOfOneThatIsOutGoesToTheOthers() async throws {
        let (a, b) = (authority("a"), authority("b"))
        a.follow { _, _, _ in .dead }
        let group = lab.group([lab.governor(a), lab.governor(b)], weights: [3, 1])
        let lab = lab
        #expect(try await lab.time.run { try await lab.stamp(500, by: group).by } == ["b": 500])
    }

    // MARK: hedging

    @Test func theSlowestAreAskedForElsewhereToo() async throws {
        let (a, b) = (authority("a"), authority("b"))
        a.follow { number, _, _ in .grant(after: number % 10 == 0 ? .milliseconds(500) : .milliseconds(20)) }
        let group = lab.group([lab.governor(a, inFlight: 4), lab.governor(b, inFlight: 4)], hedgeAfter: .milliseconds(200))
        let lab = lab
        let (by, longest) = try await lab.time.run {
            var by: [String: Int] = [:]
            var longest = Duration.zero
            for _ in 0..<100 {
                let begun = lab.time.now
                by.merge(try await lab.stamp(1, by: group).by) { $0 + $1 }
                longest = max(longest, lab.time.now - begun)
            }
            // Late answers come in, and change nothing.
            try await lab.time.sleep(.seconds(10))
            return (by, longest)
        }
        // How many depends on how soon the machine gives threads their turn: virtual time goes on meanwhile.
        let won = by["b", default: 0]
        #expect(won > 0 && by["a"] == 100 - won)
        #expect(longest <= .milliseconds(500), "\(longest)")
        #expect(a.granted == 100 && b.granted >= won)
        #expect(group.hedges.value("b", "won") == Double(won))
        #expect(group.reserve(1000) >= Governor.promisesMax(2), "all promises were given back")
    }

    @Test func aHedgeThatLosesOrFailsIsHarmless() async throws {
        let (a, b) = (authority("a"), authority("b"))
        a.follow { _, _, _ in .grant(after: .milliseconds(300)) }
        b.follow { number, _, _ in number.isMultiple(of: 2) ? .grant(after: .seconds(3)) : .fault("signature-invalid") }
        let group = lab.group([lab.governor(a, inFlight: 4), lab.governor(b, inFlight: 4)], hedgeAfter: .milliseconds(200))
        let lab = lab
        try await lab.time.run {
            for _ in 0..<20 {
                let by = try await lab.stamp(1, by: group).by
                #expect(by == ["a": 1])
            }
        }
        #expect(group.hedges.value("b", "lost") >= 1 && group.hedges.value("b", "won") == 0)
    }

    @Test func aHedgeStaysWithinTheBudget() async throws {
        let (a, b) = (authority("a"), authority("b"))
        a.follow { _, _, _ in .grant(after: .seconds(1)) }
        let group = lab.group(
            [lab.governor(a, inFlight: 4), lab.governor(b, inFlight: 4, budget: RequestRate(3, in: .seconds(3600)))], hedgeAfter: .milliseconds(100))
        let lab = lab
        try await lab.time.run { for _ in 0..<20 { _ = try await lab.stamp(1, by: group) } }
        #expect(b.arrivals.count >= 3 && mostInAnyWindow(b.arrivals, .seconds(3600)) == 3)
    }

    // MARK: the end

    @Test func whatIsNotWantedIsNotAskedFor() async throws {
        let a = authority()
        a.follow { _, now, _ in now < .seconds(10) ? .dead : .grant() }
        let group = lab.group([lab.governor(a, inFlight: 1)])
        let lab = lab
        try await lab.time.run {
            let isWanted = Locked(true)
            let count = group.reserve(5)
            #expect(count == 5)
            let waiting = (0..<5).map { _ in
                Task { try await group.timeStamp(GovernorLab.imprint) { isWanted.withLock { $0 } } }
            }
            try await lab.time.sleep(.seconds(5))
            isWanted.withLock { $0 = false }
            for task in waiting { await #expect(throws: CancellationError.self) { try await task.value } }
        }
        // The probe alone.
        #expect(a.granted == 1)
        #expect(group.reserve(1000) == Governor.promisesMax(1))
    }

    @Test func cancellingEndsAWaitAndARequest() async throws {
        let a = authority()
        a.follow { number, _, _ in number == 1 ? .grant(after: .seconds(1000)) : .grant() }
        let group = lab.group([lab.governor(a, inFlight: 1)])
        let lab = lab
        try await lab.time.run {
            #expect(group.reserve(2) == 2)
            let asked = Task { try await group.timeStamp(GovernorLab.imprint) { true } }
            try await lab.time.sleep(.seconds(1))
            let waiting = Task { try await group.timeStamp(GovernorLab.imprint) { true } }
            try await lab.time.sleep(.seconds(1))
            waiting.cancel()
            await #expect(throws: CancellationError.self) { try await waiting.value }
            asked.cancel()
            await #expect(throws: CancellationError.self) { try await asked.value }
            #expect(lab.time.now < .seconds(10))
            #expect(try await lab.stamp(3, by: group).by == ["a": 3])
        }
        #expect(group.reserve(1000) == Governor.promisesMax(1))
    }

    @Test func closingEndsEverything() async throws {
        let a = authority()
        a.follow { _, _, _ in .dead }
        let governor = lab.governor(a)
        let group = lab.group([governor])
        let lab = lab
        try await lab.time.run {
            #expect(group.reserve(3) == 3)
            let waiting = (0..<3).map { _ in Task { try await group.timeStamp(GovernorLab.imprint) { true } } }
            try await lab.time.sleep(.seconds(5))
            await governor.close()
            for task in waiting { await #expect(throws: CancellationError.self) { try await task.value } }
            #expect(group.reserve(3) == 0)
            await #expect(throws: CancellationError.self) { try await group.timeStamp(GovernorLab.imprint) { true } }
        }
        #expect(a.isClosed)
    }
}
