import Kafka
public import Log
public import OperatingSystem
public import SigningPipeline

/// Puts jobs into a stream: an idempotent producer, so that each job stands there once and in order, in the partition that murmur2
/// gives its id. No transaction: the offsets of jobs have no holes, which lets an auditor prove that none is missing.
///
/// What is written waits in a queue of bounded size; `write` waits when it is full.
public actor KafkaJobWriter: LaneActor {
    public nonisolated let lane: SerialLane
    private let stream: String
    private let topics: StreamTopics
    private let bootstrap: String
    private let patience: Duration
    private let producer: Producer
    private var incidents: [KafkaError] = []

    /// A job to be written.
    public struct EnqueuedJob: Sendable {
        /// The job id's UTF-8.
        public var key: [UInt8]
        /// JSON by docs/schemas/job.schema.json.
        public var value: [UInt8]
        /// A `traceparent` header that its result carries on.
        public var traceparent: [UInt8]?
        /// Comes back if the job cannot be delivered.
        public var tag: Int

        public init(key: [UInt8], value: [UInt8], traceparent: [UInt8]? = nil, tag: Int) {
            self.key = key
            self.value = value
            self.traceparent = traceparent
            self.tag = tag
        }
    }

    /// A job that does not stand in the stream, as far as is known: writing it again may double it, which is harmless, as a double of
    /// the same content gets the result `duplicate`.
    public struct UndeliveredJob: Sendable, Hashable {
        public let tag: Int
        public let reason: String
    }

    /// Connects to nothing yet.
    ///
    /// - Throws: `.misconfigured` for properties that librdkafka does not know or the promises fix.
    public init(
        bootstrap: String, stream: String, properties: [String: String] = [:], patience: Duration = .seconds(10), report: Log
    ) throws(JobLogError) {
        try KafkaProperties.check(properties)
        lane = SerialLane(label: "tanba.kafka-writer.\(stream)")
        self.stream = stream
        topics = StreamTopics(stream: stream)
        self.bootstrap = bootstrap
        self.patience = patience
        let settings = ClientSettings(bootstrap: bootstrap, clientID: "tanba-enqueue", properties: properties)
        do throws(KafkaError) {
            producer = try Producer(properties: settings.enqueuingProducer(), log: KafkaJobLog.sink(of: report))
        } catch {
            throw KafkaTrouble(error, incidents: []).error(
                .misconfigured, "stream \(stream): cannot make a producer", bootstrap: bootstrap, rights: topics.submittersRight)
        }
    }

    /// Finds the stream, so that a wrong address or name is known before the first job is written.
    ///
    /// - Throws: `.unavailable` if no broker answers, `.misconfigured` if the stream is not there or may not be written to.
    public func connect() throws(JobLogError) {
        do throws(KafkaError) { _ = try producer.partitionCount(of: topics.jobs, within: patience) } catch {
            noteIncidents()
            let trouble = KafkaTrouble(error, incidents: incidents)
            throw trouble.error(
                trouble.mayPass ? .unavailable : .misconfigured, "cannot find the topic \(topics.jobs)", bootstrap: bootstrap,
                rights: topics.submittersRight)
        }
    }

    /// Queues the jobs, waiting for room where there is none.
    ///
    /// - Returns: the jobs of this call and earlier ones whose delivery failed meanwhile.
    /// - Throws: `.unavailable` if there was no room for as long as the patience goes, `.fatal` if this writer cannot go on, and
    ///   `.misconfigured` for a job that is too large for it, or if its user may not write.
    ///   Jobs before the one at fault are queued, it and those behind are not.
    public func write(_ jobs: [EnqueuedJob]) throws(JobLogError) -> [UndeliveredJob] {
        for job in jobs {
            let headers = job.traceparent.map { [KafkaHeader("traceparent", $0)] } ?? []
            let end = ContinuousClock.now + patience
            while true {
                do throws(KafkaError) {
                    try producer.produce(to: topics.jobs, key: job.key, value: job.value, headers: headers, tag: job.tag)
                    break
                } catch {
                    guard error.code == .queueFull, ContinuousClock.now < end else { throw trouble(error) }
                    producer.poll(for: .milliseconds(100))
                }
            }
        }
        producer.poll(for: .zero)
        return try takeUndelivered()
    }

    /// Waits until every job written so far is delivered or has failed.
    ///
    /// - Returns: those that failed since they were last asked for.
    public func flush() throws(JobLogError) -> [UndeliveredJob] {
        while producer.outstanding > 0 {
            do throws(KafkaError) { try producer.flush(within: .seconds(1)) } catch {
                // Each record has its own time to live, `message.timeout.ms`, after which it has failed: this ends.
                guard error.isTransient else { throw trouble(error) }
            }
            noteIncidents()
        }
        return try takeUndelivered()
    }

    /// Jobs queued and neither delivered nor failed, for a progress line.
    public var outstanding: Int { producer.outstanding }

    private func takeUndelivered() throws(JobLogError) -> [UndeliveredJob] {
        let failures = producer.takeFailures()
        guard !failures.isEmpty else { return [] }
        // That goes for all jobs alike: said once, it is not a property of some.
        if let denied = failures.first(where: { $0.error.isDenied }) { throw trouble(denied.error) }
        noteIncidents()
        // A producer that failed for good throws its jobs away, which says nothing of why.
        if let fatal = incidents.first(where: \.isFatal) { throw trouble(fatal) }
        return failures.map { UndeliveredJob(tag: $0.tag, reason: KafkaTrouble($0.error, incidents: incidents).sentence) }
    }

    private func trouble(_ error: KafkaError) -> JobLogError {
        noteIncidents()
        let kind: JobLogError.Kind = error.isDenied ? .misconfigured : error.isFatal ? .fatal : error.isTransient ? .unavailable : .misconfigured
        return KafkaTrouble(error, incidents: incidents).error(
            kind, "cannot write to \(topics.jobs)", bootstrap: bootstrap, rights: topics.submittersRight)
    }

    private func noteIncidents() {
        producer.poll(for: .zero)
        incidents += producer.takeIncidents()
        if incidents.count > 8 { incidents.removeFirst(incidents.count - 8) }
    }
}
