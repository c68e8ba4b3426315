"""The few requests to a Kafka broker that the sandbox needs, over its own protocol: it works with any broker and starts in no time.

    kafka.py BOOTSTRAP wait SECONDS                          until a broker answers
    kafka.py BOOTSTRAP create TOPIC PARTITIONS [K=V]...      with as many copies as there are brokers, three at most
    kafka.py BOOTSTRAP watch TOPIC COUNT...                  prints "COUNT SEEN" as soon as the topic holds so many committed records

No TLS, no passwords. Exit status 1 when the broker refuses or does not answer, with the reason.
"""
import socket
import struct
import sys
import time

METADATA, LIST_OFFSETS, CREATE_TOPICS = 3, 2, 19
TOPIC_ALREADY_EXISTS = 36


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self, form):
        value, = struct.unpack_from(">" + form, self.data, self.at)
        self.at += struct.calcsize(form)
        return value

    def string(self):
        size = self.number("h")
        if size < 0:
            return None
        self.at += size
        return self.data[self.at - size:self.at].decode()

    def array(self, read):
        return [read() for _ in range(self.number("i"))]


def string(text):
    return struct.pack(">h", -1) if text is None else struct.pack(">h", len(text.encode())) + text.encode()


def array(items):
    return struct.pack(">i", len(items)) + b"".join(items)


class Broker:
    def __init__(self, host, port):
        self.connection = socket.create_connection((host, port), timeout=10)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, api, version, body):
        request = struct.pack(">hhi", api, version, 1) + string("tanba-sandbox") + body
        self.connection.sendall(struct.pack(">i", len(request)) + request)
        size, = struct.unpack(">i", self.receive(4))
        answer = Reader(self.receive(size))
        answer.number("i")  # the correlation id
        return answer

    def receive(self, count):
        data = b""
        while len(data) < count:
            part = self.connection.recv(count - len(data))
            if not part:
                raise ConnectionError("the broker closed the connection")
            data += part
        return data

    def metadata(self, topics):
        """Addresses of brokers by id, the controller's id, and for each topic its error and the leaders of its partitions."""
        answer = self.ask(METADATA, 1, array([string(topic) for topic in topics]))

        def broker():
            node, host, port, _ = answer.number("i"), answer.string(), answer.number("i"), answer.string()
            return node, (host, port)

        def partition():
            answer.number("h")
            index, leader = answer.number("i"), answer.number("i")
            for _ in range(2):  # replicas, in-sync replicas
                answer.array(lambda: answer.number("i"))
            return index, leader

        def topic():
            error, name, _ = answer.number("h"), answer.string(), answer.number("?")
            return name, error, dict(answer.array(partition))

        brokers = dict(answer.array(broker))
        controller = answer.number("i")
        return brokers, controller, {name: (error, leaders) for name, error, leaders in answer.array(topic)}


def connect(bootstrap):
    reason = None
    for address in bootstrap.split(","):
        host, _, port = address.strip().rpartition(":")
        try:
            return Broker(host.strip("[]"), int(port))
        except (OSError, ValueError) as error:
            reason = f"{address}: {error}"
    raise ConnectionError(reason)


def wait(bootstrap, seconds):
    deadline = time.monotonic() + float(seconds)
    while True:
        try:
            if connect(bootstrap).metadata([])[0]:
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
        error, leaders = connect(bootstrap).metadata([name])[2][name]
        if error == 0 and leaders and min(leaders.values()) >= 0:
            break
        if time.monotonic() >= deadline:
            sys.exit(f"topic {name} has no leader (error {error})")
        time.sleep(0.05)
    if len(leaders) != partitions:
        sys.exit(f"topic {name} exists with {len(leaders)} partitions, not {partitions}; the three topics of a stream need the same count")


def watch(bootstrap, name, *counts):
    brokers, _, topics = connect(bootstrap).metadata([name])
    by_leader = {}
    for index, leader in topics[name][1].items():
        by_leader.setdefault(leader, []).append(index)
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


if __name__ == "__main__":
    commands = {"wait": wait, "create": create, "watch": watch}
    if len(sys.argv) < 4 or sys.argv[2] not in commands:
        sys.exit(__doc__)
    try:
        commands[sys.argv[2]](sys.argv[1], *sys.argv[3:])
    except OSError as error:
        sys.exit(f"{sys.argv[1]}: {error}")
