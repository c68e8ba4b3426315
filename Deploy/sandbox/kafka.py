"""The few requests to a Kafka broker that the sandbox needs, over its own protocol: it works with any broker and starts in no time.

    kafka.py BOOTSTRAP wait SECONDS [FILE]                   until a broker answers; FILE: the client's properties, for TLS and login
    kafka.py BOOTSTRAP create TOPIC PARTITIONS [K=V]...      with as many copies as there are brokers, three at most
    kafka.py BOOTSTRAP watch TOPIC COUNT...                  prints "COUNT SEEN" as soon as the topic holds so many committed records
    kafka.py BOOTSTRAP allow USER OPERATION RESOURCE NAME    gives a right: Read topic office.jobs; a NAME* is a prefix
    kafka.py BOOTSTRAP revoke USER OPERATION RESOURCE NAME   takes it back

No TLS and no passwords but for `wait`. Exit status 1 when the broker refuses or does not answer, with the reason.
"""
import os
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.dont_write_bytecode = True
from brokers import access  # noqa: E402
from brokers.security import Security, read_properties  # noqa: E402
from brokers.wire import Broker, KafkaError, array, connect, string  # noqa: E402

LIST_OFFSETS, CREATE_TOPICS = 2, 19
TOPIC_ALREADY_EXISTS = 36


def wait(bootstrap, seconds, properties=None):
    security = Security(read_properties(properties)) if properties else None
    deadline = time.monotonic() + float(seconds)
    while True:
        try:
            if connect(bootstrap, security).metadata([])[0]:
                return
            reason = "no broker is registered yet"
        except OSError as error:
            reason = error
        if time.monotonic() >= deadline:
            sys.exit(f"no answer from {bootstrap}: {reason}")
        time.sleep(0.05)


def create(bootstrap, name, partitions, *settings):
    partitions = int(partitions)
    brokers, controller, _ = connect(bootstrap).metadata([])
    copies = 3 if len(brokers) >= 3 else 1
    settings = dict(setting.split("=", 1) for setting in settings)
    settings["min.insync.replicas"] = "2" if copies == 3 else "1"
    body = array([
        string(name) + struct.pack(">ih", partitions, copies) + array([])
        + array([string(key) + string(value) for key, value in settings.items()])
    ]) + struct.pack(">i?", 30000, False)
    answer = Broker(*brokers.get(controller, next(iter(brokers.values())))).ask(CREATE_TOPICS, 2, body)
    answer.number("i")  # throttle time
    (error, message), = answer.array(lambda: (answer.string(), answer.number("h"), answer.string())[1:])
    if error not in (0, TOPIC_ALREADY_EXISTS):
        sys.exit(f"topic {name} could not be made: {message or 'error'} ({error})")
    deadline = time.monotonic() + 30
    while True:  # a new topic is known everywhere only a moment later
        error, made = connect(bootstrap).metadata([name])[2][name]
        if error == 0 and made and min(partition.leader for partition in made.values()) >= 0:
            break
        if time.monotonic() >= deadline:
            sys.exit(f"topic {name} has no leader (error {error})")
        time.sleep(0.05)
    if len(made) != partitions:
        sys.exit(f"topic {name} exists with {len(made)} partitions, not {partitions}; the three topics of a stream need the same count")


def watch(bootstrap, name, *counts):
    brokers, _, topics = connect(bootstrap).metadata([name])
    by_leader = {}
    for index, partition in topics[name][1].items():
        by_leader.setdefault(partition.leader, []).append(index)
    connections = {leader: Broker(*brokers[leader]) for leader in by_leader}
    for count in sorted(map(int, counts)):
        while True:
            seen = sum(committed_end(connections[leader], name, indices) for leader, indices in by_leader.items())
            if seen >= count:
                break
            time.sleep(0.01)
        print(count, seen, flush=True)


def committed_end(broker, name, indices):
    """The sum of the ends that a read_committed reader sees; the markers of transactions count among the records."""
    partitions = array([struct.pack(">iq", index, -1) for index in indices])
    answer = broker.ask(LIST_OFFSETS, 2, struct.pack(">ib", -1, 1) + array([string(name) + partitions]))
    answer.number("i")  # throttle time

    def end():
        index, error, timestamp, offset = (answer.number(form) for form in "ihqq")
        return max(offset, 0)

    return sum(sum(ends) for _, ends in answer.array(lambda: (answer.string(), answer.array(end))))


def rule(user, operation, resource, name):
    return access.Rule("User:" + user, operation, resource, name.rstrip("*") or "*", name.endswith("*") and name != "*")


def allow(bootstrap, *words):
    broker = connect(bootstrap)
    access.give(broker, [rule(*words)])
    wait_until(lambda: rule(*words) in access.listed(broker))


def revoke(bootstrap, *words):
    broker = connect(bootstrap)
    if not access.take(broker, [rule(*words)]):
        sys.exit(f"there was no right to take: {rule(*words)}")
    wait_until(lambda: rule(*words) not in access.listed(broker))


def wait_until(condition):
    """The controller knows at once, the broker a moment later."""
    deadline = time.monotonic() + 30
    while not condition():
        if time.monotonic() >= deadline:
            sys.exit("the broker did not take the change over within 30 s")
        time.sleep(0.02)


if __name__ == "__main__":
    commands = {"wait": wait, "create": create, "watch": watch, "allow": allow, "revoke": revoke}
    if len(sys.argv) < 4 or sys.argv[2] not in commands:
        sys.exit(__doc__)
    try:
        commands[sys.argv[2]](sys.argv[1], *sys.argv[3:])
    except (OSError, KafkaError) as error:
        sys.exit(f"{sys.argv[1]}: {error}")
