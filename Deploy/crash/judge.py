"""What a run left behind, judged by other programs than the workers: Kafka's own consumer reads the topics with `read_committed`, this
file compares them, and `tanba-auditor` checks every signature.
"""
import json
import os
import re
import subprocess

from lab import PARTITIONS

# Of a program that judges; a machine with much else to do takes a minute.
DEADLINE = 900


def dump(lab, topic, expected):
    """Reads a topic as Kafka's own client shows it to others. Once more, and with more patience, when less was read than there must be."""
    path = lab.folder / "dumps" / f"{topic}.txt"
    for silence in (5000, 40000):
        command = [
            os.path.join(os.environ["KAFKA_HOME"], "bin", "kafka-console-consumer.sh"), "--bootstrap-server", lab.bootstrap, "--topic", topic,
            "--from-beginning", "--isolation-level", "read_committed", "--timeout-ms", str(silence)]
        for name in ("partition", "offset", "headers", "key", "value"):
            command += ["--property", f"print.{name}=true"]
        environment = {**os.environ, "KAFKA_HEAP_OPTS": "-Xmx256m"}
        with open(path, "wb") as out, open(path.with_suffix(".log"), "wb") as log:
            subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=log, timeout=DEADLINE)
        records = parse(path)
        if sum(map(len, records)) >= expected:
            break
    return records


def parse(path):
    """Of each partition its records: (offset, headers, key, value)."""
    partitions = [[] for _ in range(PARTITIONS)]
    with open(path, "rb") as file:
        for line in file:
            if not line.startswith(b"Partition:"):
                continue  # a remark on its options
            partition, offset, headers, key, value = line.rstrip(b"\n").split(b"\t", 4)
            partitions[int(partition[10:])].append((int(offset[7:]), headers, key, value))
    counted = re.search(r"Processed a total of (\d+) messages", path.with_suffix(".log").read_text())
    if not counted or int(counted[1]) != sum(map(len, partitions)):
        raise ValueError(f"{path} has not what the consumer says it read: {counted and counted[0]}")
    return partitions


class Verdict:
    """Counts of one stream."""

    def __init__(self, stream):
        self.stream = stream
        self.jobs = self.signed = self.refused = self.duplicates = 0
        self.lost = self.doubled = self.out_of_order = self.wrong = self.by_zombies = 0
        self.examples = []

    def tell(self, text):
        if len(self.examples) < 10:
            self.examples.append(f"{self.stream}: {text}")


def judge(lab, lane):
    verdict = Verdict(lane.stream)
    jobs = dump(lab, lane.stream + ".jobs", len(lane.load.sent))
    results = dump(lab, lane.stream + ".results", len(lane.load.sent))
    verdict.jobs = sum(map(len, jobs))
    keys = sorted(key.decode() for records in jobs for _, _, key, _ in records)
    if keys != sorted(lane.load.sent):
        verdict.wrong += 1
        verdict.tell(f"{len(lane.load.sent)} jobs were sent, and {len(keys)}, or others, are in the topic")
    for partition in range(PARTITIONS):
        judge_partition(verdict, partition, jobs[partition], results[partition])
        judge_zombies(lab, verdict, partition, results[partition], lane.zombies)
    return verdict


def judge_partition(verdict, partition, jobs, results):
    where = f"partition {partition}"
    if [offset for offset, *_ in jobs] != list(range(len(jobs))):
        verdict.wrong += 1
        verdict.tell(f"{where}: the offsets of the jobs have holes")
    expected = expectations(jobs)
    seen, signed, last = {}, set(), -1
    for offset, headers, key, value in results:
        place = f"{where}, result {offset}"
        result = json.loads(value)
        source = result["source"]
        job = source["offset"]
        if source["partition"] != partition or not 0 <= job < len(jobs) or b"schema:tanba-result-v1" not in headers:
            verdict.wrong += 1
            verdict.tell(f"{place} is of job {source}")
            continue
        outcome = result["outcome"]
        if job in seen or outcome == "signed" and result["job"] in signed:
            verdict.doubled += 1
            verdict.tell(f"{place} is of job {job} ({result['job']}), which has one at {seen.get(job)}")
        elif job <= last:
            verdict.out_of_order += 1
            verdict.tell(f"{place} is of job {job}, and one of job {last} comes before it")
        if outcome == "signed":
            signed.add(result["job"])
            verdict.signed += 1
        verdict.refused += outcome == "refused"
        verdict.duplicates += outcome == "duplicate"
        seen.setdefault(job, offset)
        last = max(last, job)
        found = (outcome, result.get("duplicateOf", {}).get("offset"), result.get("refusal", {}).get("code") == "job-conflict")
        if found != expected[job] or key != jobs[job][2]:
            verdict.wrong += 1
            verdict.tell(f"{place} of job {job} is {found} with the key {key}; it must be {expected[job]} with {jobs[job][2]}")
    missing = [job for job in range(len(jobs)) if job not in seen]
    verdict.lost += len(missing)
    if missing:
        verdict.tell(f"{where}: {len(missing)} of {len(jobs)} jobs have no result: {missing[:10]}")


def expectations(jobs):
    """What must become of each job: outcome, of which job it is a duplicate, and whether it is a conflict."""
    first, expected = {}, []
    for offset, _, key, value in jobs:
        try:
            job = json.loads(value)
            content = (job["digest"]["value"], job["profile"])
        except (ValueError, KeyError):
            expected.append(("refused", None, False))
            continue
        if key not in first:
            first[key] = (offset, content)
            expected.append(("signed", None, False))
        elif first[key][1] == content:
            expected.append(("duplicate", first[key][0], False))
        else:
            expected.append(("refused", None, True))
    return expected


def judge_zombies(lab, verdict, partition, results, zombies):
    for zombie in zombies:
        if partition in zombie["taken"]:
            judge_zombie(verdict, partition, results, zombie, given_again(lab, zombie, partition))


def judge_zombie(verdict, partition, results, zombie, end):
    """From the job on that others took a partition from, to that from which the zombie was given it again, no result is the zombie's."""
    begin = zombie["taken"][partition]
    for offset, _, _, value in results:
        result = json.loads(value)
        job = result["source"]["offset"]
        if result["worker"] == zombie["worker"] and begin <= job < end:
            verdict.by_zombies += 1
            verdict.tell(f"partition {partition}, result {offset} of job {job} is by {zombie['worker']}, which had lost it at {begin}")


def given_again(lab, zombie, partition):
    """The first job that was the zombie's again, in this life after it was stopped or in a later one."""
    life, mark = zombie["life"], zombie["mark"]
    while (path := lab.folder / "logs" / f"{zombie['worker']}.{life:03}.log").exists():
        for line in path.read_bytes().split(b"\n")[mark:]:
            if b'"partition-taken"' in line and (fields := json.loads(line)["fields"])["partition"] == partition:
                return fields["position"]
        life, mark = life + 1, 0
    return float("inf")


def check_itself():
    """What this file is there to find, planted: each must be counted."""
    def job(offset, key, content):
        return offset, b"", key.encode(), json.dumps({"digest": {"value": content}, "profile": "p"}).encode()

    def result(offset, source, outcome="signed", worker="w", **more):
        key = "a" if source in (0, 2) else "b"
        value = {"job": key, "outcome": outcome, "source": {"partition": 0, "offset": source}, "worker": worker, **more}
        return offset, b"schema:tanba-result-v1", key.encode(), json.dumps(value).encode()

    jobs = [job(0, "a", "x"), job(1, "b", "y"), job(2, "a", "x")]
    duplicate = result(2, 2, "duplicate", duplicateOf={"offset": 0})
    planted = {
        "nothing": [result(0, 0), result(1, 1), duplicate],
        "lost": [result(0, 0), duplicate],
        "doubled": [result(0, 0), result(1, 1), result(2, 1), duplicate],
        "doubled wrong": [result(0, 0), result(1, 1), result(2, 2)],
        "out_of_order": [result(0, 1), result(1, 0), duplicate],
        "wrong": [result(0, 0), result(1, 1, "refused"), duplicate],
        "by_zombies": [result(0, 0), result(1, 1, worker="z"), duplicate],
    }
    for name, results in planted.items():
        verdict = Verdict("planted")
        judge_partition(verdict, 0, jobs, results)
        judge_zombie(verdict, 0, results, {"worker": "z", "taken": {0: 1}}, 2)
        found = {field for field in ("lost", "doubled", "out_of_order", "wrong", "by_zombies") if getattr(verdict, field)}
        if found != set(name.split()) - {"nothing"}:
            raise AssertionError(f"planted {name}, found {found}: {verdict.examples}")


def audit(lab, stream):
    """Whether Tanba's auditor, which checks the signatures as well, finds all in order."""
    report = lab.folder / "dumps" / f"{stream}.audit.json"
    with open(report, "wb") as out, open(report.with_suffix(".log"), "wb") as log:
        status = subprocess.run(
            [lab.programs / "tanba-auditor", "audit", "--stream", stream, "--bootstrap", lab.bootstrap, "--trust", lab.local["trust"][0],
             "--tsa-trust", lab.local["tsaTrust"][0], "--json"], stdin=subprocess.DEVNULL, stdout=out, stderr=log, timeout=DEADLINE).returncode
    try:
        found = json.loads(report.read_text())
    except ValueError:
        found = {}
    if status != 0 or found.get("lost") != 0 or found.get("doubled") != 0:
        lab.fault(f"tanba-auditor has findings in {stream} (status {status}): {report}")
    return found


def key_operations(lab):
    """Private-key operations that the shim saw, and how many of them proved a key.

    A worker that starts signs two challenges with its key for each of the two profiles before it signs a job, so the first four operations of a
    life are proofs. A key that was out proves itself with four more, and the log says that it is back.
    """
    operations = proofs = 0
    for path in (lab.folder / "operations").iterdir():
        count = path.stat().st_size
        operations += count
        proofs += min(count, 4 + 4 * (lab.folder / "logs" / f"{path.name}.log").read_bytes().count(b'"key-back"'))
    return operations, proofs


def versions(lab):
    tool = os.path.join(os.environ["KAFKA_HOME"], "bin", "kafka-console-consumer.sh")
    said = subprocess.run([tool, "--version"], capture_output=True, text=True).stdout
    kafka = re.search(r"^(\d+\.\d+\.\d+\S*)", said, re.MULTILINE)
    librdkafka = subprocess.run(["pkg-config", "--modversion", "rdkafka"], capture_output=True, text=True).stdout.strip()
    tanba = subprocess.run([lab.programs / "tanba", "--version"], capture_output=True, text=True).stdout.split()
    return {"kafka": kafka[1] if kafka else None, "librdkafka": librdkafka, "tanba": tanba[-1] if tanba else None}
