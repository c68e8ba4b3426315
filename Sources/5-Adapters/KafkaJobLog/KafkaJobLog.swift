import Failpoints
import Kafka
public import Log
public import Metrics
public import OperatingSystem
import SigningModel
public import SigningPipeline

/// A stream of real Kafka: the engine when users outgrow one machine.
///
/// Exactly once rests on three things. Results, one ledger record a partition and the consumed positions are committed in **one
/// transaction**. The positions carry the member's generation, so that a worker that was thrown out of the group without noticing
/// cannot commit. And what a partition's new owner starts from, position and known jobs, is read from what was committed, after
/// everything of the old owner is settled.
///
/// It lives on a thread of its own, where librdkafka's calls block. An outage of the brokers ends nothing: calls throw `.unavailable`
/// and go on where they stood when they are made again. After `publish` threw `.unavailable` its transaction may be undecided:
/// calling it again with the same batch settles that one, it never publishes twice.
public actor KafkaJobLog: JobLog, LaneActor {
    /// How to reach a stream.
    public struct Settings: Sendable {
        /// Brokers, `HOST:PORT`, comma between.
        public var bootstrap: String
        public var stream: String
        /// This worker's id. Two processes with one id fence each other off.
        public var worker: String
        /// librdkafka's, none that `KafkaProperties.refused` names.
        public var properties: [String: String]
        /// Properties whose values stand in files: these are read again whenever clients are made.
        public var secretFiles: [String: String] = [:]
        /// For how many job records back a job id is known again, per partition.
        public var windowJobs = 50_000
        /// The group knows this worker by its id (`group.instance.id`): started again within the session it has its partitions at once and the
        /// others notice nothing; but when it leaves, they wait for the session to end.
        public var isStaticMember = false
        /// How long a call tries before it throws `.unavailable`.
        public var patience: Duration = .seconds(10)

        public init(bootstrap: String, stream: String, worker: String, properties: [String: String] = [:]) {
            self.bootstrap = bootstrap
            self.stream = stream
            self.worker = worker
            self.properties = properties
        }
    }

    public nonisolated let stream: String
    public nonisolated let lane: SerialLane

    let settings: Settings
    let topics: StreamTopics
    var clientSettings: ClientSettings
    let credentials: CredentialFiles
    let report: Log
    let metrics: KafkaJobLogMetrics

    /// Nil before the first `receive` and after a fatal error.
    var session: TransactSession?
    /// A producer whose `initTransactions` has not ended yet.
    var opening: Producer?
    /// What was found of `credentials` when clients were made of them, or could not be.
    var filesTried: [String: FileStatus] = [:]
    /// Reads the ledger just now.
    var ledgerReader: LedgerReader?
    /// The group was left because the pipeline cannot sign (`Demand.isStandingBy`).
    var isStandingBy = false
    /// Of each of the stream's topics.
    var partitionCount = 0
    var partitions: [Partition: OwnedPartition] = [:]
    /// What the group gave and we have not taken yet, because what it starts from could not be read.
    var awaited: [Partition]?
    /// The consumer must go back to the first records that are not committed.
    var mustSeek = false
    /// A right on a topic is missing: the group is joined again when it is there.
    var denial: KafkaError?
    /// What the open transaction does to each partition, if `session` has an undecided one.
    var undecided: [Partition: LedgerRecord] = [:]
    /// To be told by the next `receive`.
    var dropped: Set<Partition> = []
    /// The group's members since the last rebalance, to be told by the next `receive`.
    var members: Int?
    /// Something was taken back that the pipeline does not know yet.
    var untoldRewind: String?
    /// The last things librdkafka reported by itself, for naming why a call failed.
    var incidents: [(at: ContinuousClock.Instant, error: KafkaError)] = []
    /// librdkafka said so, and no broker has answered since.
    var areBrokersDown = false
    /// The session was open once: what fails from now on may pass by itself, or somebody is at work on it.
    var hasServed = false
    var backoff = Backoff()
    var resultRoom = ResultRoom()
    /// When the consumer was last asked for what it has.
    var lastServed = ContinuousClock.now
    private var lastFall: ContinuousClock.Instant?
    private var ended: JobLogError?
    /// When the pipeline was last told what is unread.
    var unreadTold: ContinuousClock.Instant?
    /// Which partition is served first; moves on with each `receive`.
    var turn = 0

    /// Connects to nothing yet.
    ///
    /// - Throws: `.misconfigured` if a property is set that the promises fix.
    public init(_ settings: Settings, report: Log, metrics: Metrics) throws(JobLogError) {
        try KafkaProperties.check(settings.properties)
        stream = settings.stream
        lane = SerialLane(label: "tanba.kafka.\(settings.stream)")
        self.settings = settings
        topics = StreamTopics(stream: settings.stream)
        clientSettings = ClientSettings(
            bootstrap: settings.bootstrap, clientID: "tanba-\(settings.worker)", properties: settings.properties)
        credentials = CredentialFiles(properties: settings.properties, secretFiles: settings.secretFiles)
        self.report = report.with([("stream", .text(settings.stream))])
        self.metrics = KafkaJobLogMetrics(metrics, stream: settings.stream)
    }

    public func receive(_ demand: Demand) throws(JobLogError) -> Intake {
        if let ended { throw ended }
        renewIfRefused()
        let session = try openSession()
        try settle(session)
        guard self.session != nil else { return try receive(demand) }  // it fell; the second time within a minute throws
        if demand.isStandingBy != isStandingBy { try standBy(demand.isStandingBy, session) }
        if mustSeek { try seek(session) }
        if awaited != nil {
            try serveGroup(session)
            try takeAwaited(session)
        }
        noteIncidents()
        if areBrokersDown { try lookForBrokers(session) }
        if untoldRewind != nil {
            dropped.formUnion(partitions.keys)
            untoldRewind = nil
        }
        // While a batch that was taken back rests, the group is served all the same.
        let rest = backoff.left(at: .now)
        let demand = rest == .zero ? demand : Demand(limit: 0, wait: min(demand.wait, rest), isStandingBy: demand.isStandingBy)
        try poll(session, demand)
        return takeIntake(demand)
    }

    public func publish(_ batch: PublishedBatch) throws(JobLogError) -> Publication {
        if let ended { throw ended }
        renewIfRefused()
        if let session {
            do throws(JobLogError) { try settle(session) } catch {
                // The pipeline comes here again and again; its group must not take it for dead meanwhile.
                if self.session != nil { try serveGroup(session) }
                throw error
            }
            if untoldRewind == nil { try publish(batch, by: session) }
        } else if untoldRewind == nil {
            untoldRewind = "there is no connection"
        }
        guard let reason = untoldRewind else { return .committed }
        untoldRewind = nil
        return .rewound(reason: reason)
    }

    public func close() {
        if let session {
            _ = session.settle()
            closeConsumer(of: session)
        }
        session = nil
        opening = nil
        partitions = [:]
        metrics.show(partitions.values)
    }

    // MARK: - What all calls share

    /// Ends what an outage left undecided.
    private func settle(_ session: TransactSession) throws(JobLogError) {
        if let ending = session.settle() { try note(ending) }
    }

    /// Draws the consequences of how a transaction ended, or did not.
    func note(_ ending: TransactSession.Ending) throws(JobLogError) {
        switch ending {
        case .committed:
            for (partition, record) in undecided { partitions[partition]?.commit(record) }
            undecided = [:]
            backoff.succeeded()
            metrics.commits.add()
            metrics.backoffSeconds.set(0, stream)
            metrics.show(partitions.values)
        case .takenBack(let error) where error.code != .topicAuthorizationFailed:
            undecided = [:]
            metrics.rewinds.add()
            takenBack(because: error)
        case .takenBack(let error), .gone(let error):
            metrics.rewinds.add()
            takenBack(because: error)
            if error.code == .topicAuthorizationFailed { denial = error }
            dropClients("the transaction was given up: \(error)")
        case .aborted:
            break
        case .undecided(let error):
            throw trouble("end a transaction", error)
        case .dead(let error):
            try fall(error)
        }
    }

    /// Everything in flight is taken back; the consumer goes back before it gives anything again.
    func rewind(_ reason: String) {
        untoldRewind = reason
        mustSeek = true
    }

    /// What was taken back comes again after a pause.
    private func takenBack(because error: KafkaError) {
        let trouble = trouble("publish", error)
        backoff.failed(at: .now)
        if error.code == .messageTooLarge { learn(resultRoom.refused()) }
        metrics.backoffSeconds.set(backoff.pause.seconds, stream)
        report.warning(
            "kafka-taken-back", "\(trouble)",
            [("code", .text(error.name)), ("times", .init(backoff.failures)), ("pauseSeconds", .init(backoff.pause.seconds))])
        rewind("the transaction was aborted: \(error)")
    }

    /// A client failed for good: both are dropped, to be made anew by the next `receive`. Twice within a minute is no accident.
    func fall(_ error: KafkaError) throws(JobLogError) {
        let trouble = trouble("go on", error)
        let now = ContinuousClock.now
        // Who is refused with a transaction open is told that it failed for good, until somebody mends that: it is no second process.
        let isAgain = !error.isRefusal && lastFall.map { now - $0 < .seconds(60) } ?? false
        report.error(
            "kafka-fatal", "\(isAgain ? "for the second time within a minute" : "both clients are made anew"): \(trouble)",
            [("code", .text(error.name)), ("worker", .text(settings.worker))])
        dropClients(trouble.reason)
        if !error.isRefusal { lastFall = now }
        guard isAgain else { return }
        let ended = JobLogError(
            .fatal, reason: "\(trouble.reason), for the second time within a minute",
            remedy: "look for a second process with the worker id \(settings.worker) and give it another; if there is none, for "
                + "transactions that outlive transaction.timeout.ms; then start this one again")
        self.ended = ended
        throw ended
    }

    /// Who may not use a topic leaves the partitions to others, and does not disturb them by trying.
    func leave(because denial: KafkaError) {
        self.denial = denial
        dropClients("a right is missing: \(denial)")
    }

    /// What the pipeline has is taken back; the next `receive` makes new clients, whose `initTransactions` settles what was under way.
    func dropClients(_ reason: String) {
        metrics.remakes.add()
        if let session { closeConsumer(of: session) }
        session = nil
        opening = nil
        dropped.formUnion(partitions.keys)
        partitions = [:]
        awaited = nil
        mustSeek = false
        undecided = [:]
        untoldRewind = reason
        metrics.show(partitions.values)
    }

    private func closeConsumer(of session: TransactSession) {
        Failpoint.kafkaBeforeClose.pass()
        do throws(KafkaError) { try session.consumer.close() } catch {
            report.warning("kafka-leave", "the group was not left in order: \(error)")
        }
        Failpoint.kafkaAfterClose.pass()
    }
}
