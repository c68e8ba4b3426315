"""The two requests of the driver that the sandbox has no need of, over Kafka's own protocol: they cost nothing, and Kafka's tools start a JVM."""
import pathlib
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from brokers.wire import Refusal, array, connect, string  # noqa: E402

OFFSET_FETCH, ALTER_CONFIGS = 9, 44


def configure(bootstrap, topic, name, value):
    """Changes one setting of a topic."""
    kind_topic, set_it = 2, 0
    setting = string(name) + struct.pack(">b", set_it) + string(value)
    answer = connect(bootstrap).ask(
        ALTER_CONFIGS, 0, array([struct.pack(">b", kind_topic) + string(topic) + array([setting])]) + struct.pack(">?", False))
    answer.number("i")  # throttle time
    (error, message), = answer.array(lambda: (answer.number("h"), answer.string(), answer.number("b"), answer.string())[:2])
    if error != 0:
        raise Refusal(f"topic {topic}: {name}={value}", error, message)


def positions(broker, group, topic, count):
    """Where a group stands in each partition, 0 where it has committed nothing. `broker`: one that coordinates it; with one node it does."""
    answer = broker.ask(OFFSET_FETCH, 1, string(group) + array([string(topic) + array([struct.pack(">i", index) for index in range(count)])]))

    def position():
        index, offset, _, error = answer.number("i"), answer.number("q"), answer.string(), answer.number("h")
        return index, max(0, offset) if error == 0 else 0

    (_, found), = answer.array(lambda: (answer.string(), answer.array(position)))
    return [offset for _, offset in sorted(found)]
