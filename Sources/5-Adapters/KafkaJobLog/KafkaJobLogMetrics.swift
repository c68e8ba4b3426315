import Metrics

/// What an operator watches of a stream's Kafka side.
struct KafkaJobLogMetrics: Sendable {
    let commits: CounterSeries
    let rewinds: CounterSeries
    let remakes: CounterSeries
    let rebalances: CounterSeries
    let deletedUnread: CounterSeries
    let transactionSeconds: HistogramSeries
    let backoffSeconds: Gauge
    private let partitions: Gauge
    private let knownJobs: Gauge
    private let stream: String

    init(_ metrics: Metrics, stream: String) {
        func counter(_ name: String, _ help: String) -> CounterSeries { metrics.counter(name, help: help, labels: ["stream"]).with(stream) }
        commits = counter("tanba_kafka_commits_total", "Transactions committed.")
        rewinds = counter("tanba_kafka_rewinds_total", "Transactions aborted and taken back.")
        remakes = counter("tanba_kafka_remakes_total", "Times both Kafka clients were made anew: for a fatal error, a missing right, renewed files.")
        rebalances = counter("tanba_kafka_rebalances_total", "Times the group gave or took partitions.")
        deletedUnread = counter("tanba_kafka_jobs_deleted_unread_total", "Job records that retention deleted before they were read.")
        transactionSeconds = metrics.histogram(
            "tanba_kafka_transaction_seconds", help: "From begin to the end of the commit.", labels: ["stream"],
            buckets: [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30]
        ).with(stream)
        backoffSeconds = metrics.gauge(
            "tanba_kafka_backoff_seconds", help: "The pause after the last transaction, if it was taken back; else 0.", labels: ["stream"])
        partitions = metrics.gauge("tanba_kafka_partitions", help: "Partitions that this worker has.", labels: ["stream"])
        knownJobs = metrics.gauge("tanba_kafka_known_jobs", help: "Signed jobs that are known again.", labels: ["stream"])
        self.stream = stream
    }

    func show(_ owned: some Collection<OwnedPartition>) {
        partitions.set(Double(owned.count), stream)
        knownJobs.set(Double(owned.reduce(0) { $0 + $1.known.count }), stream)
    }
}
