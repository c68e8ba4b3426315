"""A stream, its workers, and what is done to them: the acts of plan.py."""
import os
import random
import signal
import subprocess
import threading
import time

import broker
from lab import PARTITIONS
from load import WAITING_MAX, Load
from worker import Worker, wait

# Nothing takes so long, even beside others on a slow machine. What does is a fault.
PATIENCE = 120


class Lane:
    def __init__(self, lab, number, static, workers, seed, acts):
        self.lab, self.stream, self.static, self.acts = lab, f"crash-{number}", static, acts
        self.dice = random.Random(f"{seed} lane {number}")
        lab.make_stream(self.stream)
        self.workers = [Worker(lab, self.stream, f"{self.stream}-{letter}", static) for letter in "abc"[:workers]]
        self.guests = [Worker(lab, self.stream, f"{self.stream}-{letter}", static) for letter in "xyz"]
        self.load = Load(lab, self.stream, seed)
        self.walked, self.zombies, self.storms, self.ended_by_themselves = [], [], 0, 0
        self.acted = 0
        self.ran_wild = 0

    # --- A lane's life ---

    def start(self):
        for worker in self.workers:
            worker.start()
        self.settle("at the start")

    def run(self):
        for act in self.acts:
            try:
                begun = time.monotonic()
                time.sleep(act["pause"])
                self.mend()
                self.lab.note(f"{self.stream}: {act}")
                getattr(self, act["act"].replace("failpoints", "failpoints_"))(act)
            except Exception as error:  # the other acts have their turn all the same
                self.lab.fault(f"{self.stream}: {act}: {type(error).__name__}: {error}")
            self.acted += 1
            self.lab.note(f"{self.stream}: {act['act']} took {time.monotonic() - begun:.1f} s")

    def finish(self):
        """Every job gets its result, then the workers are drained."""
        self.mend()
        self.load.close()
        if not wait(2 * PATIENCE, self.is_done):
            self.lab.fault(f"{self.stream}: {self.load.waiting} jobs have no result {2 * PATIENCE} s after the last act")
        threads = [threading.Thread(target=worker.drain) for worker in self.workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def abandon(self):
        with self.lab.starting:
            self.lab.is_over = True
        for worker in self.workers + self.guests:
            if worker.is_alive:
                worker.process.kill()
                worker.process.wait()
        if self.load.kcat.poll() is None:
            self.load.kcat.kill()

    def look(self, connection):
        """How far the stream is."""
        self.load.done = max(self.load.done, sum(broker.positions(connection, "tanba-" + self.stream, self.stream + ".jobs", PARTITIONS)))

    def is_done(self):
        self.mend()
        return self.load.waiting <= 0

    def settle(self, when):
        """Until jobs of now have their results."""
        goal = min(len(self.load.sent), self.load.done + 3)
        if not wait(PATIENCE, lambda: self.load.done >= max(goal, 1)):
            raise TimeoutError(f"the stream did not get on within {PATIENCE} s {when}")

    def mend(self):
        """What a service manager does: a worker that ended by itself is started again. That is a fault when a signal ended it."""
        for worker in self.workers:
            if worker.is_alive:
                continue
            status = worker.process.returncode
            self.ended_by_themselves += 1
            self.lab.note(f"{worker.name} had ended by itself, status {status}: {worker.log}")
            if status < 0:
                self.lab.fault(f"{worker.name} ended by itself with signal {-status}: {worker.log}")
            worker.start()

    def is_taking(self, worker):
        return wait(PATIENCE, lambda: worker.partitions or not worker.is_alive) and worker.is_alive

    # --- Acts ---

    def kill(self, act):
        victims = self.dice.sample(self.workers, act["workers"])
        if isinstance(act["at"], str):
            victims[0].kill()
            victims[0].start(act["at"])
            # The point may never come: then it is killed there where it is.
            wait(self.dice.uniform(2, 6), lambda: not victims[0].is_alive)
            if victims[0].process.poll() == -signal.SIGKILL:
                self.lab.killed()
        else:
            time.sleep(act["at"])
        for victim in victims:
            victim.kill()
        for victim in victims:
            if not victim.is_alive:
                victim.start()
        self.ran_wild = 0 if act["settles"] else self.ran_wild + 1
        if act["settles"] or self.ran_wild >= 3:
            self.ran_wild = 0
            self.settle("after a kill")

    def failpoints_(self, act):
        """One worker dies at one point after the other."""
        victim = self.dice.choice(self.workers)
        victim.drain() if act["drains"] else victim.kill()
        if act["recipe"] == "takeback":
            # The ledger takes nothing but the markers of transactions (78 bytes): every batch is taken back meanwhile, and its jobs are
            # signed again.
            self.load.limit = 0
            self.ledger_takes(100)
        try:
            for failpoint in act["walk"]:
                victim.start(failpoint)
                getattr(self, "provoke_" + act["recipe"].replace("-", "_"))(victim)
                ended = wait(PATIENCE, lambda: not victim.is_alive)
                if not ended or victim.process.returncode != -signal.SIGKILL:
                    self.lab.fault(
                        f"{victim.name} did not come to {failpoint}: "
                        + (f"it ended with status {victim.process.returncode}" if ended else f"{PATIENCE} s") + f": {victim.log}")
                    victim.kill()
                    continue
                self.lab.killed()
                self.walked.append(failpoint.split(":")[0])
        finally:
            if act["recipe"] == "takeback":
                self.ledger_takes(1000000)
            self.load.limit = WAITING_MAX
            if not victim.is_alive:
                victim.start()
        self.settle("after failpoints")

    def ledger_takes(self, bytes_max):
        def is_configured():
            try:
                broker.configure(self.lab.bootstrap, self.stream + ".ledger", "max.message.bytes", str(bytes_max))
                return True
            except (OSError, broker.Refusal):  # the broker is away just now, or not wholly there again
                return False

        if not wait(PATIENCE, is_configured):
            raise TimeoutError(f"no broker within {PATIENCE} s")

    def provoke_usual(self, victim):
        pass

    def provoke_takeback(self, victim):
        if self.is_taking(victim):
            self.load.send(4 * PARTITIONS)

    def provoke_flood(self, victim):
        """More than a worker keeps at hand while its token is slow: its partitions are paused, and resumed when there is room again."""
        end = time.monotonic() + PATIENCE
        while self.is_taking(victim) and time.monotonic() < end:
            victim.rule(f"slow {self.lab.local['token']['label']} C_Sign 1500")
            self.load.send(40 * PARTITIONS, bytes_each=60000)
            wait(6, lambda: not victim.is_alive)
            victim.rule("")
            wait(6, lambda: not victim.is_alive)

    def provoke_join(self, victim):
        """Another one joins, and the partitions are taken from all to be given anew."""
        if self.is_taking(victim):
            # Another one each time: a static member that left comes back without anybody's notice while its session lasts.
            guest = self.guests[victim.life % len(self.guests)]
            guest.start()
            wait(PATIENCE, lambda: not victim.is_alive)
            guest.drain()

    def provoke_no_key(self, victim):
        """Its token is pulled out, so that it leaves its partitions to others."""
        if self.is_taking(victim):
            victim.rule(f"removed {self.lab.local['token']['label']}")

    def provoke_drain(self, victim):
        if self.is_taking(victim):
            victim.process.send_signal(signal.SIGTERM)

    def zombie(self, act):
        """A worker is stopped until others have its partitions, then goes on. The judge looks at what it published after that."""
        zombie = self.dice.choice(self.workers)
        if isinstance(act["at"], str):
            zombie.kill()
            zombie.start(act["at"])
            if not wait(PATIENCE, lambda: zombie.is_stopped or not zombie.is_alive) or not zombie.is_alive:
                raise RuntimeError(f"{zombie.name} was not stopped at {act['at']}: {zombie.log}")
        else:
            self.is_taking(zombie)
            time.sleep(act["at"])
            zombie.process.send_signal(signal.SIGSTOP)
        lost, mark, life = zombie.partitions, len(zombie.events()), zombie.life
        others = [worker for worker in self.workers if worker is not zombie]
        marks = {worker.name: len(worker.events()) for worker in others}
        taken = {}

        def is_taken_over():
            self.mend()
            for worker in others:
                for event in worker.events(marks[worker.name]):
                    if event.get("event") == "partition-taken":
                        taken.setdefault(event["fields"]["partition"], event["fields"]["position"])
            return lost.keys() <= taken.keys()

        if not wait(PATIENCE, is_taken_over):
            zombie.kill()
            raise TimeoutError(f"partitions {sorted(lost)} of {zombie.name}, which is stopped, were not taken by others")
        time.sleep(act["longer"])
        zombie.process.send_signal(signal.SIGCONT)
        words = ("partitions-revoked", "rebalance-failed", "rewound", "kafka-fatal")
        if lost and not wait(PATIENCE, lambda: any(zombie.has(word, mark) for word in words)):
            self.lab.fault(f"{zombie.name} went on after its partitions were others' and does not say so: {zombie.log}")
        wait(PATIENCE, lambda: not zombie.is_alive or zombie.has("partition-taken", mark))
        said = [event["event"] for event in zombie.events(mark) if event.get("event") in words]
        self.lab.note(f"{zombie.name} went on, others have {taken}; it said {said}")
        # Jobs from `taken` on are others', until the zombie is given the partition again.
        if lost:
            self.zombies.append(
                {"worker": zombie.name, "life": life, "mark": mark, "taken": {partition: taken[partition] for partition in lost}})
        self.settle("after a zombie")

    def storm(self, act):
        """Workers come and go faster than the group settles."""
        for pause, is_killed in act["rounds"]:
            guests = self.dice.sample(self.guests, 2)
            for guest in guests:
                if not guest.is_alive:
                    guest.start()
                time.sleep(pause / 2)
            leaving = self.dice.choice(guests)
            leaving.kill() if is_killed else threading.Thread(target=leaving.drain).start()
            time.sleep(pause)
        for guest in self.guests:
            guest.drain()
        wait(PATIENCE, lambda: not any(guest.is_alive for guest in self.guests))
        self.storms += 1
        self.settle("after a storm")


def sign_at_failpoints(lab, points):
    """`tanba sign`, which has a log of its own, is killed at each of its points and run again. Returns the points that it came to."""
    walked = []
    documents = lab.folder / "documents"
    documents.mkdir()
    for number in range(6):
        (documents / f"{number}.txt").write_text(f"document {number}\n")
    configuration = lab.sandbox / "configuration" / "tanba.yaml"
    for point in points:
        out = lab.folder / "signed" / point
        out.mkdir(parents=True)
        sign = [lab.programs / "tanba", "sign", documents, "--config", configuration, "--profile", "p256-b", "--out", out]
        log = open(lab.folder / "logs" / "sign.log", "ab")
        statuses = []
        for failpoint in (point, ""):
            environment = {**os.environ, "TANBA_FAILPOINT": failpoint}
            statuses.append(subprocess.run(sign, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=PATIENCE).returncode)
        audit = subprocess.run(
            [lab.programs / "tanba-auditor", "audit", "--log", out, "--trust", lab.local["trust"][0]], stdout=log, stderr=log, timeout=PATIENCE).returncode
        found = len(list(out.glob("*.p7s")))
        if statuses != [-signal.SIGKILL, 0] or audit != 0 or found != 6:
            lab.fault(f"tanba sign killed at {point}: statuses {statuses}, audit {audit}, {found} of 6 signatures: {log.name}")
        else:
            walked.append(point)
    return walked
