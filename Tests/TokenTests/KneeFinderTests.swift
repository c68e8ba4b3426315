import Testing

@testable import TokenSigner

/// The search for a token's knee, against tokens that exist in arithmetic only.
@Suite struct KneeFinderTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let kind: SimulatedToken.Kind
        let knee: Int
        var batch = 1
    }

    static let cases: [Case] =
        [1, 2, 3, 5, 8, 11, 16].flatMap { knee in
            [
                Case(testDescription: "20 ms, knee \(knee), rate stays", kind: .latency(seconds: 0.02, knee: knee, growth: 1), knee: knee),
                Case(testDescription: "20 ms, knee \(knee), rate falls", kind: .latency(seconds: 0.02, knee: knee, growth: 2), knee: knee),
                Case(testDescription: "\(knee) units of 20 ms", kind: .units(knee, seconds: 0.02), knee: knee),
                Case(
                    testDescription: "1 ms, knee \(knee), batches of 20", kind: .latency(seconds: 0.001, knee: knee, growth: 1), knee: knee,
                    batch: 20),
            ]
        } + [
            Case(testDescription: "two cores, P-256", kind: .units(2, seconds: 0.0001), knee: 2, batch: 64),
            Case(testDescription: "two cores, RSA-2048", kind: .units(2, seconds: 0.0015), knee: 2, batch: 13),
        ]

    /// Within two of the knee, at nine tenths of the best rate and more, within five seconds of work.
    @Test(arguments: cases) func settlesAtTheKnee(_ one: Case) {
        for (noise, seed) in [(0.0, 1), (0.1, 1), (0.1, 2), (0.1, 3)] {
            var token = SimulatedToken(one.kind, noise: noise, batch: one.batch, seed: UInt64(seed))
            var finder = KneeFinder(limit: 16)
            while !finder.isSettled, token.now < 5 { token.sign(for: 0.1, &finder) }
            #expect(finder.isSettled, "noise \(noise), seed \(seed)")
            #expect(abs(finder.width - one.knee) <= 2, "noise \(noise), seed \(seed): \(finder.width)")
            let best = (1...16).map(one.kind.rate).max()!
            #expect(one.kind.rate(finder.width) >= 0.9 * best, "noise \(noise), seed \(seed): \(finder.width)")
            #expect(finder.knee == finder.width)
            if noise == 0 { #expect(abs(finder.rate! / one.kind.rate(finder.width) - 1) < 0.1, "\(finder.rate!)") }
        }
    }

    /// Goal: the search itself costs little. Method: what is signed in the first half minute, beside the best fixed width.
    @Test func halfAMinuteWithTheSearchIsNineTenthsOfTheBestFixedWidth() {
        for knee in [1, 2, 5, 8, 16] {
            let kind = SimulatedToken.Kind.latency(seconds: 0.02, knee: knee, growth: 1)
            var token = SimulatedToken(kind, noise: 0.05)
            var finder = KneeFinder(limit: 16)
            token.sign(for: 30, &finder)
            #expect(Double(token.signatures) >= 0.9 * 30 * kind.rate(knee), "knee \(knee): \(token.signatures)")
        }
    }

    /// A rate that rises ever more slowly has no knee; nine tenths of what can be had is enough.
    @Test(arguments: [0.05, 0.1, 0.3]) func aSoftKneeIsFoundToo(share: Double) {
        let kind = SimulatedToken.Kind.soft(seconds: 0.0005, share: share)
        var token = SimulatedToken(kind, noise: 0.1, batch: 40)
        var finder = KneeFinder(limit: 16)
        token.sign(for: 10, &finder)
        #expect(finder.isSettled)
        #expect(kind.rate(finder.width) >= 0.9 * kind.rate(16), "\(finder.width)")
    }

    @Test func aCardThatTakesHalfASecondIsUnderstoodInHalfAMinute() {
        var token = SimulatedToken(.latency(seconds: 0.5, knee: 1, growth: 1), noise: 0.1)
        var finder = KneeFinder(limit: 16)
        token.sign(for: 30, &finder)
        #expect(finder.isSettled)
        #expect(finder.width == 1)
    }

    /// Goal: what was found before is where the next start begins, and is corrected where the token is another now.
    @Test(arguments: [(8, 8), (8, 2), (2, 8), (16, 5), (1, 16)]) func theNextStartBeginsAtWhatWasFound(remembered: Int, knee: Int) {
        var token = SimulatedToken(.latency(seconds: 0.02, knee: knee, growth: 1), noise: 0.05)
        var finder = KneeFinder(limit: 16, remembered: remembered)
        #expect(finder.width == remembered)
        var least = 16
        token.sign(for: 8, &finder) { _, width in least = min(least, width) }
        #expect(finder.isSettled)
        #expect(abs(finder.width - knee) <= 2, "\(finder.width)")
        if remembered == knee { #expect(least >= 5, "a review takes small steps: \(least)") }
    }

    @Test func aRememberedWidthBeyondTheLimitIsCut() {
        #expect(KneeFinder(limit: 4, remembered: 16).width == 4)
        #expect(KneeFinder(limit: 0).width == 1)
    }

    // MARK: - Reviews

    /// A token that becomes another one (a second HSM joins, a neighbour takes half of it) is found within a minute and a half of work.
    @Test(arguments: [(8, 2), (2, 16), (16, 5), (5, 6)]) func aTokenThatChangesIsFoundAgain(before: Int, after: Int) {
        var token = SimulatedToken(.latency(seconds: 0.02, knee: before, growth: 1), noise: 0.05)
        var finder = KneeFinder(limit: 16)
        token.sign(for: 20, &finder)
        #expect(abs(finder.width - before) <= 2)
        token.kind = .latency(seconds: 0.02, knee: after, growth: 1)
        token.sign(for: 90, &finder)
        #expect(finder.isSettled)
        #expect(abs(finder.width - after) <= 2, "\(finder.width)")
    }

    /// Goal: reviews are rare and cost next to nothing. Method: an hour of work; the moments at which the width changed.
    @Test func reviewsAreRareAndCheap() {
        let kind = SimulatedToken.Kind.latency(seconds: 0.02, knee: 8, growth: 1)
        var token = SimulatedToken(kind, noise: 0.05)
        var finder = KneeFinder(limit: 16)
        token.sign(for: 20, &finder)
        var changes: [Double] = []
        let signed = token.signatures
        token.sign(for: 3600, &finder) { now, _ in changes.append(now) }
        let reviews = zip(changes, changes.dropFirst()).count { $1 - $0 > 20 } + 1
        #expect((3...10).contains(reviews), "\(reviews)")
        #expect(Double(token.signatures - signed) >= 0.99 * 3600 * kind.rate(8))
        #expect(abs(finder.width - 8) <= 2)
    }

    // MARK: - What is not judged

    /// Work that does not wait for lanes says nothing of the token: the width stays where it is.
    @Test func nothingIsDoneWhileThereIsNotEnoughWork() {
        var finder = KneeFinder(limit: 16)
        for second in 0..<10_000 {
            let start = Double(second)
            let hasMoved = finder.record(start: start, end: start + 0.02, signatures: 1, wasBusy: false)
            #expect(!hasMoved)
        }
        #expect(finder.width == 1)
        #expect(!finder.isSettled)
    }

    /// Bursts with long pauses between are judged together, as if they had come in one.
    @Test func burstsAddUp() {
        var finder = KneeFinder(limit: 16)
        var now = 0.0
        for _ in 0..<400 where !finder.isSettled {
            for _ in 0..<4 {
                let width = Double(finder.width)
                let latency = 0.02 * max(1, width / 8)
                for _ in 0..<finder.width { _ = finder.record(start: now, end: now + latency, signatures: 1, wasBusy: true) }
                now += latency
            }
            now += 60
        }
        #expect(finder.isSettled)
        #expect(abs(finder.width - 8) <= 2, "\(finder.width)")
    }

    /// A batch that began at another width says nothing of this one.
    @Test func batchesOfAnotherWidthAreNotCounted() {
        var finder = KneeFinder(limit: 16)
        var now = 0.0
        while finder.width == 1 {
            _ = finder.record(start: now, end: now + 0.02, signatures: 1, wasBusy: true)
            now += 0.02
        }
        #expect(finder.width == 2)
        for _ in 0..<100 {
            let hasMoved = finder.record(start: now - 0.01, end: now + 10, signatures: 1, wasBusy: true)
            #expect(!hasMoved)
        }
        #expect(finder.width == 2)
    }

    // MARK: - Sessions

    @Test func theLimitIsNeverPassed() {
        var token = SimulatedToken(.latency(seconds: 0.02, knee: 16, growth: 1))
        var finder = KneeFinder(limit: 6)
        var most = 0
        token.sign(for: 20, &finder) { _, width in most = max(most, width) }
        #expect(most == 6)
        #expect(finder.width == 6)
        // CKR_SESSION_COUNT: at once no more than the token gave; and up again when it gives more.
        finder.setLimit(3, at: token.now)
        #expect(finder.width == 3)
        token.sign(for: 100, &finder)
        #expect(finder.width == 3)
        finder.setLimit(16, at: token.now)
        token.sign(for: 400, &finder)
        #expect(finder.width >= 14, "\(finder.width)")
    }

    @Test func oneSessionNeedsNoSearch() {
        var token = SimulatedToken(.latency(seconds: 0.02, knee: 8, growth: 1))
        var finder = KneeFinder(limit: 1)
        token.sign(for: 100, &finder) { _, _ in Issue.record("the width changed") }
        #expect(finder.width == 1)
        #expect(finder.isSettled)
    }
}
