import Foundation
import OperatingSystem

/// The same number of P-256 jobs by a fresh worker, while a million wait behind them and while never more than ten thousand do: CPU of its
/// process from its start, a job.
func measureBacklogCPU(_ measure: String, _ effort: Effort, _ scene: Scene) async throws -> Outcome {
    let runs = try await Runs.taken(effort, scene)
    let (long, short) = (runs.long.map(\.cpu), runs.short.map(\.cpu))
    var outcome = outcome(measure, .microseconds, long, short, remarks: ["\(runs.jobs) signed each, \(runs.waiting) waiting at the end"])
    outcome.rates = (quantile(runs.long.map(\.rate), 0.5), quantile(runs.short.map(\.rate), 0.5))
    return outcome
}

/// The most memory that those processes had.
func measureBacklogMemory(_ measure: String, _ effort: Effort, _ scene: Scene) async throws -> Outcome {
    let runs = try await Runs.taken(effort, scene)
    let (long, short) = (runs.long.map(\.megabytes), runs.short.map(\.megabytes))
    let more = zip(long, short).map { $0 - $1 }
    return outcome(measure, .megabytes, long, short, remarks: [String(format: "%.1f MB more, at most %.1f", quantile(more, 0.5), more.max()!)])
}

private func outcome(_ measure: String, _ unit: Outcome.Unit, _ long: [Double], _ short: [Double], remarks: [String]) -> Outcome {
    let ratios = zip(long, short).map { $1 / $0 }
    return Outcome(
        measure: measure, unit: unit, ours: quantile(long, 0.5), reference: quantile(short, 0.5), referenceName: "with 10,000 waiting",
        ratio: quantile(ratios, 0.5), spread: (quantile(ratios, 0.25), quantile(ratios, 0.75)), remarks: remarks)
}

/// Both measures look at the same runs, which take a while.
private struct Runs {
    struct Run {
        var cpu: Double
        var megabytes: Double
        /// Jobs a second from the first commit to the last.
        var rate: Double
    }

    var long: [Run] = []
    var short: [Run] = []
    let jobs: Int
    var waiting = 0

    private static let known = Locked<Runs?>(nil)

    static func taken(_ effort: Effort, _ scene: Scene) async throws -> Runs {
        if let runs = known.withLock({ $0 }) { return runs }
        let kafka = try KafkaScene(scene)
        var runs = Runs(jobs: effort.documents(40_000))
        let turns = min(3, effort.turns)
        let (long, short) = (try await kafka.stream("long"), try await kafka.stream("short"))
        try await long.enqueue(1_000_000 + (turns + 1) * (runs.jobs + 20_000), .p256)
        for _ in 0..<turns {
            runs.short.append(try await run(kafka, short, runs.jobs, keepsShort: true))
            runs.long.append(try await run(kafka, long, runs.jobs, keepsShort: false))
        }
        runs.waiting = long.enqueued - (try long.done())
        known.withLock { [runs] in $0 = runs }
        return runs
    }

    private static func run(_ kafka: KafkaScene, _ stream: KafkaStream, _ jobs: Int, keepsShort: Bool) async throws -> Run {
        let before = try stream.done()
        if keepsShort { try await stream.enqueue(10_000 - (stream.enqueued - before), .p256) }
        let worker = try kafka.startWorker("w1", stream, .p256, kafka.scene.fastToken)
        defer { worker.stop() }
        let first = try await stream.wait(until: before + 1, by: worker)
        let start = ContinuousClock.now
        var done = first
        while done < before + jobs {
            done = try await stream.wait(until: min(done + 1, before + jobs), by: worker)
            let waiting = stream.enqueued - done
            if keepsShort, waiting < 5000 { try await stream.enqueue(10_000 - waiting, .p256) }
        }
        return Run(
            cpu: worker.cpu / Double(done - before), megabytes: worker.peakMegabytes,
            rate: Double(done - first) / ((ContinuousClock.now - start) / .seconds(1)))
    }
}
