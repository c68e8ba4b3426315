import Metrics

/// What is counted about keys in files; the names are those of tokens with `file_key` in the place of `token`.
struct FileKeyMetrics: Sendable {
    private let signatures: Counter
    private let checks: Counter
    private let seconds: Histogram
    private let healthy: Gauge
    private let mismatches: Counter

    static let checksHelp = "Signatures that were verified with the certificate's public key."

    init(_ metrics: Metrics) {
        signatures = metrics.counter("tanba_file_key_signatures_total", help: "Private-key operations that succeeded.", labels: ["key"])
        checks = metrics.counter("tanba_file_key_checked_signatures_total", help: Self.checksHelp, labels: ["key"])
        seconds = metrics.histogram(
            "tanba_file_key_signature_seconds", help: "Time of one private-key operation.", labels: ["key"],
            buckets: [0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05])
        healthy = metrics.gauge("tanba_file_key_healthy", help: "1 while the key signs, 0 while it does not.", labels: ["key"])
        mismatches = metrics.counter(
            "tanba_file_key_wrong_signatures_total",
            help: "Signatures that the certificate's public key did not verify; none of their batches was given out.", labels: ["key"])
    }

    func series(key: String) -> FileKeySeries {
        FileKeySeries(
            key: key, signatures: signatures.with(key), checks: checks.with(key), seconds: seconds.with(key), healthy: healthy,
            mismatches: mismatches.with(key))
    }
}

struct FileKeySeries: Sendable {
    fileprivate let key: String
    fileprivate let signatures: CounterSeries
    fileprivate let checks: CounterSeries
    fileprivate let seconds: HistogramSeries
    fileprivate let healthy: Gauge
    fileprivate let mismatches: CounterSeries

    func signed(seconds duration: Double) {
        signatures.add()
        seconds.observe(duration)
    }

    func check() { checks.add() }
    func mismatch() { mismatches.add() }
    func set(healthy isHealthy: Bool) { healthy.set(isHealthy ? 1 : 0, key) }
}
