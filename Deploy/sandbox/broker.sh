# Sourced by Deploy/local: a broker, of the first kind that there is, and the topics of the sandbox's stream.
#
#   KAFKA_BOOTSTRAP   a broker that runs already, without TLS or passwords; it is used, never started or ended
#   KAFKA_HOME        an unpacked Kafka, 3.6 or newer: one KRaft node is started (node.sh)
#   noida-db          a small program from PyPI that speaks Kafka's protocol, pinned by hash; its limits are said
#
# The kind is settled by the first start and kept in run/broker. TANBA_BROKER_SETTINGS has lines for the server.properties of a node that is
# started here.

partitions=4

broker_kind() { cat "$sandbox/run/broker" 2>/dev/null; }

choose_broker() {
    [ -n "$(broker_kind)" ] && return
    if [ -n "${KAFKA_BOOTSTRAP-}" ]; then
        echo "$KAFKA_BOOTSTRAP" > "$sandbox/run/bootstrap"
        # others may use this broker too: names of our own
        echo "demo-$(head -c 4 /dev/urandom | od -An -v -tx1 | tr -d ' \n')" > "$sandbox/run/stream"
        echo outside > "$sandbox/run/broker"
        return
    fi
    local kind=noida client controller
    [ -n "${KAFKA_HOME-}" ] && kind=kafka
    read -r client controller < <(free_ports 2)
    echo "127.0.0.1:$client" > "$sandbox/run/bootstrap"
    echo "$controller" > "$sandbox/run/controller.port"
    echo demo > "$sandbox/run/stream"
    if [ $kind = noida ]; then install_noida; else install_kafka "$client" "$controller"; fi
    echo $kind > "$sandbox/run/broker"
}

bootstrap() { cat "$sandbox/run/bootstrap"; }
stream() { cat "$sandbox/run/stream"; }

install_kafka() { # client port, controller port
    local home=$sandbox/kafka
    [ -x "$KAFKA_HOME/bin/kafka-server-start.sh" ] || die "KAFKA_HOME=$KAFKA_HOME has no bin/kafka-server-start.sh"
    [ -x "${JAVA_HOME-}/bin/java" ] || command -v java > /dev/null \
        || die "Kafka needs Java 17 or newer: apt-get install -y openjdk-17-jre-headless; or unset KAFKA_HOME for a broker without Java"
    rm -rf "$home"
    mkdir -p "$home/log"
    {
        node_properties 1 "$home/data" "$2" "1@127.0.0.1:$2" "PLAINTEXT://127.0.0.1:$1" PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
        node_alone
        echo "${TANBA_BROKER_SETTINGS-}"
    } > "$home/server.properties"
    node_format VGFuYmFEZW1vU2FuZGJveA "$home/server.properties" "$home/log" >> "$sandbox/log/broker.log" 2>&1 \
        || die_with_log "kafka-storage.sh could not format the broker's folder" broker
}

# Of its own exit status, so that Deploy/demo can go on without a broker.
no_broker() { say "${0##*/}: $*"; exit 4; }

install_noida() {
    say "No KAFKA_BOOTSTRAP and no KAFKA_HOME: noida-db from PyPI stands in for Kafka. It keeps transactions and fencing; but it does not
evict dead members, takes stale generations and knows no transaction timeout, so a killed worker proves nothing there."
    { python3 -m venv "$sandbox/noida" && "$sandbox/noida/bin/pip" install --disable-pip-version-check --no-input --no-deps --only-binary :all: \
        --require-hashes -r "$deploy/sandbox/noida-db.txt"; } >> "$sandbox/log/broker.log" 2>&1 \
        || no_broker "noida-db could not be installed from PyPI (log: $sandbox/log/broker.log). Set KAFKA_HOME or KAFKA_BOOTSTRAP, or use --log embedded"
}

# The broker itself: the script in bin/ starts it as its child, and would be all that `down` ends.
noida_binary() { find "$sandbox/noida/lib" -path '*/noida_db/noida-db' -type f | head -n 1; }

start_broker() {
    local address
    choose_broker
    address=$(bootstrap)
    case $(broker_kind) in
        kafka)
            if ! alive broker > /dev/null; then
                [ -n "${KAFKA_HOME-}" ] || die "the broker of $sandbox is a Kafka: set KAFKA_HOME to start it again"
                LOG_DIR=$sandbox/kafka/log KAFKA_HEAP_OPTS=${KAFKA_HEAP_OPTS:--Xmx512m -Xms256m} \
                    start_process broker "$KAFKA_HOME/bin/kafka-server-start.sh" "$sandbox/kafka/server.properties"
            fi ;;
        noida)
            if ! alive broker > /dev/null; then
                start_process broker "$(noida_binary)" start --only kafka --kafka-port "${address##*:}" --data-dir "$sandbox/noida-data"
            fi ;;
        outside)
            kafka wait 20 > /dev/null || die "no broker answers at KAFKA_BOOTSTRAP=$address"
            return ;;
    esac
    wait_for broker 180 "answer at $address" kafka wait 0 2> /dev/null
}

kafka() { # command of kafka.py, arguments...
    python3 "$deploy/sandbox/kafka.py" "$(bootstrap)" "$@"
}

# With what a stream must have (docs/kafka.md). noida-db has no settings of topics to look at.
make_topics() {
    local name topic
    name=$(stream)
    if [ "$(broker_kind)" = noida ]; then
        for topic in jobs results ledger; do kafka create "$name.$topic" $partitions; done
        return
    fi
    "$deploy/topics" create --stream "$name" --bootstrap "$(bootstrap)" --partitions $partitions >> "$sandbox/log/topics.log" 2>&1 \
        || die_with_log "the topics of the stream $name are not as they must be" topics
}
