import Failpoints
import FoundationEssentials
public import Log
public import Metrics
import OperatingSystem
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
    private let profiles: [SigningProfile]
    private let keysOut = KeysOut()
    /// Those of the profiles, each once.
    private let authorities: [any TimeStampAuthority]
    private let stampsWaitedFor = Locked<[String: String]>([:])
    private let mailbox = Mailbox()
    private let health = LogHealth()
    /// The largest result that the log takes.
    private let resultBytesMax = Atomic(Bounds.resultBytesMax)

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
        self.profiles = profiles
        authorities = Dictionary(profiles.compactMap(\.level.authority).map { (ObjectIdentifier($0 as AnyObject), $0) }) { first, _ in first }.map(
            \.value)
    }

    /// What jobs wait for now: the log, a signer, an authority. Empty when all is well.
    public var waitsFor: [String] {
        (health.obstacle.map { ["the log of stream \(log.stream): \($0)"] } ?? []) + keysOut.profilesWithoutKey(profiles)
            + stampsWaitedFor.withLock { $0.sorted { $0.key < $1.key }.map { "a time-stamp for profile \($0.key): \($0.value)" } }
    }

    /// The keys that do not sign now, with what is known of why; jobs go to the other keys of their profile, if it has any.
    public var keysAway: [(profile: String, key: String, reason: String)] { keysOut.list(profiles) }

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
            return outcome
        }
        await log.close()
        metrics.signable.set(0, metrics.stream)
        metrics.usefulWorkers.set(0, metrics.stream)
        try outcome.get()
    }

    /// The way of a job, top to bottom.
    private func flow(beside stages: inout DiscardingTaskGroup) async throws {
        var state = FlowState(profiles: profiles, settings: settings, results: results, metrics: metrics, clock: clock)
        while true {
            try Task.checkCancellation()
            let letters = await mailbox.take()
            let drainingSince = letters.stoppedAt

            // What came back from stages 3 and 4
            for settled in letters.settled { state.settle(settled) }
            state.ended(letters.ended)
            for ticket in letters.signedBatches { state.queues.returned(ticket) }
            for unsigned in letters.unsigned { state.takeBack(unsigned) }
            try watchKeys(letters, &state, &stages)

            // 1. Intake
            Failpoint.intakeBeforeReceive.pass()
            let intake = try await receive(state.demand(isDraining: drainingSince != nil))
            Failpoint.intakeAfterReceive.pass()
            for partition in intake.dropped { await mailbox.gone(state.drop(partition)) }
            if let bytes = intake.resultBytesMax { resultBytesMax.store(min(bytes, Bounds.resultBytesMax), ordering: .relaxed) }
            if let members = intake.members {
                for authority in authorities { authority.share(among: members, in: log.stream) }
            }

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
            for batch in state.takeBatches() {
                let since = clock.elapsed()
                stages.addTask { await self.signAndStamp(batch, since: since) }
            }
            watchStamps(&state)
            if let unread = intake.unread { state.note(unread: unread) }

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
            // What waits for a key or a stamp has used no key: the next owner loses nothing with it.
            let isBlocked = state.underWay.values.allSatisfy { $0 == 0 }
            if let since = drainingSince, isBlocked || clock.elapsed() - since > settings.drainMax {
                report.warning("drain-ended", "jobs in flight are left to the next owner", [("jobs", LogValue(state.window.count))])
                return
            }
        }
    }

    /// Stages 3 and 4 for one batch and one key. A key that fails gives its jobs back.
    private func signAndStamp(_ batch: SigningBatch, since: Duration) async {
        let signed: [SignedJob]
        do throws(SignerError) {
            Failpoint.signBefore.pass()
            signed = try await batch.key.sign(batch.jobs, at: clock.wall())
            Failpoint.signAfter.pass()
        } catch {
            batch.profile.level.authority?.release(batch.jobs.count)
            return await mailbox.failed(UnsignedBatch(jobs: batch.jobs, ticket: batch.ticket), error)
        }
        await mailbox.signed(by: batch.ticket)
        let signedAt = clock.elapsed()
        for _ in signed { metrics.spent((signedAt - since).seconds, in: "sign") }
        guard case .baselineT(let authority) = batch.profile.level else {
            return await mailbox.settled(signed.map { finish($0.finishWithoutTimeStamp()) }, of: batch.profile.name)
        }
        await withDiscardingTaskGroup { stamps in
            for job in signed { stamps.addTask { await self.stamp(job, by: authority, since: signedAt) } }
        }
    }

    /// Follows which keys sign: one that failed or whose world went is out, and a task beside waits for it.
    /// - Throws: what a person must mend, when no key of a profile is left.
    private func watchKeys(_ letters: Mailbox.Letters, _ state: inout FlowState, _ stages: inout DiscardingTaskGroup) throws(SignerError) {
        for (ticket, error) in letters.lost {
            report.error("key-lost", "\(error)", fields(ticket))
            if state.queues.lost(ticket) { throw error }
        }
        for ticket in letters.recovered {
            guard let since = state.queues.cameBack(ticket) else { continue }
            keysOut.set(ticket, nil)
            report.info("key-back", "", fields(ticket) + [("afterSeconds", LogValue((clock.elapsed() - since).seconds))])
        }
        let absent = state.queues.absent.map { (ticket: $0, error: SignerError?.none) }
        for (ticket, error) in letters.failures.map({ (ticket: $0.ticket, error: SignerError?.some($0.error)) }) + absent {
            guard let failures = state.queues.wentOut(ticket, at: clock.elapsed()) else { continue }
            keysOut.set(ticket, error.map(\.description) ?? "its token is away")
            report.warning("key-out", error.map(\.description) ?? "", fields(ticket))
            stages.addTask { await self.recover(ticket, error, failures: failures) }
        }
        metrics.standingBy.set(state.isStandingBy ? 1 : 0, metrics.stream)
    }

    /// Until the key has proved itself. One that fails again as soon as it is used is left alone for longer each time.
    private func recover(_ ticket: KeyTicket, _ error: SignerError?, failures: Int) async {
        do {
            if let error, error.isPermanent { throw error }
            if failures > 1 { try await clock.sleep(fullJitter(after: failures - 1, max: settings.retryPauseMax)) }
            try await key(ticket).signer.recover()
            await mailbox.recovered(ticket)
        } catch {
            // Cancelled: the pipeline ends.
            if let error = error as? SignerError { await mailbox.lost(ticket, error) }
        }
    }

    private func key(_ ticket: KeyTicket) -> SigningKey { profiles.first { $0.name == ticket.profile }!.keys[ticket.key] }

    private func fields(_ ticket: KeyTicket) -> [(String, LogValue)] {
        [("stream", LogValue(log.stream)), ("profile", LogValue(ticket.profile)), ("key", LogValue(key(ticket).signer.name))]
    }

    private func stamp(_ job: SignedJob, by authority: any TimeStampAuthority, since: Duration) async {
        Failpoint.timestampBefore.pass()
        // Throws when the pipeline ends or nobody waits for the job any more: it is received again.
        guard let stamped = try? await job.timeStamp(by: authority, isWanted: { await !self.mailbox.isGone(job.validated) })
        else { return await mailbox.abandoned(of: job.validated.profile.name) }
        Failpoint.timestampAfter.pass()
        metrics.spent((clock.elapsed() - since).seconds, in: "timestamp")
        guard stamped.isWithinCertificate else {
            // The certificate ended while the authority was away: a verifier would judge as of the stamp. As if the token were gone,
            // the job waits for a certificate that is valid.
            metrics.surplusKeyOperations.add(1, metrics.stream)
            return await mailbox.unsigned(UnsignedBatch(jobs: [job.validated], ticket: nil))
        }
        await mailbox.settled([finish(stamped)], of: job.validated.profile.name)
    }

    private func finish(_ job: TimeStampedJob) -> SettledJob { results.signed(job, bytesMax: resultBytesMax.load(ordering: .relaxed)) }

    /// Follows for which profiles jobs wait for a stamp, and since when.
    private func watchStamps(_ state: inout FlowState) {
        let obstacles = state.watchStamps()
        stampsWaitedFor.withLock { $0 = obstacles }
        metrics.parked.set(Double(obstacles.isEmpty ? 0 : state.queues.parked(Set(obstacles.keys))), metrics.stream)
        metrics.parkedSeconds.set(state.stampsMissingSince.map { (clock.elapsed() - $0).seconds } ?? 0, metrics.stream)
    }

    private func receive(_ demand: Demand) async throws -> Intake {
        var pause = Duration.milliseconds(100)
        while true {
            do throws(JobLogError) {
                let intake = try await log.receive(demand)
                health.answered()
                showHealth()
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
                    health.committed()
                    showHealth()
                    state.committed(batch)
                    return true
                case .rewound(let reason):
                    report.warning("rewound", reason, [("stream", LogValue(log.stream))])
                    health.tookBack(reason, at: clock.elapsed())
                    showHealth()
                    await mailbox.gone(state.rewound(batch))
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
        health.failed(error, at: clock.elapsed())
        showHealth()
        report.warning("log-unavailable", "\(error)", [("stream", LogValue(log.stream))])
        if let since = await mailbox.stoppedAt, clock.elapsed() - since > settings.drainMax { throw error }
        try await clock.sleep(pause)
        pause = min(pause * 2, settings.retryPauseMax)
    }

    private func showHealth() { metrics.logUnavailableSeconds.set(health.seconds(at: clock.elapsed()), metrics.stream) }
}

extension PipelineSettings {
    var batchBounds: BatchBounds { BatchBounds(resultsMax: batchResultsMax, bytesMax: batchBytesMax) }
}

/// What the stages beside the flow, and the operator, leave for it.
private actor Mailbox {
    struct Letters {
        var settled: [SettledJob] = []
        var signedBatches: [KeyTicket] = []
        var unsigned: [UnsignedBatch] = []
        var failures: [(ticket: KeyTicket, error: SignerError)] = []
        var recovered: [KeyTicket] = []
        var lost: [(KeyTicket, SignerError)] = []
        /// How many jobs of each profile ended: those of `settled`, and those whose stamps nobody waits for any more.
        var ended: [String: Int] = [:]
        /// When the intake was stopped.
        var stoppedAt: Duration?
    }

    private var letters = Letters()
    /// The newest generation of each partition that was dropped.
    private var dropped: [Partition: Int] = [:]

    var stoppedAt: Duration? { letters.stoppedAt }

    func take() -> Letters {
        defer { letters = Letters(stoppedAt: letters.stoppedAt) }
        return letters
    }

    func settled(_ jobs: [SettledJob], of profile: String) {
        letters.settled += jobs
        letters.ended[profile, default: 0] += jobs.count
    }

    func signed(by ticket: KeyTicket) { letters.signedBatches.append(ticket) }
    func abandoned(of profile: String) { letters.ended[profile, default: 0] += 1 }
    func unsigned(_ batch: UnsignedBatch) { letters.unsigned.append(batch) }
    func recovered(_ ticket: KeyTicket) { letters.recovered.append(ticket) }
    func lost(_ ticket: KeyTicket, _ error: SignerError) { letters.lost.append((ticket, error)) }

    func failed(_ batch: UnsignedBatch, _ error: SignerError) {
        letters.unsigned.append(batch)
        if let ticket = batch.ticket { letters.failures.append((ticket, error)) }
    }

    func stopIntake(at elapsed: Duration) {
        if letters.stoppedAt == nil { letters.stoppedAt = elapsed }
    }

    func gone(_ places: [Place]) {
        for place in places { dropped[place.partition] = max(dropped[place.partition] ?? 0, place.generation) }
    }

    /// Whether nobody waits for this job.
    func isGone(_ job: ValidatedJob) -> Bool {
        dropped[job.received.place.partition].map { job.received.place.generation <= $0 } ?? false
    }
}
