import FoundationEssentials
import Metrics
import OperatingSystem
import SigningModel

/// What the pipeline's one task knows of its jobs: their places, who waits for whom, what waits for a signer.
struct FlowState {
    var window: InFlightWindow
    var queues: SigningQueues
    private var jobs = JobsInFlight()
    private let results: ResultWriter
    private let metrics: PipelineMetrics
    private let clock: PipelineClock
    private let giveUpAfter: Duration?
    private let stampDeadline: Duration?
    /// By profile, jobs with their key or their authority: each comes back settled, unsigned or abandoned.
    private(set) var underWay: [String: Int] = [:]
    private var hungry = HungryPartitions()
    /// Since when jobs of some profile have waited for a promise of a stamp.
    private(set) var stampsMissingSince: Duration?

    init(profiles: [SigningProfile], settings: PipelineSettings, results: ResultWriter, metrics: PipelineMetrics, clock: PipelineClock) {
        queues = SigningQueues(profiles)
        giveUpAfter = settings.giveUpAfter
        stampDeadline = settings.stampDeadline
        window = InFlightWindow(jobsMax: settings.inFlightMax, partitionJobsMax: settings.partitionInFlightMax)
        self.results = results
        self.metrics = metrics
        self.clock = clock
    }

    /// What can be taken now. While jobs are in flight the wait is short, as their results come between two calls.
    func demand(isDraining: Bool) -> Demand {
        Demand(
            limit: isDraining ? 0 : min(window.room, 1024), full: window.full(share: hungry.share(of: window.jobsMax)),
            wait: window.count == 0 ? .milliseconds(200) : .milliseconds(5), isStandingBy: isStandingBy)
    }

    /// A profile of the stream has been without a key, or without a stamp, for so long that another worker should have the partitions.
    var isStandingBy: Bool {
        func isLonger(_ since: Duration?, than most: Duration?) -> Bool {
            guard let since, let most else { return false }
            return clock.elapsed() - since >= most
        }
        return isLonger(queues.withoutKeySince, than: giveUpAfter) || isLonger(stampsMissingSince, than: stampDeadline)
    }

    /// The jobs that can be signed now.
    mutating func takeBatches() -> [SigningBatch] {
        let batches = queues.takeBatches()
        for batch in batches { underWay[batch.profile.name, default: 0] += batch.jobs.count }
        return batches
    }

    /// Notes since when jobs wait for a stamp.
    /// - Returns: why, for each profile that has such jobs.
    mutating func watchStamps() -> [String: String] {
        let obstacles = queues.obstacles
        // While the stream stands by it has no jobs, and waits all the same.
        let isMissing = !obstacles.isEmpty || stampsMissingSince != nil && queues.isAnyAuthorityOut
        stampsMissingSince = isMissing ? stampsMissingSince ?? clock.elapsed() : nil
        return obstacles
    }

    /// Jobs that were not signed go to another key, those that nobody waits for nowhere.
    mutating func takeBack(_ unsigned: UnsignedBatch) {
        if let profile = unsigned.jobs.first?.profile { underWay[profile.name, default: 0] -= unsigned.jobs.count }
        let jobs = unsigned.jobs.filter { window.holds($0.received.place) }
        if let ticket = unsigned.ticket {
            queues.returned(ticket, unsigned: jobs)
        } else if let profile = jobs.first?.profile {
            queues.giveBack(jobs, of: profile.name)
        }
    }

    mutating func admit(_ record: JobRecord, at now: Date) -> ReceivedJob {
        metrics.received.add(1, metrics.stream)
        metrics.spent(max(0, now.timeIntervalSince(record.enqueued)), in: "intake")
        defer { metrics.inFlight.set(Double(window.count), metrics.stream) }
        return window.admit(record, at: now)
    }

    /// A job that may be signed: it goes to its signer, or waits for an earlier job of its id, or follows it.
    mutating func enter(_ job: ValidatedJob) {
        switch jobs.enter(job) {
        case .goes: queues.append(job)
        case .waits: break
        case .follows(let precedent): settle(results.follows(job.received, job.job, precedent))
        }
    }

    /// Jobs of these profiles have their result, or nobody waits for one any more.
    mutating func ended(_ counts: [String: Int]) {
        for (profile, count) in counts { underWay[profile, default: 0] -= count }
    }

    /// Notes and shows what waits in the log and here.
    mutating func note(unread: [Partition: Int]) {
        hungry.note(unread: unread, served: window.served, at: clock.elapsed())
        let waiting = waitingJobs(unread: unread)
        // In this order: whoever waits for the jobs finds the workers
        metrics.usefulWorkers.set(Double(waiting.usefulWorkers), metrics.stream)
        metrics.signable.set(Double(waiting.signable), metrics.stream)
    }

    /// A job has its result.
    mutating func settle(_ settled: SettledJob) {
        guard window.settle(settled, at: clock.elapsed()) else {
            if settled.outcome == .signed { metrics.surplusKeyOperations.add(1, metrics.stream) }
            return
        }
        guard let id = settled.fingerprint?.id else { return }
        if settled.outcome == .signed {
            guard let (waited, precedent) = jobs.signed(id) else { return }
            for job in waited { settle(results.follows(job.received, job.job, precedent)) }
        } else if let next = jobs.refused(id) {
            queues.append(next)
        }
    }

    /// A partition was lost: its jobs are somebody else's, or come again.
    /// - Returns: the place of its last job, if it had any: with it, all of its generation are gone.
    mutating func drop(_ partition: Partition) -> [Place] {
        let place = window.lastPlace(of: partition)
        let dropped = window.drop(partition)
        metrics.surplusKeyOperations.add(Double(dropped.count { $0.outcome == .signed }), metrics.stream)
        jobs.drop(partition)
        queues.removeAll { !window.holds($0.received.place) }
        metrics.inFlight.set(Double(window.count), metrics.stream)
        return place.map { [$0] } ?? []
    }

    mutating func committed(_ batch: DueBatch) {
        let now = clock.wall()
        let elapsed = clock.elapsed()
        for job in batch.jobs {
            // A refused job's entry went when it settled; its id may stand for a later job by now.
            if job.settled.outcome == .signed, let id = job.settled.fingerprint?.id { jobs.committed(id) }
            metrics.results.add(1, metrics.stream, job.settled.outcome.rawValue)
            if let code = job.settled.refusal { metrics.refusals.add(1, metrics.stream, code.rawValue) }
            metrics.spent((elapsed - job.finished).seconds, in: "publish")
            metrics.spent(max(0, now.timeIntervalSince(job.enqueued)), in: "total")
        }
        metrics.batchResults.observe(Double(batch.jobs.count), metrics.stream)
        metrics.inFlight.set(Double(window.count), metrics.stream)
    }

    /// The log took the batch back, and with it everything that was in flight.
    mutating func rewound(_ batch: DueBatch) -> [Place] {
        metrics.rewinds.add(1, metrics.stream)
        metrics.surplusKeyOperations.add(Double(batch.jobs.count { $0.settled.outcome == .signed }), metrics.stream)
        return window.ownedPartitions.flatMap { drop($0) }
    }
}

/// Jobs that came back from stage 3 or 4 without a signature that can be published.
struct UnsignedBatch: Sendable {
    let jobs: [ValidatedJob]
    /// The key that held them; nil when they came back from a time-stamp.
    let ticket: KeyTicket?
}
