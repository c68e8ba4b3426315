import Foundation
import OperatingSystem

/// A real Kafka for this test process, of one node or three, from the Kafka that `KAFKA_HOME` points to (any Kafka of 3.6 or newer: only its
/// bin/*.sh are used), or the one at `KAFKA_BOOTSTRAP`.
///
/// A shell script holds it: it ends the broker and removes its folder when this object goes, or this process, however that ends, because then
/// its standard input is at an end.
public final class TestBroker: Sendable {
    /// Where clients connect, for `bootstrap.servers`.
    ///
    /// Of a secured broker this is the back door: without TLS, and whoever comes through it may do everything. Tests make topics there.
    public let bootstrap: String
    private let script: HeldScript?
    /// Set for a broker made with `isSecured`.
    let secured: Secured?

    /// For `.enabled(if:)`: a broker can be had. Says once and aloud what is skipped if none can.
    public static let isAvailable: Bool = {
        if home != nil || outside != nil { return true }
        print("SKIPPED: tests against a real Kafka; set KAFKA_HOME to an unpacked Kafka (and install Java 17), or KAFKA_BOOTSTRAP")
        return false
    }()

    /// For tests that kill brokers: one of our own can be started.
    public static let canBeStarted: Bool = {
        if home != nil { return true }
        print("SKIPPED: tests that kill a Kafka broker; set KAFKA_HOME to an unpacked Kafka (and install Java 17)")
        return false
    }()

    /// The broker that all tests of the process share: use names of your own for topics, groups and transactional ids.
    public static let shared: Result<TestBroker, any Error> = Result {
        if let outside { return TestBroker(outside: outside) }
        return try TestBroker()
    }

    /// Starts a broker of its own, for a test that kills it. Takes 3 to 6 seconds.
    ///
    /// - Parameters:
    ///   - nodes: 1, or 3 that have a copy of everything each.
    ///   - isSecured: with the doors of `Door`, and with ACLs: through them nobody may do anything but who is given the right.
    public init(nodes: Int = 1, isSecured: Bool = false) throws {
        guard Self.home != nil else { throw TestBrokerError(what: "KAFKA_HOME is not set") }
        let script = try Self.hold(nodes: nodes, users: isSecured ? Self.users : [])
        secured = isSecured ? try Secured(line: script.expect("secured ")) : nil
        bootstrap = try script.expect("ready ")
        self.script = script
    }

    /// A broker that somebody else holds.
    public init(outside: String) {
        bootstrap = outside
        script = nil
        secured = nil
    }

    /// SIGKILL, and waits for its end.
    public func kill(_ node: Int = 1) throws { try order("kill \(node)", "killed") }
    /// Starts it again after `kill`, at the same address and with the same data, and waits until it listens.
    public func start(_ node: Int = 1) throws { try order("start \(node)", "started") }
    /// SIGSTOP: connections stay open and nobody answers.
    public func pause(_ node: Int = 1) throws { try order("pause \(node)", "paused") }
    /// SIGCONT.
    public func resume(_ node: Int = 1) throws { try order("resume \(node)", "resumed") }

    private func order(_ command: String, _ answer: String) throws {
        guard let script else { throw TestBrokerError(what: "a broker of KAFKA_BOOTSTRAP is not ours to \(command)") }
        try script.order(command, answer)
    }

    private static let home = environment("KAFKA_HOME").flatMap {
        FileManager.default.isExecutableFile(atPath: $0 + "/bin/kafka-server-start.sh") ? $0 : nil
    }
    private static let outside = environment("KAFKA_BOOTSTRAP")

    private static func environment(_ name: String) -> String? {
        ProcessInfo.processInfo.environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }
}

public struct TestBrokerError: Error, CustomStringConvertible {
    public let what: String
    public var description: String { "test broker: \(what)" }

    public init(what: String) { self.what = what }
}
