import Foundation
import OperatingSystem

/// A real Kafka of one node for this test process, from the Kafka that `KAFKA_HOME` points to (any Kafka of 3.6 or newer: only its
/// bin/*.sh are used), or the one at `KAFKA_BOOTSTRAP`.
///
/// A shell script holds it: it ends the broker and removes its folder when this process is gone, however that ends, because then
/// its standard input is at an end.
public final class TestBroker: Sendable {
    /// Where clients connect, for `bootstrap.servers`.
    public let bootstrap: String
    private let script: Script?

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
    public init() throws {
        guard let home = Self.home else { throw TestBrokerError(what: "KAFKA_HOME is not set") }
        let script = try Script(home: home)
        bootstrap = try script.expect("ready ")
        self.script = script
    }

    private init(outside: String) {
        bootstrap = outside
        script = nil
    }

    /// SIGKILL, and waits for its end.
    public func kill() throws { try order("kill", "killed") }
    /// Starts it again after `kill`, at the same address and with the same data, and waits until it listens.
    public func start() throws { try order("start", "ready ") }
    /// SIGSTOP: connections stay open and nobody answers.
    public func pause() throws { try order("pause", "paused") }
    /// SIGCONT.
    public func resume() throws { try order("resume", "resumed") }

    private func order(_ command: String, _ answer: String) throws {
        guard let script else { throw TestBrokerError(what: "a broker of KAFKA_BOOTSTRAP is not ours to \(command)") }
        try script.say(command)
        _ = try script.expect(answer)
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
}

/// The shell that owns the broker: orders by its standard input, one a line, answers by its standard output.
private final class Script: Sendable {
    private let pipes: Locked<(orders: FileHandle, answers: FileHandle, process: Process)>

    init(home: String) throws {
        let orders = Pipe()
        let answers = Pipe()
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/bash")
        process.arguments = ["-c", brokerScript, "tanba-test-broker", home]
        process.standardInput = orders
        process.standardOutput = answers
        try process.run()
        pipes = Locked((orders.fileHandleForWriting, answers.fileHandleForReading, process))
    }

    func say(_ order: String) throws { try pipes.withLock { try $0.orders.write(contentsOf: Data((order + "\n").utf8)) } }

    /// Reads one line, which must begin so, and returns the rest of it.
    func expect(_ beginning: String) throws -> String {
        let line = try pipes.withLock { pipes in
            var line: [UInt8] = []
            while let byte = try pipes.answers.read(upToCount: 1)?.first, byte != UInt8(ascii: "\n") { line.append(byte) }
            return String(decoding: line, as: UTF8.self)
        }
        guard line.hasPrefix(beginning) else { throw TestBrokerError(what: line.isEmpty ? "ended without a word" : line) }
        return String(line.dropFirst(beginning.count))
    }
}

/// One KRaft node on loopback: no topics by mistake, small internal topics, no wait for a group's first members, timed-out
/// transactions looked for every second; and after a SIGKILL a new broker has to wait for the end of the old one's session, so
/// that is short.
private let brokerScript = #"""
    set -u
    home=$1
    dir=$(mktemp -d "${TMPDIR:-/tmp}/tanba-test-broker.XXXXXX")
    pid=
    used() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
    free() { local p; while :; do p=$((10000 + (RANDOM * 32768 + RANDOM) % 22000)); used $p || { echo $p; return; }; done; }
    slay() { [ -n "$pid" ] && { kill -9 $pid; wait $pid; } 2>/dev/null; pid=; }
    end() { slay; rm -rf "$dir"; }
    fail() { echo "failed: $* $(tail -n 5 "$dir/log.txt" 2>/dev/null | tr '\n' ' ')"; end; exit 1; }
    client=$(free); controller=$(free)
    cat > "$dir/server.properties" <<TEXT
    process.roles=broker,controller
    node.id=1
    controller.quorum.voters=1@127.0.0.1:$controller
    listeners=PLAINTEXT://127.0.0.1:$client,CONTROLLER://127.0.0.1:$controller
    advertised.listeners=PLAINTEXT://127.0.0.1:$client
    listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
    inter.broker.listener.name=PLAINTEXT
    controller.listener.names=CONTROLLER
    log.dirs=$dir/data
    auto.create.topics.enable=false
    default.replication.factor=1
    offsets.topic.replication.factor=1
    offsets.topic.num.partitions=10
    transaction.state.log.replication.factor=1
    transaction.state.log.min.isr=1
    transaction.state.log.num.partitions=10
    transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
    group.initial.rebalance.delay.ms=0
    broker.session.timeout.ms=3000
    broker.heartbeat.interval.ms=500
    log.cleaner.dedupe.buffer.size=8388608
    TEXT
    export LOG_DIR=$dir/log KAFKA_HEAP_OPTS="-Xmx512m -Xms128m"
    "$home/bin/kafka-storage.sh" format -t VGFuYmFUZXN0QnJva2VyQQ -c "$dir/server.properties" > "$dir/log.txt" 2>&1 || fail format
    start() {
        "$home/bin/kafka-server-start.sh" "$dir/server.properties" < /dev/null >> "$dir/log.txt" 2>&1 &
        pid=$!
        local n
        for n in $(seq 600); do
            used $client && { echo "ready 127.0.0.1:$client"; return; }
            kill -0 $pid 2>/dev/null || fail "the broker ended"
            sleep 0.1
        done
        fail "the broker does not listen"
    }
    start
    while read -r order; do
        case $order in
            start) start ;;
            kill) slay; echo killed ;;
            pause) kill -STOP $pid; echo paused ;;
            resume) kill -CONT $pid; echo resumed ;;
        esac
    done
    end
    """#
