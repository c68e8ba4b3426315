import Foundation
import Glibc

/// A tanba-worker in a process of its own, and what the kernel says of it.
final class KafkaWorker {
    private let process = Process()
    private let log: String
    private var processorClock = clockid_t()

    init(program: String, configuration: String, log: String, environment: [String: String]) throws {
        self.log = log
        let descriptor = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw Usage(description: "\(log) cannot be written") }
        let output = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["--default-signal", program, "--config", configuration]  // as `tryRun`; env becomes the program
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = output
        try process.run()
        guard clock_getcpuclockid(process.processIdentifier, &processorClock) == 0 else { throw failure("the worker has no clock") }
    }

    var isRunning: Bool { process.isRunning }

    /// Microseconds of CPU of all its threads, those that ended included.
    var cpu: Double {
        var time = timespec()
        clock_gettime(processorClock, &time)
        return Double(time.tv_sec) * 1e6 + Double(time.tv_nsec) / 1e3
    }

    /// The most memory that it ever held, in MB (10⁶ bytes).
    var peakMegabytes: Double {
        let lines = (try? String(contentsOfFile: "/proc/\(process.processIdentifier)/status", encoding: .utf8))?.split(separator: "\n") ?? []
        let line = lines.first { $0.hasPrefix("VmHWM:") }
        return (line?.split(whereSeparator: { " \t".contains($0) }).dropFirst().first).flatMap { Double($0) }.map { $0 * 1024 / 1e6 } ?? 0
    }

    /// Microseconds of CPU by name of thread, of those that live: librdkafka names its own.
    var threads: [String: Double] {
        let folder = "/proc/\(process.processIdentifier)/task"
        var sums: [String: Double] = [:]
        for thread in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
            guard let name = try? String(contentsOfFile: "\(folder)/\(thread)/comm", encoding: .utf8),
                let times = try? String(contentsOfFile: "\(folder)/\(thread)/schedstat", encoding: .utf8),
                let nanoseconds = times.split(separator: " ").first.flatMap({ Double($0) })
            else { continue }
            sums[name.trimmingCharacters(in: .whitespacesAndNewlines), default: 0] += nanoseconds / 1000
        }
        return sums
    }

    /// How many partitions it has, as its log says.
    var partitions: Int {
        let lines = ((try? String(contentsOfFile: log, encoding: .utf8)) ?? "").split(separator: "\n")
        let beginning = lines.lastIndex { $0.contains(#""event":"started""#) || $0.contains(#""event":"partitions-revoked""#) } ?? lines.startIndex
        return lines[beginning...].count { $0.contains(#""event":"partition-taken""#) }
    }

    /// The share of each library, or of each function, in the CPU of the coming seconds; empty where there is no perf.
    func profile(seconds: Double, by kind: String, _ folder: String) -> [(name: String, share: Double)] {
        let file = "\(folder)/perf.data"
        defer { try? FileManager.default.removeItem(atPath: file) }
        let pid = "\(process.processIdentifier)"
        guard tryRun("perf", "record", "-q", "-F", "499", "-p", pid, "-o", file, "--", "sleep", "\(seconds)") != nil,
            let report = tryRun("perf", "report", "-q", "--stdio", "--sort", kind, "-i", file)
        else { return [] }
        return report.split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ", omittingEmptySubsequences: true)
            guard words.count >= 2, words[0].hasSuffix("%"), let share = Double(words[0].dropLast()) else { return nil }
            return (words[1...].joined(separator: " "), share)
        }
    }

    /// Tells it to finish what it has in flight and to leave its group.
    func drain() { if process.isRunning { process.terminate() } }

    /// Drains it and waits for its end.
    func stop() {
        drain()
        let deadline = ContinuousClock.now + .seconds(60)
        while process.isRunning, ContinuousClock.now < deadline { usleep(10_000) }
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
        process.waitUntilExit()
    }

    func failure(_ what: String) -> Usage {
        let lines = ((try? String(contentsOfFile: log, encoding: .utf8)) ?? "").split(separator: "\n").suffix(8)
        return Usage(description: "\(what); the worker's last lines:\n" + lines.joined(separator: "\n"))
    }
}
