"""What a stream must be at the brokers: its topics, their settings, and who may do what. Each demand with its reason."""
from .access import Rule

DAY = 86_400_000
FOREVER = -1
# Kafka's own default. Brokers count whole batches, and librdkafka makes batches of up to 1,000,000 bytes.
BATCH_BYTES = 1_048_588
# Of Tanba's clients.
TRANSACTION_TIMEOUT = 30_000


def days(milliseconds):
    if milliseconds == FOREVER:
        return "for ever"
    for unit, name in ((DAY, "days"), (3_600_000, "hours"), (60_000, "minutes")):
        if milliseconds >= unit:
            return f"{milliseconds / unit:.4g} {name}"
    return f"{milliseconds} ms"


def at_least(wanted):
    """Of times and sizes that may have no end, which is -1."""
    return lambda value: int(value) == FOREVER or wanted != FOREVER and int(value) >= wanted


class Demand:
    """- value: what a new topic gets; - holds: whether a value will do."""

    def __init__(self, name, value, holds, words, why):
        self.name, self.value, self.holds, self.words, self.why = name, str(value), holds, words, why


class Stream:
    def __init__(self, name, partitions, copies, min_in_sync, jobs, results, ledger, roles, worker_ids):
        """- jobs, results, ledger: how long each is kept, in milliseconds or FOREVER; - roles: principals by role."""
        self.name, self.partitions, self.copies, self.min_in_sync = name, partitions, copies, min_in_sync
        self.jobs, self.results, self.ledger, self.roles, self.worker_ids = jobs, results, ledger, roles, worker_ids

    def topics(self):
        return {f"{self.name}.{topic}": self.demands(topic) for topic in ("jobs", "results", "ledger")}

    def demands(self, topic):
        kept, why_kept = {
            "jobs": (self.jobs, "a job that is deleted before a worker read it is never signed"),
            "results": (self.results, "this is the signatures' only place until they are fetched, and the auditor pairs each job with its result"),
            "ledger": (self.ledger, "it has the jobs that are known already, and the position when the group's offsets have expired"),
        }[topic]
        return [
            Demand("cleanup.policy", "delete", lambda value: value == "delete", "delete",
                   "compaction takes records from the middle: workers and auditor count offsets"),
            Demand("retention.ms", kept, at_least(kept), f"at least {kept} ({days(kept)})" if kept != FOREVER else "-1 (for ever)", why_kept),
            Demand("retention.bytes", FOREVER, lambda value: int(value) == FOREVER, "-1 (no limit)",
                   "a limit by size deletes the oldest records however young they are, jobs that wait among them"),
            Demand("min.insync.replicas", self.min_in_sync, lambda value: self.min_in_sync <= int(value) <= max(1, self.copies - 1),
                   f"{self.min_in_sync}" if self.min_in_sync >= self.copies - 1 else f"{self.min_in_sync} to {self.copies - 1}",
                   "a record counts when so many copies have it; as many as there are copies would stop all at the loss of one broker"),
            Demand("unclean.leader.election.enable", "false", lambda value: value == "false", "false",
                   "a leader that was behind would lose committed results and positions"),
            Demand("message.timestamp.type", "LogAppendTime", lambda value: value == "LogAppendTime", "LogAppendTime",
                   "retention counts from a record's time: by a submitter's wrong clock a job could be deleted at once, or be refused"),
            Demand("max.message.bytes", BATCH_BYTES, lambda value: int(value) >= BATCH_BYTES, f"at least {BATCH_BYTES}",
                   "jobs have up to 65,536 bytes and results up to 262,144, and clients send batches of up to 1,000,000"),
        ]

    def rules(self):
        """For each role the rights that it must have. A right to read or write is one to look (Describe) too."""
        jobs, results, ledger = (f"{self.name}.{topic}" for topic in ("jobs", "results", "ledger"))
        ids = [(f"tanba-{self.name}-{worker}", False) for worker in self.worker_ids] or [(f"tanba-{self.name}-", True)]
        return {
            "submitter": [("Write", "topic", jobs, False)],
            "worker": [
                ("Read", "topic", jobs, False), ("Write", "topic", results, False), ("Read", "topic", ledger, False),
                ("Write", "topic", ledger, False), ("Read", "group", f"tanba-{self.name}", False),
            ] + [("Write", "transactional-id", name, prefixed) for name, prefixed in ids],
            "reader": [("Read", "topic", results, False)],
            "auditor": [("Read", "topic", jobs, False), ("Read", "topic", results, False)],
        }

    def wanted_rules(self):
        rules = [
            Rule(principal, operation, resource, name, prefixed)
            for role, rights in self.rules().items() for principal in self.roles.get(role, [])
            for operation, resource, name, prefixed in rights
        ]
        return list(dict.fromkeys(rules))  # a principal may have two roles
