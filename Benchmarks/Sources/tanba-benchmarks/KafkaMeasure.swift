import Foundation

/// A worker on Kafka beside the embedded pipeline in this process, same key, same token, same jobs: CPU of the worker's process (the
/// broker's is its own), both with the check of each signature. Enqueueing is not counted.
func measureKafka(_ measure: String, _ key: Key, _ effort: Effort, _ scene: Scene) async throws -> Outcome {
    let kafka = try KafkaScene(scene)
    let count = effort.documents(key == .rsa2048 ? 2000 : 12000)
    let stream = try await kafka.stream(key.name)
    let worker = try kafka.startWorker("w1", stream, key, scene.fastToken)
    defer { worker.stop() }
    try await stream.enqueue(100, key)
    try await stream.wait(until: 100, by: worker)
    var outcome = try await measurePairs(
        measure, effort: effort, documents: count,
        ours: Side(name: "worker", clock: { worker.cpu }) {
            try await stream.enqueue(count, key)
            try await stream.wait(until: stream.enqueued, by: worker)
        },
        reference: try await embeddedSide("the pipeline on the embedded log", key, scene, count: count, checks: .always),
        showsRates: true)
    let before = (worker.cpu, worker.threads)
    try await stream.enqueue(3 * count, key)
    let libraries = worker.profile(seconds: Double(3 * count) * outcome.ours / 4e6, by: "dso", scene.folder)
    try await stream.wait(until: stream.enqueued, by: worker)
    let spent = (total: (worker.cpu - before.0) / Double(3 * count), threads: worker.threads.mapValues { $0 / Double(3 * count) })
    outcome.remarks = [
        breakdown(spent.total, spent.threads.merging(before.1.mapValues { -$0 / Double(3 * count) }, uniquingKeysWith: +))
    ]
    if libraries.isEmpty {
        outcome.remarks.append("by library: no perf here")
    } else {
        outcome.remarks.append(
            "by library " + libraries.filter { $0.share >= 1 }.map { String(format: "%@ %.0f%%", $0.name, $0.share) }.joined(separator: ", "))
    }
    return outcome
}

/// Microseconds a document by kind of thread; those of the pools come and go, so they are what is left.
private func breakdown(_ total: Double, _ threads: [String: Double]) -> String {
    let named = threads.filter { $0.key.hasPrefix("rdk:") }
    let brokers = named.filter { $0.key.hasPrefix("rdk:broker") }.values.reduce(0, +)
    let others = named.values.reduce(0, +) - brokers
    return String(
        format: "by thread: flow and lanes %.1f, librdkafka's broker threads %.1f, its main threads %.1f", total - brokers - others, brokers, others)
}

extension Scene {
    /// The token of two sessions, as `signer` has it.
    var fastToken: WorkerToken {
        WorkerToken(module: module, label: Self.label(2), sessions: 2, softhsmConfiguration: "\(folder)/softhsm2.conf")
    }
}
