"""One worker, through all its lives: a process that is killed, stopped, and started again under the same id."""
import json
import os
import signal
import subprocess
import time


class Worker:
    def __init__(self, lab, stream, name, static):
        self.lab, self.name, self.static = lab, name, static
        self.configuration = lab.configure(name, stream, static)
        self.life = 0
        self.process = None
        self.rules = lab.folder / "configuration" / f"{name}.rules"

    def start(self, failpoint=None):
        """A new life. What it signs is counted by the shim in a file of its own, its log is a file of its own."""
        self.life += 1
        self.lab.mend_token(self.name)
        self.rules.write_text("")
        self.log = self.lab.folder / "logs" / f"{self.name}.{self.life:03}.log"
        environment = {
            **os.environ, "TANBA_SHIM_MODULE": self.lab.local["token"]["module"], "TANBA_SHIM_RULES": str(self.rules),
            "TANBA_SHIM_SIGNATURES": str(self.lab.folder / "operations" / f"{self.name}.{self.life:03}"), "SWIFT_BACKTRACE": "enable=no"}
        environment.pop("TANBA_FAILPOINT", None)
        if failpoint:
            environment["TANBA_FAILPOINT"] = failpoint
        self._read, self._part, self._events = 0, b"", []
        self.is_killed = False
        with open(self.log, "wb") as log, self.lab.starting:
            if self.lab.is_over:  # the run was told to end, and an act has not noticed yet
                raise RuntimeError(f"{self.name} is not started any more")
            self.process = subprocess.Popen(
                [self.lab.programs / "tanba-worker", "--config", self.configuration], env=environment, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, start_new_session=True)

    def rule(self, text):
        """Tells the shim before this worker's token what it is to do."""
        new = self.rules.with_suffix(".new")
        new.write_text(text + "\n")
        new.rename(self.rules)

    @property
    def is_alive(self):
        return self.process is not None and self.process.poll() is None

    @property
    def is_stopped(self):
        try:
            with open(f"/proc/{self.process.pid}/stat") as file:
                return file.read().rpartition(")")[2].split()[0] == "T"
        except OSError:
            return False

    def kill(self):
        """kill -9, counted; false if it had ended by itself."""
        if not self.is_alive:
            return False
        self.is_killed = True
        self.process.send_signal(signal.SIGKILL)
        if self.process.wait() != -signal.SIGKILL:
            return False
        self.lab.killed()
        return True

    def drain(self, seconds=90):
        """SIGTERM, which must end it in order; before it listens to signals it just ends."""
        if not self.is_alive:
            return
        process, log, listens = self.process, self.log, self.has("started")
        process.send_signal(signal.SIGTERM)
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.lab.fault(f"{self.name} did not end within {seconds} s of SIGTERM: {log}")
            self.kill()
            return
        if status != 0 and (listens or status != -signal.SIGTERM) and not self.is_killed:
            self.lab.fault(f"{self.name} ended with status {status} when it was drained: {log}")

    # --- What it says ---

    def events(self, since=0):
        """The events of its log in this life, from the index on."""
        try:
            with open(self.log, "rb") as log:
                log.seek(self._read)
                data = log.read()
        except OSError:
            data = b""
        self._read += len(data)
        *lines, self._part = (self._part + data).split(b"\n")
        for line in lines:
            try:
                self._events.append(json.loads(line))
            except ValueError:
                self._events.append({"event": "", "text": line.decode(errors="replace")})
        return self._events[since:]

    def has(self, name, since=0):
        return any(event.get("event") == name for event in self.events(since))

    @property
    def partitions(self):
        """Those that it took since the last time it gave all up, with where it began."""
        taken = {}
        for event in self.events():
            if event.get("event") in ("partitions-revoked", "rebalance-failed", "kafka-fatal", "kafka-standing-by"):
                taken = {}
            elif event.get("event") == "partition-taken":
                taken[event["fields"]["partition"]] = event["fields"]["position"]
        return taken


def wait(seconds, condition):
    """Until the condition holds; false when the time is over."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= end:
            return False
        time.sleep(0.03)
    return True
