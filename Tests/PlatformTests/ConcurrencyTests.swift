import Foundation
import OperatingSystem
import Testing

@Suite struct LockedTests {
    struct Fault: Error {}

    @Test func manyThreadsCountWithoutLoss() async {
        let counter = Locked(0)
        DispatchQueue.concurrentPerform(iterations: 8) { _ in
            for _ in 0..<10_000 { counter.withLock { $0 += 1 } }
        }
        #expect(counter.withLock { $0 } == 80_000)
    }

    @Test func anErrorUnlocks() {
        let value = Locked([1])
        #expect(throws: Fault.self) {
            try value.withLock { value throws(Fault) in
                value.append(2)
                throw Fault()
            }
        }
        #expect(value.withLock { $0 } == [1, 2])
    }

    @Test func theValueGoesWithTheLock() {
        final class Held: Sendable {}
        weak var seen: Held?
        do {
            let held = Held()
            seen = held
            let locked = Locked(held)
            #expect(locked.withLock { $0 === seen })
        }
        #expect(seen == nil)
    }
}

@Suite struct SerialLaneTests {
    struct Fault: Error, Equatable { let number: Int }

    @Test func bodiesRunOneAfterTheOther() async {
        let lane = SerialLane(label: "test")
        let running = Locked((now: 0, most: 0))
        let answers = await withTaskGroup(of: Int.self) { group in
            for index in 0..<200 {
                group.addTask {
                    await lane.run {
                        running.withLock {
                            $0.now += 1
                            $0.most = max($0.most, $0.now)
                        }
                        running.withLock { $0.now -= 1 }
                        return index
                    }
                }
            }
            return await group.reduce(into: Set<Int>()) { $0.insert($1) }
        }
        #expect(answers == Set(0..<200))
        #expect(running.withLock { $0.most } == 1)
    }

    @Test func errorsComeBackTyped() async {
        let lane = SerialLane(label: "test")
        do throws(Fault) {
            try await lane.run { () throws(Fault) -> Void in throw Fault(number: 7) }
            Issue.record("nothing was thrown")
        } catch {
            #expect(error.number == 7)
        }
    }

    /// 32 lanes that all wait for each other: with fewer threads than lanes this would never end.
    @Test(.timeLimit(.minutes(1))) func everyLaneHasAThreadOfItsOwn() async {
        let lanes = (0..<32).map { SerialLane(label: "lane \($0)") }
        let condition = NSCondition()
        let arrived = Locked(0)
        await withTaskGroup(of: Void.self) { group in
            for lane in lanes {
                group.addTask {
                    await lane.run {
                        condition.lock()
                        arrived.withLock { $0 += 1 }
                        condition.broadcast()
                        while arrived.withLock({ $0 }) < lanes.count { condition.wait() }
                        condition.unlock()
                    }
                }
            }
        }
        #expect(arrived.withLock { $0 } == 32)
    }
}

@Suite struct CPUWorkTests {
    @Test(arguments: [0, 1, 2, 3, 17, 1_000, 10_007]) func answersComeInTheOrderOfTheItems(count: Int) async {
        let items = Array(0..<count)
        #expect(await CPUWork.map(items) { $0 * 3 } == items.map { $0 * 3 })
    }

    @Test func noMoreRunAtOnceThanThereAreProcessors() async {
        let running = Locked((now: 0, most: 0))
        _ = await CPUWork.map(Array(0..<400)) { _ in
            running.withLock {
                $0.now += 1
                $0.most = max($0.most, $0.now)
            }
            var sum = 0.0
            for step in 1..<2_000 { sum += 1 / Double(step) }
            running.withLock { $0.now -= 1 }
            return sum
        }
        #expect(running.withLock { $0.most } <= CPUWork.width)
        #expect(CPUWork.width >= 1)
    }

    @Test func oneBodyRunsAndMayThrow() async throws {
        struct Fault: Error {}
        #expect(await CPUWork.run { 5 } == 5)
        await #expect(throws: Fault.self) { try await CPUWork.run { throw Fault() } }
    }
}
