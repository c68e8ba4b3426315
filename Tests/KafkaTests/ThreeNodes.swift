import Foundation
import OperatingSystem
import SigningTestKit

/// A real Kafka of three nodes on loopback, from `KAFKA_HOME`, with Kafka's own settings but for small internal topics. It ends with this
/// object, or with this process.
final class ThreeNodes: Sendable {
    let broker: TestBroker
    private let shell: Locked<(orders: FileHandle, answers: FileHandle, process: Process)>

    init() throws {
        let (orders, answers, process) = (Pipe(), Pipe(), Process())
        process.executableURL = URL(fileURLWithPath: "/bin/bash")
        process.arguments = ["-c", Self.script, "tanba-three-nodes", ProcessInfo.processInfo.environment["KAFKA_HOME"] ?? ""]
        process.standardInput = orders
        process.standardOutput = answers
        try process.run()
        shell = Locked((orders.fileHandleForWriting, answers.fileHandleForReading, process))
        broker = TestBroker(outside: try Self.expect("ready ", shell))
    }

    func kill(_ node: Int) throws { try order("kill \(node)", "killed") }
    /// Starts a node again and waits until it listens.
    func start(_ node: Int) throws { try order("start \(node)", "started") }

    private func order(_ words: String, _ answer: String) throws {
        try shell.withLock { try $0.orders.write(contentsOf: Data((words + "\n").utf8)) }
        _ = try Self.expect(answer, shell)
    }

    private static func expect(
        _ beginning: String, _ shell: Locked<(orders: FileHandle, answers: FileHandle, process: Process)>
    ) throws -> String {
        let line = try shell.withLock { shell in
            var line: [UInt8] = []
            while let byte = try shell.answers.read(upToCount: 1)?.first, byte != UInt8(ascii: "\n") { line.append(byte) }
            return String(decoding: line, as: UTF8.self)
        }
        guard line.hasPrefix(beginning) else { throw TestBrokerError(what: line.isEmpty ? "three nodes ended without a word" : line) }
        return String(line.dropFirst(beginning.count))
    }

    private static let script = #"""
        set -u
        home=$1
        dir=$(mktemp -d "${TMPDIR:-/tmp}/tanba-three-nodes.XXXXXX")
        pids=(0 0 0 0)
        used() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
        free() { local p; while :; do p=$((10000 + (RANDOM * 32768 + RANDOM) % 22000)); used $p || { echo $p; return; }; done; }
        slay() { [ "${pids[$1]}" != 0 ] && { kill -9 ${pids[$1]}; wait ${pids[$1]}; } 2>/dev/null; pids[$1]=0; }
        end() { slay 1; slay 2; slay 3; rm -rf "$dir"; }
        fail() { echo "failed: $* $(tail -n 5 "$dir"/log.txt 2>/dev/null | tr '\n' ' ')"; end; exit 1; }
        clients=(0 $(free) $(free) $(free)) voters=(0 $(free) $(free) $(free))
        for node in 1 2 3; do
            cat > "$dir/$node.properties" <<TEXT
        process.roles=broker,controller
        node.id=$node
        controller.quorum.voters=1@127.0.0.1:${voters[1]},2@127.0.0.1:${voters[2]},3@127.0.0.1:${voters[3]}
        listeners=PLAINTEXT://127.0.0.1:${clients[$node]},CONTROLLER://127.0.0.1:${voters[$node]}
        advertised.listeners=PLAINTEXT://127.0.0.1:${clients[$node]}
        listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
        controller.listener.names=CONTROLLER
        log.dirs=$dir/data-$node
        auto.create.topics.enable=false
        default.replication.factor=3
        min.insync.replicas=2
        offsets.topic.num.partitions=6
        transaction.state.log.num.partitions=6
        group.initial.rebalance.delay.ms=0
        log.cleaner.dedupe.buffer.size=8388608
        TEXT
        done
        export KAFKA_HEAP_OPTS="-Xmx384m -Xms96m"
        for node in 1 2 3; do
            "$home/bin/kafka-storage.sh" format -t VGFuYmFUaHJlZU5vZGVzQQ -c "$dir/$node.properties" > "$dir/log.txt" 2>&1 || fail format
        done
        start() {
            LOG_DIR=$dir/log-$1 "$home/bin/kafka-server-start.sh" "$dir/$1.properties" < /dev/null >> "$dir/log.txt" 2>&1 &
            pids[$1]=$!
        }
        listens() {
            local n
            for n in $(seq 900); do
                used ${clients[$1]} && return
                kill -0 ${pids[$1]} 2>/dev/null || fail "node $1 ended"
                sleep 0.1
            done
            fail "node $1 does not listen"
        }
        for node in 1 2 3; do start $node; done
        for node in 1 2 3; do listens $node; done
        echo "ready 127.0.0.1:${clients[1]},127.0.0.1:${clients[2]},127.0.0.1:${clients[3]}"
        while read -r order node; do
            case $order in
                start) start $node; listens $node; echo started ;;
                kill) slay $node; echo killed ;;
            esac
        done
        end
        """#
}
