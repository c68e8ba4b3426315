import Foundation

/// Workers with a token of 5 ms a signature and one session each: what so many sign in a second, beside one.
func measureWorkers(_ measure: String, _ count: Int, _ effort: Effort, _ scene: Scene) async throws -> Outcome {
    let kafka = try KafkaScene(scene)
    let stream = try await kafka.stream("slow")
    var rates: (many: [Double], one: [Double]) = ([], [])
    for _ in 0..<min(3, effort.turns) {
        rates.one.append(try await rate(kafka, stream, workers: 1, effort))
        rates.many.append(try await rate(kafka, stream, workers: count, effort))
    }
    return Outcome(
        measure, ours: rates.many, reference: rates.one, referenceName: "one worker", remarks: ["5 ms a signature: 200/s a worker at most"])
}

/// Jobs a second, between two commits so many seconds apart, while each worker has its share of the partitions and work for all.
private func rate(_ kafka: KafkaScene, _ stream: KafkaStream, workers count: Int, _ effort: Effort) async throws -> Double {
    let seconds = effort.seconds(10)
    let waiting = stream.enqueued - (try stream.done())
    try await stream.enqueue(max(0, Int(250 * Double(count) * (seconds + 10)) + 4000 - waiting), .p256)
    let workers = try (1...count).map { try kafka.startWorker("w\($0)", stream, .p256, kafka.scene.slowToken($0)) }
    defer {
        for worker in workers { worker.drain() }
        for worker in workers { worker.stop() }
    }
    let deadline = ContinuousClock.now + .seconds(60)
    while workers.contains(where: { $0.partitions != KafkaStream.partitions / count }) {
        guard ContinuousClock.now < deadline else { throw workers[0].failure("the partitions were not spread over \(count) workers") }
        try await Task.sleep(for: .milliseconds(20))
    }
    try await Task.sleep(for: .seconds(1))
    let (first, start) = try await commit(after: try stream.done(), stream, workers[0])
    try await Task.sleep(for: .seconds(seconds))
    let (last, end) = try await commit(after: try stream.done(), stream, workers[0])
    return Double(last - first) / ((end - start) / .seconds(1))
}

private func commit(after count: Int, _ stream: KafkaStream, _ worker: KafkaWorker) async throws -> (Int, ContinuousClock.Instant) {
    (try await stream.wait(until: count + 1, by: worker), .now)
}

extension Scene {
    /// One of four, each alone in a folder of its own, behind the fault shim.
    func slowToken(_ number: Int) -> WorkerToken {
        WorkerToken(
            module: shim, label: "worker", sessions: 1, softhsmConfiguration: "\(folder)/worker-\(number)/softhsm2.conf",
            environment: ["TANBA_SHIM_RULES": "\(folder)/slow.rules"])
    }
}
