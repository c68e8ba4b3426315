import Foundation
import Metrics
import Testing

@Suite struct MetricsTests {
    private func text(_ metrics: Metrics) -> String { String(decoding: metrics.prometheusText(), as: UTF8.self) }

    private func sample() -> Metrics {
        let metrics = Metrics()
        let jobs = metrics.counter("tanba_jobs_total", help: "Jobs by outcome.", labels: ["stream", "outcome"])
        jobs.add(3, "demo", "signed")
        jobs.add(1, "demo", "refused")
        metrics.gauge("tanba_in_flight", help: "Jobs between \\ intake and\npublication.").set(12)
        metrics.counter("tanba_log_lines_total", help: "Lines.", labels: ["path"]).add(0.5, "a\"b\\c\nd Таңба")
        let seconds = metrics.histogram("tanba_sign_seconds", help: "Time.", labels: ["token"], buckets: [0.001, 0.1, 1])
        for value in [0.0005, 0.001, 0.05, 2] { seconds.observe(value, "main") }
        return metrics
    }

    @Test func theTextIsPrometheus() {
        #expect(
            text(sample()) == #"""
                # HELP tanba_in_flight Jobs between \\ intake and\npublication.
                # TYPE tanba_in_flight gauge
                tanba_in_flight 12
                # HELP tanba_jobs_total Jobs by outcome.
                # TYPE tanba_jobs_total counter
                tanba_jobs_total{stream="demo",outcome="refused"} 1
                tanba_jobs_total{stream="demo",outcome="signed"} 3
                # HELP tanba_log_lines_total Lines.
                # TYPE tanba_log_lines_total counter
                tanba_log_lines_total{path="a\"b\\c\nd Таңба"} 0.5
                # HELP tanba_sign_seconds Time.
                # TYPE tanba_sign_seconds histogram
                tanba_sign_seconds_bucket{token="main",le="0.001"} 2
                tanba_sign_seconds_bucket{token="main",le="0.1"} 3
                tanba_sign_seconds_bucket{token="main",le="1"} 3
                tanba_sign_seconds_bucket{token="main",le="+Inf"} 4
                tanba_sign_seconds_sum{token="main"} 2.0515
                tanba_sign_seconds_count{token="main"} 4

                """#)
    }

    static let promtool = "/usr/bin/promtool"

    @Test(
        .enabled(if: FileManager.default.isExecutableFile(atPath: promtool), "SKIPPED: promtool is not installed (apt install prometheus)"))
    func promtoolFindsNothingToSay() throws {
        let good = try runProgram(Self.promtool, ["check", "metrics"], input: sample().prometheusText())
        #expect(good.status == 0, "\(good.output)")
        #expect(good.output.isEmpty, "\(good.output)")
        let none = Metrics()
        _ = none.counter("tanba_jobs_total", help: "Jobs.", labels: ["outcome"])
        let empty = try runProgram(Self.promtool, ["check", "metrics"], input: none.prometheusText())
        #expect(empty.status == 0 && empty.output.isEmpty, "\(empty.output)")
        let bad = try runProgram(Self.promtool, ["check", "metrics"], input: Array("a{b=\"c} 1\n".utf8))
        #expect(bad.status != 0, "promtool takes anything, so the checks above mean nothing")
    }

    @Test func oneNameIsOneInstrument() {
        let metrics = Metrics()
        metrics.counter("a_total", help: "A.").add()
        metrics.counter("a_total", help: "A.").add(2)
        #expect(metrics.counter("a_total", help: "A.").value() == 3)
        let labelled = metrics.counter("b_total", help: "B.", labels: ["x"])
        labelled.with("1").add(4)
        labelled.add(1, "1")
        #expect(labelled.value("1") == 5)
        #expect(labelled.with("1").value == 5)
        #expect(labelled.value("2") == 0)
    }

    @Test func gaugesGoBothWaysAndAway() {
        let metrics = Metrics()
        let lag = metrics.gauge("lag", help: "Lag.", labels: ["partition"])
        lag.set(5, "0")
        lag.add(-7, "0")
        lag.set(1, "1")
        #expect(lag.value("0") == -2)
        lag.remove("1")
        #expect(text(metrics).hasSuffix("lag{partition=\"0\"} -2\n"))
    }

    @Test(arguments: [
        (0.0, "0"), (-1, "-1"), (1e14, "100000000000000"), (1e20, "1e+20"), (0.1, "0.1"), (.infinity, "+Inf"), (-.infinity, "-Inf"),
        (.nan, "NaN"),
    ])
    func numbersAreWrittenAsGoReadsThem(value: Double, expected: String) {
        let metrics = Metrics()
        metrics.gauge("g", help: "G.").set(value)
        #expect(text(metrics).hasSuffix("\ng \(expected)\n"))
    }

    @Test func manyThreadsCountWithoutLoss() {
        let metrics = Metrics()
        let counter = metrics.counter("a_total", help: "A.", labels: ["x"])
        let histogram = metrics.histogram("b_seconds", help: "B.", buckets: [1, 2])
        DispatchQueue.concurrentPerform(iterations: 8) { index in
            let mine = counter.with("\(index % 2)")
            for _ in 0..<5_000 {
                mine.add()
                histogram.observe(1.5)
            }
        }
        #expect(counter.value("0") == 20_000)
        #expect(counter.value("1") == 20_000)
        #expect(histogram.totals().count == 40_000)
        #expect(histogram.totals().sum == 60_000)
        #expect(text(metrics).contains("b_seconds_bucket{le=\"1\"} 0\nb_seconds_bucket{le=\"2\"} 40000\n"))
    }

    /// A programmer's error stops the program; each is one that promtool or Prometheus would find later.
    @Test func badNamesStopTheProgram() async {
        await #expect(processExitsWith: .failure) { _ = Metrics().counter("jobs", help: "No _total.") }
        await #expect(processExitsWith: .failure) { _ = Metrics().gauge("jobs_total", help: "No counter.") }
        await #expect(processExitsWith: .failure) { _ = Metrics().gauge("Jobs", help: "Upper case.") }
        await #expect(processExitsWith: .failure) { _ = Metrics().gauge("jobs", help: "") }
        await #expect(processExitsWith: .failure) { _ = Metrics().gauge("jobs", help: "Label.", labels: ["le"]) }
        await #expect(processExitsWith: .failure) { _ = Metrics().histogram("jobs", help: "Buckets.", buckets: [2, 1]) }
        await #expect(processExitsWith: .failure) { Metrics().gauge("jobs", help: "Labels.", labels: ["a"]).set(1) }
        await #expect(processExitsWith: .failure) { Metrics().counter("jobs_total", help: "Shrinks.").add(-1) }
        await #expect(processExitsWith: .failure) {
            let metrics = Metrics()
            _ = metrics.gauge("jobs", help: "One.")
            _ = metrics.gauge("jobs", help: "Two.")
        }
    }
}
