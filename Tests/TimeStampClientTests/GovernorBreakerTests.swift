import Testing

@testable import TimeStampClient

/// Breaker and finder as values; time is a number here.
@Suite struct GovernorBreakerTests {
    @Test func threeFailuresInARowOpenIt() {
        var breaker = Breaker()
        for _ in 0..<2 { #expect(breaker.failed(.away, sent: .zero, at: .zero, chance: 0) == false) }
        breaker.succeeded(sent: .zero)
        for _ in 0..<2 { #expect(breaker.failed(.away, sent: .zero, at: .zero, chance: 0) == false) }
        #expect(breaker.failed(.away, sent: .zero, at: .seconds(1), chance: 0) == true)
        #expect(breaker.state == .open(until: .seconds(2)) && breaker.cause == .away && breaker.outSince == .seconds(1))
        // What was under way then says nothing new.
        #expect(breaker.failed(.away, sent: .zero, at: .seconds(3), chance: 0) == false)
        breaker.succeeded(sent: .zero)
        #expect(!breaker.isClosed)
    }

    @Test(arguments: [
        (Breaker.Cause.refusing, 600), (.rejecting, 5), (.clock, 60), (.lying, 5),
    ])
    func someOpenItAtOnce(_ cause: Breaker.Cause, _ seconds: Int) {
        var breaker = Breaker()
        #expect(breaker.failed(cause, sent: .zero, at: .zero, chance: 0) == true)
        #expect(breaker.state == .open(until: .seconds(seconds)))
    }

    @Test func oneProbeAtATimeAndPausesGrow() {
        var breaker = Breaker(awayPauseMax: .seconds(30))
        var now = Duration.zero
        for _ in 0..<3 { _ = breaker.failed(.away, sent: now, at: now, chance: 0) }
        var pauses: [Duration] = []
        for _ in 0..<7 {
            guard case .open(let until) = breaker.state else { return #expect(Bool(false)) }
            pauses.append(until - now)
            #expect(breaker.takeProbe(at: until - .milliseconds(1)) == false)
            now = until
            #expect([breaker.takeProbe(at: now), breaker.takeProbe(at: now)] == [true, false])
            breaker.probeFailed(.away, at: now, chance: 0)
        }
        #expect(pauses == [1, 2, 4, 8, 16, 30, 30].map { .seconds($0) })
        // The authority's own word counts, where it is longer.
        guard case .open(let until) = breaker.state else { return #expect(Bool(false)) }
        #expect(breaker.takeProbe(at: until) == true)
        breaker.probeFailed(.away, at: until, notBefore: until + .seconds(500), chance: 1)
        #expect(breaker.state == .open(until: until + .seconds(500)))
        #expect(breaker.takeProbe(at: until + .seconds(500)) == true)
        #expect(breaker.probeSucceeded(at: until + .seconds(500)) == until + .seconds(500))
        #expect(breaker.isClosed && breaker.cause == nil)
    }

    @Test func whoGoesOutAgainAtOnceIsLeftAloneForLonger() {
        func pause(afterBack: Duration) -> Duration {
            var breaker = Breaker()
            _ = breaker.failed(.rejecting, sent: .zero, at: .zero, chance: 0)
            _ = breaker.takeProbe(at: .seconds(30))
            _ = breaker.probeSucceeded(at: .seconds(30))
            let now = .seconds(30) + afterBack
            _ = breaker.failed(.rejecting, sent: now, at: now, chance: 0)
            guard case .open(let until) = breaker.state else { return .zero }
            return until - now
        }
        #expect(pause(afterBack: .seconds(1)) == .seconds(10))
        #expect(pause(afterBack: .seconds(100)) == .seconds(5))
    }

    // MARK: the finder

    /// Answers of an authority that has `places` and takes `service` for each, at the finder's width.
    private func work(_ finder: inout InFlightFinder, _ now: inout Duration, places: Int, service: Duration, answers: Int) {
        for _ in 0..<answers {
            let latency = service * max(1, Double(finder.width) / Double(places))
            let sent = now
            now += latency / finder.width
            finder.answered(sent: sent, at: sent + latency, wasFull: true)
            now = max(now, sent)
        }
    }

    @Test(arguments: [(1, 64, 1...2), (4, 64, 4...4), (16, 64, 16...16), (64, 64, 64...64), (1000, 64, 64...64), (1000, 1, 1...1)])
    func itFindsHowManyHelp(_ places: Int, _ most: Int, _ expected: ClosedRange<Int>) {
        var finder = InFlightFinder(most: most)
        var now = Duration.seconds(1)
        work(&finder, &now, places: places, service: .milliseconds(20), answers: 2000)
        #expect(expected.contains(finder.width), "\(finder.width)")
    }

    @Test func timeOutsAndSlownessMakeItFallAndItRisesAgain() {
        var finder = InFlightFinder(most: 64)
        var now = Duration.seconds(1)
        work(&finder, &now, places: 64, service: .milliseconds(20), answers: 2000)
        #expect(finder.width == 64)
        finder.timedOut(sent: now, at: now + .seconds(10))
        now += .seconds(10)
        #expect(finder.width == 32)
        // Of the same moment: one time-out, not two.
        finder.timedOut(sent: now - .seconds(10), at: now)
        #expect(finder.width == 32)
        work(&finder, &now, places: 8, service: .milliseconds(20), answers: 400)
        work(&finder, &now, places: 8, service: .milliseconds(200), answers: 2000)
        #expect(finder.width < 32)
        work(&finder, &now, places: 64, service: .milliseconds(5), answers: 400_000)
        #expect(finder.width >= 40, "\(finder.width)")
    }
}
