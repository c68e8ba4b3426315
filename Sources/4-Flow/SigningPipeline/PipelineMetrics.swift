import Metrics

/// What a pipeline counts. Stages: `intake` (record written to received), `sign` (with the wait for its turn), `timestamp`, `publish`
/// (finished to committed), `total` (record written to committed).
struct PipelineMetrics: Sendable {
    let received: Counter
    let results: Counter
    let refusals: Counter
    let rewinds: Counter
    let surplusKeyOperations: Counter
    let inFlight: Gauge
    let standingBy: Gauge
    let parked: Gauge
    let parkedSeconds: Gauge
    let logUnavailableSeconds: Gauge
    let signable: Gauge
    let usefulWorkers: Gauge
    let stageSeconds: Histogram
    let batchResults: Histogram
    let stream: String

    init(_ metrics: Metrics, stream: String) {
        let seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600]
        received = metrics.counter("tanba_jobs_received_total", help: "Job records taken from the stream", labels: ["stream"])
        results = metrics.counter("tanba_results_total", help: "Results committed", labels: ["stream", "outcome"])
        refusals = metrics.counter("tanba_refusals_total", help: "Refusals committed, by code", labels: ["stream", "code"])
        rewinds = metrics.counter("tanba_rewinds_total", help: "Batches aborted and taken back", labels: ["stream"])
        surplusKeyOperations = metrics.counter(
            "tanba_surplus_key_operations_total", help: "Signatures made and never published", labels: ["stream"])
        inFlight = metrics.gauge("tanba_jobs_in_flight", help: "Jobs between intake and publication", labels: ["stream"])
        standingBy = metrics.gauge(
            "tanba_stream_standing_by", help: "1 while the stream's partitions are given up for want of a key that signs", labels: ["stream"])
        parked = metrics.gauge(
            "tanba_jobs_parked", help: "Jobs that wait, unsigned, until an authority can promise a time-stamp", labels: ["stream"])
        parkedSeconds = metrics.gauge(
            "tanba_jobs_parked_seconds", help: "For how long jobs have waited for an authority; 0 while none does", labels: ["stream"])
        logUnavailableSeconds = metrics.gauge(
            "tanba_log_unavailable_seconds", help: "For how long the stream's log has been away or has taken batches back; 0 while all is well",
            labels: ["stream"])
        signable = metrics.gauge(
            "tanba_signable_jobs", help: "Waiting jobs of this worker's partitions that a token can sign now; sum over the workers",
            labels: ["stream"])
        usefulWorkers = metrics.gauge(
            "tanba_useful_workers", help: "This worker's partitions with signable jobs; the sum is for how many workers there is work",
            labels: ["stream"])
        stageSeconds = metrics.histogram(
            "tanba_stage_seconds", help: "Time a job spent in a stage", labels: ["stream", "stage"], buckets: seconds)
        batchResults = metrics.histogram(
            "tanba_batch_results", help: "Results in one transaction", labels: ["stream"], buckets: [1, 5, 10, 50, 100, 250, 500])
        self.stream = stream
    }

    func spent(_ seconds: Double, in stage: String) { stageSeconds.observe(seconds, stream, stage) }
}
