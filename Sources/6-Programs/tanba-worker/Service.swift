import Configuration
import KafkaJobLog
import Log
import Metrics
import OperatingSystem
import OperationsAPI
import SigningModel
import SigningPipeline
import SigningSetup

/// A running worker: its tokens, one pipeline a stream, and the page that tells how they are.
final class Service: Sendable {
    private let configuration: TanbaConfiguration
    private let kafka: TanbaConfiguration.Kafka
    private let setup: SigningSetup
    private let report: Log
    private let metrics = Metrics()
    private let state = Locked(State())

    private struct State {
        var pipelines: [String: Pipeline] = [:]
        /// Streams that ended by themselves or were not begun, and why.
        var failed: [String: String] = [:]
        var isDraining = false
    }

    /// Opens tokens and authorities.
    /// - Throws: `ConfigurationError`, `SigningProfileError`, `SignerError` when there is no stream whose profiles all have a key.
    init(_ configuration: TanbaConfiguration, waitsForTokens: Bool, report: Log) async throws {
        self.configuration = configuration
        self.report = report
        guard let kafka = configuration.kafka, !configuration.streams.isEmpty else {
            throw ConfigurationError(
                file: configuration.file, line: nil, reason: "a worker needs kafka.bootstrap and at least one stream",
                remedy: "add them, or sign files without a broker with tanba sign")
        }
        self.kafka = kafka
        let used = Set(configuration.streams.flatMap(\.profiles))
        setup = try await SigningSetup(
            configuration, profiles: used.sorted(), waitsForTokens: waitsForTokens, report: report, metrics: metrics)
        if let error = firstUnusable, configuration.streams.allSatisfy({ unusable(in: $0) != nil }) {
            await setup.close()
            throw error
        }
    }

    /// What keeps a profile from being used.
    var firstUnusable: SignerError? { setup.unusable.first?.error }

    private func unusable(in stream: TanbaConfiguration.Stream) -> SignerError? {
        setup.unusable.first { stream.profiles.contains($0.profile) }?.error
    }

    /// Runs until a signal drained it, or the last of its streams ended.
    ///
    /// A stream that a person must mend leaves its partitions to other workers and the others as they are; `ready` and the log say so. One
    /// that cannot go on in this process drains them all: whoever supervises it starts another.
    /// - Throws: what drained it, else what ended a stream first.
    func run() async throws {
        let operations: OperationsAPI?
        let cards: CardWatch?
        do {
            operations = try configuration.operations.map { try serve($0) }
            cards = try CardWatch.start(configuration.readers, report: report, metrics: metrics) { [setup] in await setup.readersChanged() }
        } catch {
            await close()
            throw error
        }
        let signals = TerminationSignals { _ in Task { await self.drain() } }
        report.info("started", "", [("worker", LogValue(configuration.worker.id)), ("version", LogValue(TanbaVersion.text))])
        let failure = await withTaskGroup { group in
            for stream in configuration.streams { group.addTask { await self.run(stream) } }
            var failure: (any Error)?
            for await case .failure(let error) in group {
                let isFatal = (error as? JobLogError)?.kind == .fatal
                failure = isFatal ? error : failure ?? error
                if isFatal { await drain() }
            }
            return failure
        }
        await cards?.stop()
        await close()
        operations?.stop()
        withExtendedLifetime(signals) {}
        if let failure { throw failure }
        report.info("drained", "")
    }

    func close() async { await setup.close() }

    /// One stream, to its end. A broker that is away is waited for by the pipeline.
    private func run(_ stream: TanbaConfiguration.Stream) async -> Result<Void, any Error> {
        do {
            if let error = unusable(in: stream) { throw error }
            var settings = KafkaJobLog.Settings(
                bootstrap: kafka.bootstrap, stream: stream.name, worker: configuration.worker.id, properties: kafka.properties)
            settings.secretFiles = kafka.secretFiles
            settings.windowJobs = configuration.limits.knownJobs
            settings.isStaticMember = kafka.isStaticMember
            let log = try KafkaJobLog(settings, report: report, metrics: metrics)
            let elsewhere = Set(configuration.profiles.map(\.name)).subtracting(stream.profiles)
            let pipeline = Pipeline(
                log: log, profiles: setup.profiles.filter { stream.profiles.contains($0.name) }, profilesElsewhere: elsewhere,
                worker: configuration.worker.id, settings: configuration.limits.pipelineSettings, report: report, metrics: metrics)
            let isDraining = state.withLock { state in
                state.pipelines[stream.name] = pipeline
                return state.isDraining
            }
            if isDraining { await pipeline.drain() }
            try await pipeline.run()
            return .success(())
        } catch {
            report.error("stream-failed", "\(error)", [("stream", LogValue(stream.name))])
            state.withLock { $0.failed[stream.name] = "\(error)" }
            return .failure(error)
        }
    }

    private func drain() async {
        let (pipelines, isFirst) = state.withLock { state in
            defer { state.isDraining = true }
            return (Array(state.pipelines.values), !state.isDraining)
        }
        if isFirst { report.info("draining", "") }
        for pipeline in pipelines { await pipeline.drain() }
    }

    private func serve(_ operations: TanbaConfiguration.Operations) throws -> OperationsAPI {
        let api = try OperationsAPI(
            address: operations.address, port: UInt16(operations.port), metrics: metrics, live: { .well }, ready: { self.readiness })
        report.info("operations", "", [("address", LogValue(operations.address)), ("port", LogValue(api.port))])
        if let file = operations.portFile { try Files.writeAtomically(Array("\(api.port)\n".utf8), to: file) }
        return api
    }

    private var readiness: Health {
        state.withLock { state in
            var reasons: [Health.Reason] = []
            for stream in configuration.streams {
                if let failed = state.failed[stream.name] {
                    reasons.append(Health.Reason(code: "stream-failed", message: "stream \(stream.name) is not served: \(failed)"))
                    continue
                }
                guard let pipeline = state.pipelines[stream.name] else {
                    reasons.append(Health.Reason(code: "stream-opening", message: "stream \(stream.name) is not open yet"))
                    continue
                }
                // One key that is away is no reason while another signs.
                let waits = pipeline.waitsFor
                guard !waits.isEmpty else { continue }
                reasons += pipeline.keysAway.map {
                    Health.Reason(code: "key-away", message: "stream \(stream.name), profile \($0.profile): \($0.key) does not sign: \($0.reason)")
                }
                reasons += waits.map { Health.Reason(code: "waiting", message: "stream \(stream.name) waits for \($0)") }
            }
            if state.isDraining { reasons.append(Health.Reason(code: "draining", message: "the worker is draining")) }
            return Health(reasons: reasons)
        }
    }
}
