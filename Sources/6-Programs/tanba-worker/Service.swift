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
        var isDraining = false
    }

    /// Opens tokens and authorities.
    /// - Throws: `ConfigurationError`, `SigningProfileError`, `SignerError`.
    init(_ configuration: TanbaConfiguration, report: Log) async throws {
        self.configuration = configuration
        self.report = report
        guard let kafka = configuration.kafka, !configuration.streams.isEmpty else {
            throw ConfigurationError(
                file: configuration.file, line: nil, reason: "a worker needs kafka.bootstrap and at least one stream",
                remedy: "add them, or sign files without a broker with tanba sign")
        }
        self.kafka = kafka
        let used = Set(configuration.streams.flatMap(\.profiles))
        setup = try await SigningSetup(configuration, profiles: used.sorted(), report: report, metrics: metrics)
    }

    /// Runs until a signal drained it.
    /// - Throws: what ended a stream; the others were drained then.
    func run() async throws {
        let operations: OperationsAPI?
        do {
            operations = try configuration.operations.map { try serve($0) }
        } catch {
            await close()
            throw error
        }
        let signals = TerminationSignals { _ in Task { await self.drain() } }
        report.info("started", "", [("worker", LogValue(configuration.worker.id)), ("version", LogValue(TanbaVersion.text))])
        let failure = await withTaskGroup { group in
            for stream in configuration.streams { group.addTask { await self.run(stream) } }
            var failure: (any Error)?
            for await result in group {
                guard case .failure(let error) = result else { continue }
                failure = failure ?? error
                await drain()
            }
            return failure
        }
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
            var settings = KafkaJobLog.Settings(
                bootstrap: kafka.bootstrap, stream: stream.name, worker: configuration.worker.id, properties: kafka.properties)
            settings.windowJobs = configuration.limits.knownJobs
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
                guard let pipeline = state.pipelines[stream.name] else {
                    reasons.append(Health.Reason(code: "stream-opening", message: "stream \(stream.name) is not open yet"))
                    continue
                }
                reasons += pipeline.waitsFor.map { Health.Reason(code: "waiting", message: "stream \(stream.name) waits for \($0)") }
            }
            if state.isDraining { reasons.append(Health.Reason(code: "draining", message: "the worker is draining")) }
            return Health(reasons: reasons)
        }
    }
}
