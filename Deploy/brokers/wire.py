"""A connection to one broker: requests, answers, and the numbers and strings in them. The versions of requests are those that brokers
from 2.4 to 4 have in common."""
import socket
import struct

METADATA = 3


class KafkaError(Exception):
    """A broker refused something, or cannot be reached."""


class AddressError(KafkaError):
    """No address of a broker."""


class Refusal(KafkaError):
    """The broker's own answer, by its code."""

    DENIED = (29, 30, 31)
    NAMES = {
        3: "UNKNOWN_TOPIC_OR_PARTITION", 29: "TOPIC_AUTHORIZATION_FAILED", 30: "GROUP_AUTHORIZATION_FAILED", 31: "CLUSTER_AUTHORIZATION_FAILED", 36: "TOPIC_ALREADY_EXISTS",
        37: "INVALID_PARTITIONS", 38: "INVALID_REPLICATION_FACTOR", 40: "INVALID_CONFIG", 44: "POLICY_VIOLATION", 54: "SECURITY_DISABLED",
    }

    def __init__(self, what, code, message=None):
        self.code = code
        name = self.NAMES.get(code, f"error {code}")
        super().__init__(f"{what}: {name}" + (f" ({message.strip()})" if message else ""))


class Reader:
    """The fields of an answer, one after the other."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self, form):
        value, = struct.unpack_from(">" + form, self.data, self.at)
        self.at += struct.calcsize(form)
        return value

    def string(self):
        size = self.number("h")
        return None if size < 0 else self.take(size).decode()

    def block(self):
        return self.take(max(0, self.number("i")))

    def array(self, read):
        return [read() for _ in range(self.number("i"))]

    def take(self, size):
        self.at += size
        return self.data[self.at - size:self.at]


def string(text):
    return struct.pack(">h", -1) if text is None else struct.pack(">h", len(text.encode())) + text.encode()


def block(data):
    return struct.pack(">i", len(data)) + data


def array(items):
    return struct.pack(">i", len(items)) + b"".join(items)


class Broker:
    """- security: what the client's properties ask for (security.Security), or None for an open listener."""

    def __init__(self, host, port, security=None):
        self.connection = socket.create_connection((host, port), timeout=10)
        try:
            self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if security:
                self.connection = security.protected(self.connection, host)
            # An answer may take longer than a connection
            self.connection.settimeout(60)
            if security:
                security.log_in(self)
        except BaseException:
            self.connection.close()
            raise

    def ask(self, api, version, body):
        request = struct.pack(">hhi", api, version, 1) + string("tanba-topics") + body
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
        """Addresses of brokers by id, the controller's id, and for each topic its error and its partitions by index. Makes no topic.

        - topics: names; None means all."""
        names = struct.pack(">i", -1) if topics is None else array([string(topic) for topic in topics])
        answer = self.ask(METADATA, 4, names + struct.pack(">?", False))
        answer.number("i")  # throttle time

        def broker():
            node, host, port, _ = answer.number("i"), answer.string(), answer.number("i"), answer.string()
            return node, (host, port)

        def topic():
            error, name, _ = answer.number("h"), answer.string(), answer.number("?")
            return name, (error, dict(answer.array(lambda: partition(answer))))

        brokers = dict(answer.array(broker))
        answer.string()  # the cluster's id
        controller = answer.number("i")
        return brokers, controller, dict(answer.array(topic))


class Partition:
    def __init__(self, leader, replicas, in_sync):
        self.leader, self.replicas, self.in_sync = leader, replicas, in_sync


def partition(answer):
    answer.number("h")
    index, leader = answer.number("i"), answer.number("i")
    replicas, in_sync = (answer.array(lambda: answer.number("i")) for _ in range(2))
    return index, Partition(leader, replicas, in_sync)


def connect(bootstrap, security=None):
    """The first broker of a list that answers."""
    reasons = []
    for address in bootstrap.split(","):
        host, _, port = address.strip().rpartition(":")
        if not host or not port.isascii() or not port.isdigit():
            raise AddressError(f"{address}: no HOST:PORT")
        try:
            return Broker(host.strip("[]"), int(port), security)
        except OSError as error:  # of TLS too
            reasons.append(f"{address}: {explained(error)}")
    raise ConnectionError("; ".join(reasons))


def explained(error):
    if "_ALERT_" in (getattr(error, "reason", None) or ""):
        return f"the broker refuses this client's certificate, or wants one: check ssl.certificate.location ({error.reason})"
    return getattr(error, "verify_message", None) or getattr(error, "strerror", None) or str(error) or type(error).__name__
