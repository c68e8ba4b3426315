import Metrics
import OperatingSystem

/// What is counted about tokens; one line a token.
struct TokenMetrics: Sendable {
    private let signatures: Counter
    private let seconds: Histogram
    private let healthy: Gauge
    private let mismatches: Counter
    private let width: Gauge
    private let rate: Gauge

    static let signaturesHelp = "Private-key operations that succeeded, repeated ones too."
    static let healthyHelp = "1 while the token signs, 0 while it does not."
    static let wrongHelp = "Batches with a signature that the certificate's public key did not verify; none was given out."
    static let widthHelp = "How many signatures the token makes at once."
    static let rateHelp = "Signatures a second at the width that was found for the token, while work waits."

    init(_ metrics: Metrics) {
        signatures = metrics.counter("tanba_token_signatures_total", help: Self.signaturesHelp, labels: ["token"])
        seconds = metrics.histogram(
            "tanba_token_signature_seconds", help: "Time of one private-key operation on its session.", labels: ["token"],
            buckets: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5])
        healthy = metrics.gauge("tanba_token_healthy", help: Self.healthyHelp, labels: ["token"])
        mismatches = metrics.counter("tanba_token_wrong_signatures_total", help: Self.wrongHelp, labels: ["token"])
        width = metrics.gauge("tanba_token_width", help: Self.widthHelp, labels: ["token"])
        rate = metrics.gauge("tanba_token_knee_rate", help: Self.rateHelp, labels: ["token"])
    }

    func series(token: String) -> TokenSeries {
        TokenSeries(
            token: token, signatures: signatures.with(token), seconds: seconds.with(token), healthy: healthy, mismatches: mismatches.with(token),
            width: width, rate: rate)
    }
}

struct TokenSeries: Sendable {
    fileprivate let token: String
    fileprivate let signatures: CounterSeries
    fileprivate let seconds: HistogramSeries
    fileprivate let healthy: Gauge
    fileprivate let mismatches: CounterSeries
    fileprivate let width: Gauge
    fileprivate let rate: Gauge

    func signed(in duration: Duration) {
        signatures.add()
        seconds.observe(duration.seconds)
    }

    func set(healthy isHealthy: Bool) { healthy.set(isHealthy ? 1 : 0, token) }
    func mismatch() { mismatches.add() }
    func set(width: Int) { self.width.set(Double(width), token) }
    func set(rate: Double) { self.rate.set(rate, token) }
}
