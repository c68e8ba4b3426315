import Metrics
import OperatingSystem

/// What a governor shows of its authority.
struct GovernorMetrics: Sendable {
    let name: String
    let probes: Counter
    private let isIn: Gauge
    private let outSeconds: Gauge
    private let inFlight: Gauge
    private let inFlightUseful: Gauge
    private let promised: Gauge
    private let budgetLeft: Gauge
    private let skew: Gauge

    init(_ metrics: Metrics, _ name: String) {
        self.name = name
        let labels = ["authority"]
        probes = metrics.counter(
            "tanba_timestamp_probes_total", help: "Probes of time-stamping authorities that were out, by what came of them.",
            labels: ["authority", "outcome"])
        isIn = metrics.gauge("tanba_timestamp_authority_in", help: "1 while the authority is asked, 0 while it is left alone.", labels: labels)
        outSeconds = metrics.gauge(
            "tanba_timestamp_authority_out_seconds", help: "How long the authority has been out, as of the last probe; 0 while it is in.",
            labels: labels)
        inFlight = metrics.gauge("tanba_timestamp_in_flight", help: "Requests without an answer yet.", labels: labels)
        inFlightUseful = metrics.gauge(
            "tanba_timestamp_in_flight_useful", help: "How many requests at once were found to be of use.", labels: labels)
        promised = metrics.gauge("tanba_timestamp_promised", help: "Stamps that are promised and not asked for yet.", labels: labels)
        budgetLeft = metrics.gauge(
            "tanba_timestamp_budget_left", help: "Requests that this worker may send now; no line while no budget is known.", labels: labels)
        skew = metrics.gauge(
            "tanba_timestamp_clock_skew_seconds", help: "The stamped time of the last answer less our clock's.", labels: labels)
    }

    func show(_ state: inout Governor.State, at now: Duration) {
        isIn.set(state.breaker.isClosed ? 1 : 0, name)
        outSeconds.set(state.breaker.outSince.map { (now - $0).seconds } ?? 0, name)
        inFlight.set(Double(state.inFlight), name)
        inFlightUseful.set(Double(state.width), name)
        promised.set(Double(state.promised), name)
        if state.budget.rate != nil { budgetLeft.set(Double(state.budget.left(at: now)), name) }
        if let ahead = state.skew { skew.set(ahead.seconds, name) }
    }
}
