"""Compares what is with what must be. Changes nothing."""
from .access import Rule, listed
from .cluster import copies
from .stream import TRANSACTION_TIMEOUT, days
from .wire import Refusal

SECURITY_DISABLED, CLUSTER_DENIED = 54, 31


class Deviation:
    def __init__(self, what, found, must, why, remedy):
        self.what, self.found, self.must, self.why, self.remedy = what, found, must, why, remedy

    def __str__(self):
        return f"{self.what} is {self.found}; must be {self.must}\n    why: {self.why}\n    remedy: {self.remedy}"


class Check:
    """- mendable: settings of topics that can simply be set, by topic; - missing: topics; - missing_rules: rights to be given."""

    def __init__(self, cluster, stream):
        self.cluster, self.stream = cluster, stream
        self.deviations, self.notes, self.missing, self.mendable, self.missing_rules = [], [], [], {}, []
        self.topics()
        self.brokers()
        self.neighbours()
        self.rights()
        if stream.copies < 3:
            self.notes.append(f"copies: {stream.copies}. The loss of a broker then stops the stream, or loses it; three brokers are what holds")

    def found(self, *words):
        self.deviations.append(Deviation(*map(str, words)))

    def topics(self):
        counts = {}
        for topic, demands in self.stream.topics().items():
            partitions = self.cluster.partitions(topic)
            if partitions is None:
                self.missing.append(topic)
                self.found(topic, "not there", "a topic", "a stream is its three topics", "Deploy/topics create makes it")
                continue
            counts[topic] = len(partitions)
            self.spread(topic, partitions)
            settings = self.cluster.settings(topic)
            for demand in demands:
                value = settings.get(demand.name)
                if value is None or demand.holds(value):
                    continue
                shown = f"{value} ({days(int(value))})" if demand.name == "retention.ms" else value
                self.found(f"{topic} {demand.name}", shown, demand.words, demand.why, "Deploy/topics create --mend sets it")
                self.mendable.setdefault(topic, {})[demand.name] = demand.value
        self.partition_counts(counts)

    def spread(self, topic, partitions):
        if copies(partitions) < self.stream.copies:
            self.found(f"{topic} copies", copies(partitions), f"at least {self.stream.copies}", "what a broker held alone is lost with it",
                       "spread the partitions with kafka-reassign-partitions.sh")
        behind = [partition for partition in partitions.values() if len(partition.in_sync) < len(partition.replicas)]
        if behind:
            fewest = min(len(partition.in_sync) for partition in behind)
            self.notes.append(f"{topic}: {len(behind)} of {len(partitions)} partitions have copies that are not in sync just now; one has {fewest}")

    def partition_counts(self, counts):
        wanted = self.stream.partitions or next(iter(counts.values()), None)
        for topic, count in counts.items():
            if count != wanted:
                self.found(
                    f"{topic} partitions", count, wanted,
                    "a result stands in the partition of its job, and a job's partition comes from its id: the count is for the stream's life",
                    "never add partitions; make a stream of another name with the right count, and let this one run empty")

    def brokers(self):
        try:
            settings = self.cluster.broker_settings()
        except Refusal as refusal:
            if refusal.code != CLUSTER_DENIED:
                raise
            self.notes.append("the brokers' settings were not looked at: that takes the right DescribeConfigs on the cluster")
            return
        minutes = min(int(of.get("offsets.retention.minutes", 10080)) for of in settings.values())
        kept = self.stream.ledger
        self.notes.append(
            f"offsets.retention.minutes of the brokers is {minutes} ({days(minutes * 60_000)}): the positions of a group that has had no worker"
            f" for longer are gone. The ledger then has them, as long as it keeps its records: {days(kept)}. Workers that come back later"
            " find neither, and stop with a remedy instead of guessing")
        for node, of in settings.items():
            if int(of.get("transaction.max.timeout.ms", TRANSACTION_TIMEOUT)) < TRANSACTION_TIMEOUT:
                self.found(f"broker {node} transaction.max.timeout.ms", of["transaction.max.timeout.ms"], f"at least {TRANSACTION_TIMEOUT}",
                           "a worker's transactions ask for so much, and are refused otherwise", "raise it in the broker's server.properties")
            if of.get("auto.create.topics.enable") == "true":
                self.notes.append(f"broker {node} makes topics by itself (auto.create.topics.enable): a misspelt stream comes to life with"
                                  " the brokers' defaults")
        for topic, setting, holds in (("__consumer_offsets", "offsets.topic", "positions"),
                                      ("__transaction_state", "transaction.state.log", "the state of transactions")):
            partitions = self.cluster.partitions(topic)
            found = copies(partitions) if partitions else min(int(of.get(f"{setting}.replication.factor", 3)) for of in settings.values())
            if found < self.stream.copies:
                self.found(f"{topic} copies", found, f"at least {self.stream.copies}",
                           f"it has {holds}, which are lost with the broker that held them alone",
                           f"spread it with kafka-reassign-partitions.sh, and set {setting}.replication.factor of the brokers")

    def neighbours(self):
        """Streams whose workers' ids begin as ours do: a right by prefix is then one on both."""
        if self.stream.worker_ids or not self.stream.roles.get("worker"):
            return
        for topic in self.cluster.topics():
            other = topic[:-len(".jobs")]
            if topic.endswith(".jobs") and other.startswith(self.stream.name + "-"):
                self.notes.append(
                    f"the right of {self.stream.name}'s workers on transactional ids tanba-{self.stream.name}-* covers those of stream {other} too;"
                    " where the workers of the two may not trust each other, name each worker with --worker-id")

    def rights(self):
        wanted = self.stream.wanted_rules()
        if not wanted:
            self.notes.append("the rights were not looked at: no principal is named (--submitter, --worker, --reader, --auditor)")
            return
        try:
            rules = listed(self.cluster.any)
        except Refusal as refusal:
            if refusal.code != SECURITY_DISABLED:
                raise
            self.found("the brokers' authorizer", "not set", "set", "without it anyone who reaches a broker may read, write and delete",
                       "set authorizer.class.name, super.users and allow.everyone.if.no.acl.found=false in each server.properties")
            return
        for rule in wanted:
            ours = [given for given in rules if given.concerns(rule.principal) and given.gives(rule.operation)]
            if not any(given.allows and given.names(rule) for given in ours):
                self.missing_rules.append(rule)
                self.found(f"{rule}:", "not given", "given", "its role cannot do its work without", "Deploy/topics create gives it")
            for denied in ours:
                if not denied.allows and denied.meets(rule):
                    self.found(f"{denied}:", "a rule", "taken away", f"it takes from the role what it needs: {rule}", self.removal(denied))
        self.surplus(rules, wanted)

    def surplus(self, rules, wanted):
        name = self.stream.name
        ours = [Rule("", "", "topic", f"{name}.{topic}") for topic in ("jobs", "results", "ledger")]
        ours += [Rule("", "", "group", f"tanba-{name}"), Rule("", "", "transactional-id", f"tanba-{name}-", prefixed=True)]
        admins = set(self.stream.roles.get("admin", []))
        for given in rules:
            if not given.allows or given.operation in ("Describe", "DescribeConfigs") or given.principal in admins:
                continue
            for resource in ours:
                justified = any(
                    (rule.principal, rule.operation) == (given.principal, given.operation) and resource.meets(rule) for rule in wanted)
                # Other streams' ids may begin as ours do: of ids, only a rule on all of ours is one too many.
                meets = given.names(resource) if resource.prefixed else given.meets(resource)
                if meets and not justified:
                    self.found(f"{given}:", "a rule", "taken away", f"no role of {name} that was named gives it on {resource.resource} {resource.name}",
                               self.removal(given) + "; or name the principal with its role, --admin for who may do everything")
                    break

    @staticmethod
    def removal(rule):
        verb = "--allow-principal" if rule.allows else "--deny-principal"
        pattern = " --resource-pattern-type prefixed" if rule.prefixed else ""
        host = "" if rule.host == "*" else f" {verb.replace('principal', 'host')} {rule.host}"
        return f"kafka-acls.sh --remove {verb} '{rule.principal}'{host} --operation {rule.operation} --{rule.resource} '{rule.name}'{pattern}"
