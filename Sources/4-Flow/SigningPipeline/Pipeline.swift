import Failpoints
import FoundationEssentials
public import Log
public import Metrics
import SigningModel
import Synchronization

/// Signs the jobs of one stream: from its log and back to it, one result for each job record.
///
/// `run` is the whole way. Stages 3 and 4 run beside it, many jobs at once; everything else is one task, so that the order of
/// things can be read from top to bottom. A job at fault becomes a refusal, a value. A world that fails is waited out where it
/// stands (`Availability`) or thrown to the one `catch` here.
public final class Pipeline: Sendable {
    private let log: any JobLog
    private let validator: Validator
    private let results: ResultWriter
    private let settings: PipelineSettings
    private let clock: PipelineClock
    private let report: Log
    private let metrics: PipelineMetrics
    private let signers: [String: Availability]
    private let authorities: [String: Availability]
    private let mailbox = Mailbox()
    private let opened = Atomic(false)

    /// - Parameters:
    ///   - profiles: those that may be used in the log's stream; their names differ.
    ///   - profilesElsewhere: names of profiles that exist and may not be used there; a job with one is told so.
    ///   - worker: this worker's id, which every result names.
    public init(
        log: any JobLog, profiles: [SigningProfile], profilesElsewhere: Set<String> = [], worker: String, settings: PipelineSettings,
        clock: PipelineClock = .system, report: Log,
        metrics: Metrics
    ) {
        self.log = log
        results = ResultWriter(worker: worker)
        validator = Validator(
            profiles: Dictionary(uniqueKeysWithValues: profiles.map { ($0.name, $0) }), profilesElsewhere: profilesElsewhere, stream: log.stream,
            results: results)
        self.settings = settings
        self.clock = clock
        self.report = report
        self.metrics = PipelineMetrics(metrics, stream: log.stream)
        var signers: [String: Availability] = [:]
        var authorities: [String: Availability] = [:]
        for profile in profiles {
            signers[profile.name] = Availability(of: "signer of profile \(profile.name)", clock: clock, log: report, pauseMax: settings.retryPauseMax)
            if case .baselineT(let authority) = profile.level, authorities[authority.name] == nil {
                authorities[authority.name] = Availability(
                    of: "time-stamp authority \(authority.name)", clock: clock, log: report, pauseMax: settings.retryPauseMax)
            }
        }
        self.signers = signers
        self.authorities = authorities
    }

    /// What jobs wait for now: the log, a signer, an authority. Empty when all is well.
    public var waitsFor: [String] {
        (opened.load(ordering: .relaxed) ? [] : ["the log of stream \(log.stream)"]) + availabilities.filter(\.isOut).map(\.name)
    }

    /// Stops the intake; `run` returns when what is in flight is published.
    public func drain() async { await mailbox.stopIntake(at: clock.elapsed()) }

    /// The time that jobs spent in each stage so far: count and sum.
    public var stageTotals: [(stage: String, jobs: Int, seconds: Double)] {
        ["intake", "sign", "timestamp", "publish", "total"].map { stage in
            let totals = metrics.stageSeconds.totals(metrics.stream, stage)
            return (stage, totals.count, totals.sum)
        }
    }

    /// Runs until drained, or until the log's end when the settings say so.
    ///
    /// - Throws: `JobLogError` that waiting does not mend. What was not committed then is received again by the next owner.
    public func run() async throws {
        let outcome: Result<Void, any Error> = await withDiscardingTaskGroup { stages in
            let outcome: Result<Void, any Error>
            do {
                outcome = .success(try await flow(beside: &stages))
            } catch {
                outcome = .failure(error)
            }
            stages.cancelAll()
            // Who waits for a token or an authority would wait for ever.
            for availability in availabilities { await availability.close() }
            return outcome
        }
        await log.close()
        try outcome.get()
    }

    /// The way of a job, top to bottom.
    private func flow(beside stages: inout DiscardingTaskGroup) async throws {
        var state = FlowState(settings: settings, results: results, metrics: metrics, clock: clock)
        while true {
            try Task.checkCancellation()
            let letters = await mailbox.take()
            let drainingSince = letters.stoppedAt

            // What came back from stages 3 and 4
            if let failure = letters.failure { throw failure }
            for profile in letters.signedBatchesOf { state.queues.returned(to: profile) }
            for settled in letters.settled { state.settle(settled) }

            // 1. Intake
            Failpoint.intakeBeforeReceive.pass()
            let intake = try await receive(state.demand(isDraining: drainingSince != nil))
            Failpoint.intakeAfterReceive.pass()
            for partition in intake.dropped { await forget(state.drop(partition)) }

            // 2. Validate
            let now = clock.wall()
            for record in intake.records {
                Failpoint.validateBefore.pass()
                let received = state.admit(record, at: now)
                switch validator.validate(received) {
                case .valid(let job): state.enter(job)
                case .settled(let settled): state.settle(settled)
                }
                Failpoint.validateAfter.pass()
            }

            // 3. Sign, 4. Timestamp: beside this task
            for batch in state.queues.takeBatches() {
                let since = clock.elapsed()
                stages.addTask { await self.signAndStamp(batch, since: since) }
            }

            // 5. Publish
            let isQuiet = intake.records.isEmpty || drainingSince != nil
            var isAtEnd = intake.isAtEnd
            while let batch = state.window.takeBatch(
                bounds: settings.batchBounds, waitMax: settings.batchWaitMax, at: clock.elapsed(), isQuiet: isQuiet)
            {
                // What is taken back is received again: the end is not the end.
                if try await !publish(batch, &state) { isAtEnd = false }
            }

            if state.window.count == 0, drainingSince != nil || isAtEnd && settings.endsWithLog { return }
            if let since = drainingSince, clock.elapsed() - since > settings.drainMax {
                report.warning("drain-ended", "jobs in flight are left to the next owner", [("jobs", LogValue(state.window.count))])
                return
            }
        }
    }

    /// Stages 3 and 4 for one batch of one profile. Ends early, without a trace, when the pipeline ends or nobody wants the jobs.
    private func signAndStamp(_ jobs: [ValidatedJob], since: Duration, isFirst: Bool = true) async {
        let profile = jobs[0].profile
        do {
            Failpoint.signBefore.pass()
            let signed = try await signers[profile.name]!.persist(
                isVain: { await self.mailbox.areGone(jobs) }, isFinal: { (error: SignerError) in error.isPermanent },
                work: { () async throws(SignerError) in try await profile.sign(jobs, at: self.clock.wall()) })
            Failpoint.signAfter.pass()
            if isFirst { await mailbox.batchReturned(profile: profile.name) }
            let signedAt = clock.elapsed()
            for _ in signed { metrics.spent((signedAt - since).seconds, in: "sign") }
            guard case .baselineT(let authority) = profile.level else {
                return await mailbox.settled(signed.map { results.signed($0.finishWithoutTimeStamp()) })
            }
            await withDiscardingTaskGroup { stamps in
                for job in signed { stamps.addTask { await self.stamp(job, by: authority, since: signedAt) } }
            }
        } catch {
            // Cancelled or in vain: what is not published is received again. A token that waiting does not mend ends the stream.
            if isFirst { await mailbox.batchReturned(profile: profile.name) }
            if let error = error as? SignerError { await mailbox.failed(error) }
        }
    }

    private func stamp(_ job: SignedJob, by authority: any TimeStampAuthority, since: Duration) async {
        Failpoint.timestampBefore.pass()
        let stamped = try? await authorities[authority.name]!.persist(
            isVain: { await self.mailbox.areGone([job.validated]) },
            work: { () async throws(TimeStampAuthorityError) in try await job.timeStamp(by: authority) })
        guard let stamped else { return }
        Failpoint.timestampAfter.pass()
        metrics.spent((clock.elapsed() - since).seconds, in: "timestamp")
        guard stamped.isWithinCertificate else {
            // The certificate ended while the authority was away: a verifier would judge as of the stamp. As if the token were gone,
            // the job waits for a certificate that is valid.
            metrics.surplusKeyOperations.add(1, metrics.stream)
            return await signAndStamp([job.validated], since: clock.elapsed(), isFirst: false)
        }
        await mailbox.settled([results.signed(stamped)])
    }

    /// What waits for jobs of a dropped partition need not wait any longer.
    private func forget(_ dropped: [Place]) async {
        guard !dropped.isEmpty else { return }
        await mailbox.gone(dropped)
        for availability in availabilities { await availability.recheck() }
    }

    private var availabilities: [Availability] { Array(signers.values) + Array(authorities.values) }

    private func receive(_ demand: Demand) async throws -> Intake {
        var pause = Duration.milliseconds(100)
        while true {
            do throws(JobLogError) {
                let intake = try await log.receive(demand)
                opened.store(true, ordering: .relaxed)
                return intake
            } catch {
                guard error.kind == .unavailable else { throw error }
                try await waitForLog(error, &pause)
                if await mailbox.stoppedAt != nil { return Intake() }
            }
        }
    }

    /// Commits one batch, however long the log is away, and tells the state what became of it.
    /// - Returns: false when the log took it back.
    private func publish(_ batch: DueBatch, _ state: inout FlowState) async throws -> Bool {
        var pause = Duration.milliseconds(100)
        while true {
            do throws(JobLogError) {
                Failpoint.publishBefore.pass()
                let publication = try await log.publish(batch.published)
                Failpoint.publishAfter.pass()
                switch publication {
                case .committed:
                    state.committed(batch)
                    return true
                case .rewound(let reason):
                    report.warning("rewound", reason, [("stream", LogValue(log.stream))])
                    await forget(state.rewound(batch))
                    return false
                }
            } catch {
                guard error.kind == .unavailable else { throw error }
                try await waitForLog(error, &pause)
            }
        }
    }

    /// The pause between two tries of a log that is away; ends the run when a drain has taken too long.
    private func waitForLog(_ error: JobLogError, _ pause: inout Duration) async throws {
        opened.store(false, ordering: .relaxed)
        report.warning("log-unavailable", "\(error)", [("stream", LogValue(log.stream))])
        if let since = await mailbox.stoppedAt, clock.elapsed() - since > settings.drainMax { throw error }
        try await clock.sleep(pause)
        pause = min(pause * 2, settings.retryPauseMax)
    }
}

extension PipelineSettings {
    var batchBounds: BatchBounds { BatchBounds(resultsMax: batchResultsMax, bytesMax: batchBytesMax) }
}

/// What the stages beside the flow, and the operator, leave for it.
private actor Mailbox {
    struct Letters {
        var settled: [SettledJob] = []
        var signedBatchesOf: [String] = []
        /// When the intake was stopped.
        var stoppedAt: Duration?
        var failure: SignerError?
    }

    private var letters = Letters()
    /// The newest generation of each partition that was dropped.
    private var dropped: [Partition: Int] = [:]

    var stoppedAt: Duration? { letters.stoppedAt }

    func take() -> Letters {
        let taken = letters
        letters.settled = []
        letters.signedBatchesOf = []
        return taken
    }

    func settled(_ jobs: [SettledJob]) { letters.settled += jobs }
    func batchReturned(profile: String) { letters.signedBatchesOf.append(profile) }
    func failed(_ error: SignerError) { letters.failure = error }

    func stopIntake(at elapsed: Duration) {
        if letters.stoppedAt == nil { letters.stoppedAt = elapsed }
    }

    func gone(_ places: [Place]) {
        for place in places { dropped[place.partition] = max(dropped[place.partition] ?? 0, place.generation) }
    }

    /// Whether nobody waits for any of these jobs.
    func areGone(_ jobs: [ValidatedJob]) -> Bool {
        jobs.allSatisfy { job in dropped[job.received.place.partition].map { job.received.place.generation <= $0 } ?? false }
    }
}
