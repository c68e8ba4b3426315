# Sourced by Deploy/local, Deploy/secure-broker and the tests' broker: a Kafka of our own on loopback, from KAFKA_HOME (3.6 or newer; only its
# bin/*.sh are used).

# Lines of server.properties for a node that is broker and controller in one: no topics by mistake, no wait for a group's first members. Brokers
# talk to each other by the first of the clients' listeners.
node_properties() { # id, folder for its data, port of its controller, voters, clients' listeners NAME://HOST:PORT,..., protocols NAME:PROTOCOL,...
    local first=${5%%:*}
    cat <<TEXT
process.roles=broker,controller
node.id=$1
controller.quorum.voters=$4
listeners=$5,CONTROLLER://127.0.0.1:$3
advertised.listeners=$5
listener.security.protocol.map=$6
inter.broker.listener.name=$first
controller.listener.names=CONTROLLER
log.dirs=$2
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=8388608
TEXT
}

# And for one that is alone: one copy of everything, small internal topics, timed-out transactions looked for every second; and after a SIGKILL a
# new broker has to wait for the end of the old one's session, so that is short.
node_alone() {
    cat <<'TEXT'
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=10
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=10
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
TEXT
}

# Makes the folder of a node's data; one that is made already is left as it is.
node_format() { # the cluster's id, server.properties, folder for logs
    LOG_DIR=$3 "$KAFKA_HOME/bin/kafka-storage.sh" format --ignore-formatted -t "$1" -c "$2"
}
