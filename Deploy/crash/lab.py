"""The sandbox of a run: token, PKI, authority and broker of Deploy/local, the fault shim, and the configuration of each worker."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time

deploy = pathlib.Path(__file__).resolve().parent.parent
PARTITIONS = 6
SESSION_MS = 3000
TRANSACTION_MS = 6000


class CannotStart(Exception):
    pass


class Ending:
    """What SIGINT and SIGTERM do: the main thread leaves by SystemExit. What is just being started is first noted where `down` finds it."""

    def __init__(self):
        self.number, self.waits = 0, False

    def told(self, number, _=None):
        self.number = number
        if self.waits:
            return
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)  # nothing disturbs what ends the others, its processes neither
        sys.exit(128 + number)

    def __enter__(self):
        self.waits = True

    def __exit__(self, *_):
        self.waits = False
        if self.number:
            self.told(self.number)


ending = Ending()


class Lab:
    def __init__(self, folder, programs):
        self.folder, self.programs = pathlib.Path(folder), pathlib.Path(programs)
        self.sandbox = self.folder / "sandbox"
        for name in ("logs", "configuration", "tokens", "operations", "dumps"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.begun = time.monotonic()
        self.lock = threading.Lock()
        self.faults = []
        self.kills = 0
        self.is_over = False
        self.starting = threading.Lock()
        self.restarts_of_broker = 0
        self.driver_log = open(self.folder / "driver.log", "a", buffering=1)

    # --- What all parts tell ---

    def note(self, text):
        line = f"[{time.monotonic() - self.begun:7.1f} s] {text}"
        with self.lock:
            print(line, file=self.driver_log)

    def fault(self, text):
        """Something that must not be; the run goes on, and is not clean."""
        if self.is_over:  # of what is ended before its time nothing is asked
            return
        with self.lock:
            self.faults.append(text)
        self.note("FAULT: " + text)
        print("✘ " + text, flush=True)

    def killed(self):
        with self.lock:
            self.kills += 1

    # --- The sandbox ---

    def up(self):
        # A worker that died is missed after its session: the shortest one that the broker lets it have.
        environment = {
            **os.environ, "TANBA_BIN_DIR": str(self.programs), "TANBA_BROKER_SETTINGS": "group.min.session.timeout.ms=1000"}
        environment.pop("KAFKA_BOOTSTRAP", None)
        with open(self.folder / "logs" / "up.log", "a") as log:
            command = [deploy / "local", "up", "--dir", self.sandbox, "--workers", "0", "--log", "kafka"]
            # In a session of its own: a terminal tells all of ours to end at once.
            with ending:
                status = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True).returncode
            if status != 0:
                raise CannotStart("Deploy/local up failed:\n" + tail(self.folder / "logs" / "up.log"))
        self.local = json.loads((self.sandbox / "local.json").read_text())
        self.bootstrap = self.local["bootstrap"]

    def down(self):
        subprocess.run([deploy / "local", "down", "--dir", self.sandbox], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def build_shim(self):
        self.shim = self.folder / "faultshim.so"
        flags = subprocess.run(["pkg-config", "--cflags", "p11-kit-1"], capture_output=True, text=True).stdout.split()
        sources = sorted((deploy.parent / "Tests" / "FaultShim").glob("*.c"))
        compiler = shutil.which("cc") or shutil.which("clang") or "cc"
        made = subprocess.run(
            [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-o", self.shim, *sources, *flags, "-ldl", "-lpthread"], capture_output=True, text=True)
        if made.returncode != 0:
            raise CannotStart("the fault shim could not be compiled:\n" + made.stderr)

    def make_stream(self, name):
        for topic in ("jobs", "results", "ledger"):
            make = [sys.executable, deploy / "sandbox" / "kafka.py", self.bootstrap, "create", f"{name}.{topic}", str(PARTITIONS)]
            made = subprocess.run([*make, "cleanup.policy=delete", "retention.ms=-1"], capture_output=True, text=True)
            if made.returncode != 0:
                raise CannotStart(made.stderr)

    def restart_broker(self, pause):
        """kill -9, a while without it, and the same broker again."""
        process = int((self.sandbox / "run" / "broker.process").read_text().split()[0])
        os.kill(process, signal.SIGKILL)
        time.sleep(pause)
        try:
            self.up()
        except CannotStart:  # a machine with much else to do
            self.up()
        self.restarts_of_broker += 1

    # --- A worker's surroundings ---

    def configure(self, worker, stream, static):
        """Writes a worker's configuration. Each has the token in a folder of its own, with the same keys."""
        token = self.folder / "tokens" / worker
        if not token.exists():
            shutil.copytree(self.sandbox / "token" / "objects", token / "objects")
            (token / "softhsm2.conf").write_text(
                f"directories.tokendir = {token}/objects\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n")
        properties = {
            "session.timeout.ms": SESSION_MS, "heartbeat.interval.ms": SESSION_MS // 6, "transaction.timeout.ms": TRANSACTION_MS}
        configuration = {
            "worker": {"id": worker},
            "kafka": {"bootstrap": self.bootstrap, "static-membership": static, "properties": properties},
            "streams": [{"name": stream, "profiles": ["p256-b", "p256-t"]}],
            "limits": {"in-flight": 24, "batch-results": 8, "batch-wait": "50ms", "give-up": "1s", "drain": "30s"},
            "readers": {"watch": False},
            **self.signing(token, self.shim)}
        path = self.folder / "configuration" / f"{worker}.yaml"
        path.write_text(json.dumps(configuration, indent=1))  # JSON is YAML
        return path

    def mend_token(self, worker):
        """SoftHSM writes this file anew, in place, at each login: a kill there leaves it empty, and no token with it. Hardware survives that."""
        for whole in (self.sandbox / "token" / "objects").glob("*/token.object"):
            shutil.copy(whole, self.folder / "tokens" / worker / "objects" / whole.parent.name / whole.name)

    def signing(self, token, module):
        known = self.local["token"]
        profile = {"token": "main", "key": known["keys"]["p256"], "certificate": known["certificates"]["p256"], "digest": "sha256"}
        return {
            "tokens": [{
                "name": "main", "module": str(module), "label": known["label"], "pin": "file:" + known["pinFile"], "sessions": 2,
                "environment": {"SOFTHSM2_CONF": f"{token}/softhsm2.conf"}}],
            "timestamp-authorities": [
                {"name": "demo", "url": self.local["tsa"], "trust": self.local["tsaTrust"][0], "timeout": "10s", "in-flight": 16}],
            "profiles": [
                {"name": "p256-b", **profile, "level": "B-B"},
                {"name": "p256-t", **profile, "level": "B-T", "timestamp-authority": "demo"}]}


def tail(path, lines=12):
    try:
        return "\n".join("    " + line for line in path.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""
