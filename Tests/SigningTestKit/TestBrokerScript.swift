import Foundation
import OperatingSystem

/// The shell that owns the broker: orders by its standard input, one a line, answers by its standard output.
final class TestBrokerScript: Sendable {
    private let pipes: Locked<(orders: FileHandle, answers: FileHandle, process: Process)>

    /// - Parameter users: who may log in by password or certificate; none for a broker without security.
    init(home: String, users: [String]) throws {
        let orders = Pipe()
        let answers = Pipe()
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/bash")
        process.arguments = ["-c", brokerScript, "tanba-test-broker", home, TestBroker.repository + "/Deploy/sandbox/secure.sh"] + users
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
    home=$1 secure=$2
    shift 2
    dir=$(mktemp -d "${TMPDIR:-/tmp}/tanba-test-broker.XXXXXX")
    pid=
    used() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
    free() { local p; while :; do p=$((10000 + (RANDOM * 32768 + RANDOM) % 22000)); used $p || { echo $p; return; }; done; }
    slay() { [ -n "$pid" ] && { kill -9 $pid; wait $pid; } 2>/dev/null; pid=; }
    end() { slay; rm -rf "$dir"; }
    fail() { echo "failed: $* $(tail -n 5 "$dir/log.txt" 2>/dev/null | tr '\n' ' ')"; end; exit 1; }
    client=$(free); controller=$(free)
    listeners=PLAINTEXT://127.0.0.1:$client protocols=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT doors=
    door() { # its word, listener, protocol
        local port
        port=$(free)
        listeners=$listeners,$2://127.0.0.1:$port protocols=$protocols,$2:$3 doors="$doors $1=127.0.0.1:$port"
    }
    if [ $# -gt 0 ]; then
        door password PASSWORD SASL_PLAINTEXT
        door passwordOverTLS PASSWORDTLS SASL_SSL
        door certificate CERTIFICATE SSL
        door expiredServer EXPIRED SSL
        door wrongHost WRONGHOST SSL
    fi
    cat > "$dir/server.properties" <<TEXT
    process.roles=broker,controller
    node.id=1
    controller.quorum.voters=1@127.0.0.1:$controller
    listeners=$listeners,CONTROLLER://127.0.0.1:$controller
    advertised.listeners=$listeners
    listener.security.protocol.map=$protocols
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
    bad_certificates() {
        umask 077
        cd "$dir/tls" || return
        secure_server expired-broker -1 DNS:localhost,IP:127.0.0.1
        secure_server elsewhere 10 DNS:broker.elsewhere.example
        secure_client worker worker-expired ca -1
        secure_root stranger-ca 'A stranger'
        secure_server stranger-broker 10 DNS:localhost,IP:127.0.0.1 stranger-ca
        secure_client worker worker-stranger stranger-ca
    }
    secure() { # users
        . "$secure"
        { secure_folder "$dir/tls" "$@" && (bad_certificates); } > "$dir/log.txt" 2>&1 || fail certificates
        {
            secure_authorizer admin broker ANONYMOUS
            secure_sasl_listener password "$dir/tls" "$@"
            secure_tls_listener passwordtls "$dir/tls" broker none
            secure_sasl_listener passwordtls "$dir/tls" "$@"
            secure_tls_listener certificate "$dir/tls" broker required
            secure_tls_listener expired "$dir/tls" expired-broker required
            secure_tls_listener wronghost "$dir/tls" elsewhere required
        } >> "$dir/server.properties"
        echo "secured $dir/tls$doors"
    }
    [ $# = 0 ] || secure "$@"
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
