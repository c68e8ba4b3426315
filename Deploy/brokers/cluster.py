"""Topics and settings of a cluster."""
import struct
import time

from .wire import Broker, KafkaError, Refusal, array, connect, string

CREATE_TOPICS, DESCRIBE_CONFIGS, ALTER_CONFIGS = 19, 32, 44
TOPIC, BROKER = 2, 4
UNKNOWN_TOPIC, ALREADY_EXISTS = 3, 36


def copies(partitions):
    """That each partition has, or should have where a broker is down."""
    return min(len(partition.replicas) for partition in partitions.values())


class Cluster:
    def __init__(self, bootstrap, security=None):
        self.bootstrap, self.security = bootstrap, security
        self.any = connect(bootstrap, security)
        self.brokers, self.controller_id, _ = self.any.metadata([])

    def controller(self):
        address = self.brokers.get(self.controller_id)
        return Broker(*address, self.security) if address else self.any

    def partitions(self, topic):
        """By index; None if there is no such topic."""
        code, partitions = self.any.metadata([topic])[2].get(topic, (UNKNOWN_TOPIC, {}))
        if code == UNKNOWN_TOPIC:
            return None
        if code and code != 5:  # 5: some partition has no leader now
            raise Refusal(f"cannot look at the topic {topic}", code)
        return partitions

    def topics(self):
        """The names of all that this client may see."""
        answer = self.any.metadata(None)[2]
        return sorted(answer)

    def create(self, topic, partitions, copies, settings):
        """Waits until each partition has a leader."""
        body = array([
            string(topic) + struct.pack(">ih", partitions, copies) + array([])
            + array([string(name) + string(value) for name, value in settings.items()])
        ]) + struct.pack(">i?", 30000, False)
        answer = self.controller().ask(CREATE_TOPICS, 2, body)
        answer.number("i")  # throttle time
        (code, message), = answer.array(lambda: (answer.string(), answer.number("h"), answer.string())[1:])
        if code and code != ALREADY_EXISTS:
            raise Refusal(f"cannot make the topic {topic}", code, message)
        deadline = time.monotonic() + 30
        while True:  # a new topic is known everywhere only a moment later
            made = self.partitions(topic)
            if made and min(partition.leader for partition in made.values()) >= 0:
                return
            if time.monotonic() >= deadline:
                raise KafkaError(f"the topic {topic} was made and has no leader after 30 s")
            time.sleep(0.05)

    def settings(self, topic):
        return self.described(self.any, TOPIC, topic)

    def broker_settings(self):
        """By the broker's id: only a broker knows its own."""
        return {node: self.described(Broker(*address, self.security), BROKER, str(node)) for node, address in sorted(self.brokers.items())}

    @staticmethod
    def described(broker, kind, name):
        answer = broker.ask(DESCRIBE_CONFIGS, 1, array([struct.pack(">b", kind) + string(name) + struct.pack(">i", -1)]) + struct.pack(">?", False))
        answer.number("i")  # throttle time

        def entry():
            key, value = answer.string(), answer.string()
            answer.number("?"), answer.number("b"), answer.number("?")
            answer.array(lambda: (answer.string(), answer.string(), answer.number("b")))
            return key, value

        def resource():
            code, message = answer.number("h"), answer.string()
            answer.number("b"), answer.string()
            return code, message, dict(answer.array(entry))

        (code, message, settings), = answer.array(resource)
        if code:
            raise Refusal(f"cannot look at the settings of {'the topic' if kind == TOPIC else 'broker'} {name}", code, message)
        return settings

    def set(self, topic, settings):
        configs = array([string(name) + struct.pack(">b", 0) + string(value) for name, value in settings.items()])
        answer = self.controller().ask(ALTER_CONFIGS, 0, array([struct.pack(">b", TOPIC) + string(topic) + configs]) + struct.pack(">?", False))
        answer.number("i")  # throttle time
        for code, message in answer.array(lambda: (answer.number("h"), answer.string(), answer.number("b"), answer.string())[:2]):
            if code:
                raise Refusal(f"cannot change the settings of the topic {topic}", code, message)
