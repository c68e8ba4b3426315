import Foundation
import SigningTestKit
import Testing

@testable import TimeStampClient

/// The budget as a value; time is a number here.
@Suite struct GovernorBudgetTests {
    private static func seconds(_ number: Double) -> Duration { .milliseconds(Int64(number * 1000)) }

    /// A worker with a budget, and the requests it has under way.
    private struct Worker {
        var budget: Budget
        /// Before it knows of its group it has no jobs.
        var isTold = false
        var answers: [Duration] = []
        /// Changes of its group that it has not heard of.
        var news: [(at: Duration, members: Int)] = []
    }

    /// Workers come and go at random, hear of it late, and ask as often as they can; requests take as long as they like to come in and to be answered.
    @Test(arguments: 0..<40) func noWindowHasMoreThanTheBudget(_ seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let rate = RequestRate(Int.random(in: 1...40, using: &random), in: Self.seconds(.random(in: 0.5...1200, using: &random)))
        let settling = rate.window * Double.random(in: 0.01...1, using: &random)
        let step = rate.window / (4 * rate.requests)
        var now = Duration.seconds(5)
        var workers = [Worker(budget: Budget(rate, settling: settling))]
        workers[0].budget.divide(among: 1, at: now)
        workers[0].isTold = true
        var arrivals: [Duration] = []
        for _ in 0..<3000 {
            now += step * Double.random(in: 0...2, using: &random)
            if Double.random(in: 0...1, using: &random) < 0.004 {
                if workers.count > 1, Bool.random(using: &random) {
                    // Whoever leaves has drained
                    if let index = workers.indices.randomElement(using: &random), workers[index].answers.isEmpty { workers.remove(at: index) }
                } else if workers.count < 4 {
                    workers.append(Worker(budget: Budget(rate, settling: settling)))
                }
                for index in workers.indices {
                    workers[index].news.append((now + settling * Double.random(in: 0...0.9, using: &random), workers.count))
                }
            }
            for index in workers.indices {
                // Those who hear of it hear of all that went before, too.
                while let news = workers[index].news.first, news.at <= now {
                    workers[index].budget.divide(among: news.members, at: now)
                    workers[index].news.removeFirst()
                    workers[index].isTold = true
                }
                while let answered = workers[index].answers.firstIndex(where: { $0 <= now }) {
                    workers[index].budget.answered(.granted, at: now)
                    workers[index].answers.remove(at: answered)
                }
                while workers[index].isTold, Double.random(in: 0...1, using: &random) < 0.9, workers[index].budget.take(at: now) {
                    let answer = now + rate.window * Double.random(in: 0...0.3, using: &random)
                    arrivals.append(now + (answer - now) * Double.random(in: 0...1, using: &random))
                    workers[index].answers.append(answer)
                }
            }
        }
        #expect(mostInAnyWindow(arrivals, rate.window) <= rate.requests, "\(rate), seed \(seed)")
        // It is not held to nothing either.
        #expect(arrivals.count > rate.requests || rate.requests < 4)
    }

    @Test func theOnlyWorkerUsesTheWholeBudget() {
        var budget = Budget(RequestRate(5, in: .seconds(1)))
        budget.divide(among: 1, at: .zero)
        var sent = 0
        for millisecond in 0..<10_000 {
            let now = Duration.milliseconds(Int64(millisecond))
            while budget.take(at: now) {
                sent += 1
                budget.answered(.granted, at: now)
            }
        }
        #expect(sent == 50)
    }

    @Test func whoComesToOthersHasUsedItsShare() {
        var budget = Budget(RequestRate(20, in: .seconds(1200)), settling: .seconds(10))
        budget.divide(among: 2, at: .seconds(100))
        #expect(budget.share == 10)
        #expect(budget.left(at: .seconds(1309)) == 0)
        #expect(budget.opening(at: .seconds(200)) == .seconds(1310))
        #expect(budget.left(at: .seconds(1310)) == 10)
    }

    @Test func moreWorkersThanRequestsLeaveNoPart() {
        var budget = Budget(RequestRate(2, in: .seconds(10)))
        budget.divide(among: 3, at: .zero)
        #expect(budget.share == 0)
        #expect(budget.left(at: .seconds(100)) == 0)
        #expect(budget.opening(at: .seconds(100)) == nil)
        budget.divide(among: 2, at: .seconds(100))
        #expect(budget.left(at: .seconds(110)) == 1)
    }

    @Test func whatIsUnderWayCountsUntilAWindowAfterItsAnswer() {
        var budget = Budget(RequestRate(1, in: .seconds(10)))
        #expect(budget.take(at: .zero) == true)
        #expect(budget.take(at: .seconds(30)) == false)
        #expect(budget.opening(at: .seconds(30)) == nil)
        budget.answered(.other, at: .seconds(40))
        #expect(budget.opening(at: .seconds(41)) == .seconds(50))
        #expect(budget.take(at: .milliseconds(49_999)) == false)
        #expect(budget.take(at: .seconds(50)) == true)
        budget.giveBack()
        #expect(budget.left(at: .seconds(50)) == 1)
    }

    @Test func aGreatBudgetTakesLittleMemory() {
        let rate = RequestRate(100_000, in: .seconds(3600))
        var budget = Budget(rate)
        var arrivals: [Duration] = []
        for second in 0..<20_000 {
            let now = Duration.seconds(second)
            for _ in 0..<40 where budget.take(at: now) {
                arrivals.append(now)
                budget.answered(.granted, at: now)
            }
            if second % 500 == 0 { #expect(budget.uses.count <= 2300) }
        }
        #expect(mostInAnyWindow(arrivals, rate.window) <= rate.requests)
        #expect(arrivals.count >= 540_000, "\(arrivals.count) of about 580 000")
    }

    // MARK: learning

    @Test func retryAfterIsObeyedAndTheRateLearned() {
        var budget = Budget(nil)
        for index in 0..<30 {
            #expect(budget.take(at: .milliseconds(Int64(10 * index))) == true)
            budget.answered(.granted, at: .milliseconds(Int64(10 * index)))
        }
        #expect(budget.take(at: .milliseconds(300)) == true)
        #expect(budget.wasLimited(at: .milliseconds(310), sent: .milliseconds(300), retryAfter: .seconds(8)) == true)
        budget.answered(.limited, at: .milliseconds(310))
        #expect(budget.learned == RequestRate(30, in: .seconds(10)))
        #expect(budget.take(at: .milliseconds(8309)) == false)
        #expect(budget.isOnTrial)
        #expect(budget.opening(at: .seconds(1)) == .milliseconds(10_010))
        // What was under way then is no news.
        #expect(budget.wasLimited(at: .milliseconds(320), sent: .milliseconds(305), retryAfter: .seconds(8)) == false)
        #expect(budget.learned == RequestRate(30, in: .seconds(10)))
    }

    @Test func aConfiguredWindowIsKeptAndItsCountLowered() {
        var budget = Budget(RequestRate(20, in: .seconds(60)))
        for _ in 0..<12 {
            #expect(budget.take(at: .zero) == true)
            budget.answered(.granted, at: .zero)
        }
        #expect(budget.take(at: .seconds(1)) == true)
        budget.wasLimited(at: .seconds(1), sent: .seconds(1), retryAfter: .seconds(59))
        budget.answered(.limited, at: .seconds(1))
        #expect(budget.learned == RequestRate(12, in: .seconds(60)))
    }

    @Test func withoutRetryAfterPausesGrow() {
        var budget = Budget(nil)
        var now = Duration.zero
        var pauses: [Int64] = []
        for _ in 0..<12 {
            #expect(budget.take(at: now) == true)
            budget.wasLimited(at: now, sent: now, retryAfter: nil)
            budget.answered(.limited, at: now)
            let held = budget.heldUntil!
            pauses.append((held - now).components.seconds)
            now = max(held, budget.opening(at: held) ?? held)
        }
        #expect(pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900])
    }

    @Test func whatWasLearnedGrowsAgainWhereThatCostsLittle() {
        func grown(_ retryAfter: Duration, configured: RequestRate?) -> RequestRate? {
            var budget = Budget(configured)
            for _ in 0..<10 {
                _ = budget.take(at: .zero)
                budget.answered(.granted, at: .zero)
            }
            _ = budget.take(at: .zero)
            budget.wasLimited(at: .zero, sent: .zero, retryAfter: retryAfter)
            budget.answered(.limited, at: .zero)
            for second in 0..<1800 {
                let now = Duration.milliseconds(Int64(second * 1000 + 500))
                while budget.take(at: now) { budget.answered(.granted, at: now) }
            }
            return budget.rate
        }
        #expect(grown(.seconds(1), configured: nil)!.requests > 100)
        #expect(grown(.seconds(1), configured: RequestRate(20, in: .seconds(1))) == RequestRate(20, in: .seconds(1)))
        #expect(grown(.seconds(600), configured: nil) == RequestRate(10, in: .seconds(600)))
    }

    // MARK: Retry-After

    @Test(arguments: [
        ("0", 0), ("120", 120), (" 7", 7), ("99999999999999999999", 31_622_400),
        ("Mon, 21 Sep 2026 14:14:20 GMT", 60), ("Monday, 21-Sep-26 14:14:20 GMT", 60), ("Mon Sep 21 14:14:20 2026", 60),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0),
    ])
    func retryAfterIsRead(_ text: String, _ seconds: Int) {
        #expect(RetryAfter.pause(text, at: Date(timeIntervalSince1970: 1_790_000_000)) == .seconds(seconds))
    }

    @Test(arguments: ["", "soon", "-1", "1.5", "Sun, 06 Nov 1994", "Sun, 99 Nov 1994 08:49:37 GMT", "Sun, 06 Abc 1994 08:49:37 GMT", "1;2"])
    func whatIsNoRetryAfterIsNil(_ text: String) {
        #expect(RetryAfter.pause(text, at: Date(timeIntervalSince1970: 1_790_000_000)) == nil)
    }
}
