"""Jobs for the streams, all the time, by kcat: a Kafka client that is not Tanba's.

Mostly new ones, in bursts; some ids come again with the same content (to be a duplicate), some with other content (a conflict), and some
records are no job at all (refused). A stream that does not get on is given no more for a while, so that a run ends soon after its last act.
"""
import base64
import hashlib
import json
import random
import shutil
import subprocess
import threading

from lab import CannotStart

WAITING_MAX = 300


class Load:
    def __init__(self, lab, stream, seed):
        self.lab, self.stream = lab, stream
        self.dice = random.Random(f"{seed} {stream}")
        self.sent = []  # the key of each record
        self.recent = []
        self.done = 0
        self.limit = WAITING_MAX
        self.lock = threading.Lock()
        self.is_closed = False
        if not shutil.which("kcat"):
            raise CannotStart("kcat is missing: Deploy/install")
        # -E: an outage of the broker is waited for
        self.log = open(lab.folder / "logs" / f"kcat-{stream}.log", "wb")
        self.kcat = subprocess.Popen(
            ["kcat", "-P", "-E", "-q", "-b", lab.bootstrap, "-t", stream + ".jobs", "-K", "\t", "-X", "partitioner=murmur2_random",
             "-X", "enable.idempotence=true", "-X", "message.timeout.ms=300000", "-z", "lz4"],
            stdin=subprocess.PIPE, stdout=self.log, stderr=self.log, start_new_session=True)

    @property
    def waiting(self):
        return len(self.sent) - self.done

    def turn(self):
        """Called some times a second."""
        if not self.is_closed and self.waiting < self.limit and self.dice.random() < 0.25:
            self.send(self.dice.randint(1, 12) if self.dice.random() < 0.9 else self.dice.randint(12, 60))

    def send(self, count, bytes_each=0):
        with self.lock:
            if self.is_closed:
                return
            try:
                self.kcat.stdin.write(b"".join(self.record(bytes_each) for _ in range(count)))
                self.kcat.stdin.flush()
            except OSError as error:
                self.is_closed = True
                self.lab.fault(f"kcat for {self.stream} takes no more jobs: {error}: {self.log.name}")

    def record(self, bytes_each):
        kind = self.dice.random()
        if self.recent and kind < 0.06:
            key, content, profile = self.dice.choice(self.recent)
            if kind < 0.01:
                content += " changed"
        else:
            key, profile = f"{self.stream}-{len(self.sent):07}", "p256-t" if kind > 0.9 else "p256-b"
            content = key
            self.recent = (self.recent + [(key, content, profile)])[-200:]
        self.sent.append(key)
        if 0.06 <= kind < 0.07:
            return f"{key}\t{{\"version\":1,\n".encode()
        job = {
            "version": 1, "job": key, "profile": profile,
            "digest": {"algorithm": "sha256", "value": base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}}
        if bytes_each:
            job["document"] = {"id": key, "title": "x" * bytes_each, "name": key, "size": 1}
        return f"{key}\t{json.dumps(job, separators=(',', ':'))}\n".encode()

    def close(self):
        """Waits until the broker has all of it."""
        with self.lock:
            self.is_closed = True
            self.kcat.stdin.close()
        try:
            status = self.kcat.wait(120)
        except subprocess.TimeoutExpired:
            self.kcat.kill()
            status = "none within 120 s"
        if status != 0:
            self.lab.fault(f"kcat for {self.stream} ended with status {status}: {self.log.name}")
