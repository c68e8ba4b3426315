"""Access rules (ACLs): what they are, and the requests that give, take and list them."""
import struct

from .wire import Refusal, array, string

DESCRIBE_ACLS, CREATE_ACLS, DELETE_ACLS = 29, 30, 31
RESOURCES = {"topic": 2, "group": 3, "cluster": 4, "transactional-id": 5}
OPERATIONS = {
    "All": 2, "Read": 3, "Write": 4, "Create": 5, "Delete": 6, "Alter": 7, "Describe": 8, "ClusterAction": 9, "DescribeConfigs": 10,
    "AlterConfigs": 11, "IdempotentWrite": 12,
}
ANY, LITERAL, PREFIXED, DENY, ALLOW = 1, 3, 4, 2, 3
# Whoever may do one of these may look at the resource too (and at a topic's or cluster's settings).
IMPLYING_DESCRIBE = {"Read", "Write", "Delete", "Alter"}


class Rule:
    """May this principal, by this rule, do this to the resources of this name, or of names that begin so?"""

    def __init__(self, principal, operation, resource, name, prefixed=False, allows=True, host="*"):
        self.principal, self.operation, self.resource, self.name = principal, operation, resource, name
        self.prefixed, self.allows, self.host = prefixed, allows, host

    def __eq__(self, other):
        return vars(self) == vars(other)

    def __hash__(self):
        return hash(tuple(vars(self).values()))

    def __str__(self):
        name = f"{self.resource} {self.name}{'*' if self.prefixed else ''}"
        host = "" if self.host == "*" else f" from {self.host}"
        return f"{self.principal} {'may' if self.allows else 'may not'} {self.operation} on {name}{host}"

    def names(self, other):
        """Speaks of every name that the other rule speaks of."""
        if self.resource != other.resource:
            return False
        if self.prefixed:
            return other.name.startswith(self.name)
        return self.name == "*" or (self.name == other.name and not other.prefixed)

    def meets(self, other):
        """Speaks of some name that the other rule speaks of."""
        return self.names(other) or other.names(self)

    def concerns(self, principal):
        return self.principal in (principal, "User:*")

    def gives(self, operation):
        if operation == "Describe" and self.allows and self.operation in IMPLYING_DESCRIBE:
            return True
        return self.operation in ("All", operation)

    def encoded(self):
        return struct.pack(">b", RESOURCES[self.resource]) + string(self.name) + struct.pack(">b", PREFIXED if self.prefixed else LITERAL) \
            + string(self.principal) + string(self.host) + struct.pack(">bb", OPERATIONS[self.operation], ALLOW if self.allows else DENY)


def name_of(table, number):
    return next((name for name, code in table.items() if code == number), f"({number})")


def give(broker, rules):
    answer = broker.ask(CREATE_ACLS, 1, array([rule.encoded() for rule in rules]))
    answer.number("i")  # throttle time
    for rule, (code, message) in zip(rules, answer.array(lambda: (answer.number("h"), answer.string()))):
        if code:
            raise Refusal(f"cannot give the right: {rule}", code, message)


def take(broker, rules):
    """Returns how many there were."""
    answer = broker.ask(DELETE_ACLS, 1, array([rule.encoded() for rule in rules]))
    answer.number("i")  # throttle time

    def match():
        code, message = answer.number("h"), answer.string()
        answer.number("b"), answer.string(), answer.number("b"), answer.string(), answer.string(), answer.number("b"), answer.number("b")
        if code:
            raise Refusal("cannot take a right", code, message)
        return 1

    def matches():
        code, message = answer.number("h"), answer.string()
        if code:
            raise Refusal("cannot take a right", code, message)
        return sum(answer.array(match))

    return sum(answer.array(matches))


def listed(broker):
    """All rules of the cluster."""
    everything = struct.pack(">b", ANY) + string(None) + struct.pack(">b", ANY) + string(None) + string(None) + struct.pack(">bb", ANY, ANY)
    answer = broker.ask(DESCRIBE_ACLS, 1, everything)
    answer.number("i")  # throttle time
    code, message = answer.number("h"), answer.string()
    if code:
        raise Refusal("cannot list the access rules", code, message)

    def of_resource():
        resource, name, pattern = name_of(RESOURCES, answer.number("b")), answer.string(), answer.number("b")

        def rule():
            principal, host = answer.string(), answer.string()
            operation, permission = name_of(OPERATIONS, answer.number("b")), answer.number("b")
            return Rule(principal, operation, resource, name, pattern == PREFIXED, permission == ALLOW, host)

        return answer.array(rule)

    return [rule for rules in answer.array(of_resource) for rule in rules]
