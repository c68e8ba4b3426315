"""Kills workers in every way there is, while they sign, and counts what is lost, doubled or out of order afterwards.

    Deploy/test crash [--kills N] [--seed S] [--summary FILE.json] [--write]

    --kills N        random kills, beside one at each failpoint (40)
    --seed S         a number that settles the schedule (random, and printed)
    --summary FILE   the figures as JSON
    --write          adds the run to docs/crash-matrix.md; without it the tree is untouched

Exit status: 0 nothing lost, doubled or out of order, and every failpoint was come to; 1 not; 2 usage; 3 something could not be started.
SIGINT and SIGTERM end what was started, and leave nothing (130, 143).
Environment: KAFKA_HOME, an unpacked Kafka, 3.6 or newer; without it the suite is skipped, or cannot be started where options ask for a run.
TANBA_BIN_DIR, programs that were built with failpoints; else they are built. TANBA_CRASH_KEEP, set to anything: the folder of a clean run
is kept too.
"""
import argparse
import concurrent.futures
import ctypes
import json
import os
import pathlib
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback

import broker
import judge
import page
import plan
from lab import CannotStart, Lab, ending
from lane import Lane, sign_at_failpoints

# Streams, whether their workers are static members, and how many they are.
LANES = [(False, 2), (True, 2), (False, 3), (True, 2)]


def arguments():
    parser = argparse.ArgumentParser(
        prog="Deploy/test crash", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, usage=argparse.SUPPRESS,
        allow_abbrev=False)
    parser.add_argument("--kills", type=number(0, 10000), default=40, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=number(0, 2**63 - 1), default=None, help=argparse.SUPPRESS)
    parser.add_argument("--summary", type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("--write", action="store_true", help=argparse.SUPPRESS)
    found = parser.parse_args()
    if found.seed is None:
        found.seed = secrets.randbelow(1_000_000_000)
    if found.summary:
        try:
            found.summary.write_text("")  # found before the work
        except OSError as error:
            parser.error(f"--summary: {error}")
    return found


def number(least, most):
    def read(text):
        if not re.fullmatch(r"\d{1,19}", text) or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text}: a number from {least} to {most}")
        return int(text)
    return read


def failpoints(lab):
    """All points of the programs, as these tell them themselves when one is asked for that does not exist."""
    environment = {**os.environ, "TANBA_FAILPOINT": "?"}
    sign = [lab.programs / "tanba", "sign", lab.folder / "driver.log", "--config", lab.sandbox / "configuration" / "tanba.yaml",
            "--profile", "p256-b", "--out", lab.folder / "asked"]
    told = subprocess.run(sign, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    names = re.search(r"the names are: (.*)", told.stderr)
    if told.returncode != 2 or not names:
        raise CannotStart("the programs have no failpoints: swift build --traits Failpoints --scratch-path .build/failpoints")
    return names[1].split(", ")


def suffer(lab, lanes, brokers):
    """All lanes at once, and the broker is killed now and then. A thread of its own feeds them and looks how far they are."""
    stop = threading.Event()
    feeder = threading.Thread(target=feed, args=(lab, lanes, stop), daemon=True)
    feeder.start()
    try:
        at_once(lanes, Lane.start)
        threads = [threading.Thread(target=lane.run, daemon=True) for lane in lanes]
        for thread in threads:
            thread.start()
        whole, last, told = sum(len(lane.acts) for lane in lanes), 0, time.monotonic()
        while any(thread.is_alive() for thread in threads):
            acted = sum(lane.acted for lane in lanes)
            if brokers and acted >= whole * (lab.restarts_of_broker + 1) / (brokers + 1):
                lab.note("the broker is killed")
                lab.restart_broker(0.5)
                lab.note("the broker is back")
                brokers = brokers if lab.restarts_of_broker < brokers else 0
            if time.monotonic() - told >= 20:
                told = time.monotonic()
                jobs = sum(len(lane.load.sent) for lane in lanes)
                print(f"  {told - lab.begun:4.0f} s: {acted} of {whole} acts, {lab.kills} kills, {jobs} jobs", flush=True)
            time.sleep(0.1)
        at_once(lanes, Lane.finish)
    finally:
        stop.set()
        feeder.join()


def at_once(lanes, what):
    def run(lane):
        try:
            what(lane)
        except Exception as error:
            lane.lab.fault(f"{lane.stream}: {type(error).__name__}: {error}")

    threads = [threading.Thread(target=run, args=(lane,), daemon=True) for lane in lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def feed(lab, lanes, stop):
    connection, looked = None, 0.0
    while not stop.wait(0.1):
        for lane in lanes:
            lane.load.turn()
        if time.monotonic() - looked < 0.3:
            continue
        looked = time.monotonic()
        try:
            connection = connection or broker.connect(lab.bootstrap)
            for lane in lanes:
                lane.look(connection)
        except OSError:
            connection = None  # away, or away meanwhile


def programs():
    if "TANBA_BIN_DIR" in os.environ:
        return pathlib.Path(os.environ["TANBA_BIN_DIR"]).resolve()
    build = ["swift", "build", "--package-path", page.root, "--traits", "Failpoints", "--scratch-path", page.root / ".build" / "failpoints"]
    made = subprocess.run(build, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if made.returncode != 0:
        raise CannotStart("the build failed:\n" + "\n".join(made.stdout.splitlines()[-20:]))
    return pathlib.Path(subprocess.run([*build, "--show-bin-path"], capture_output=True, text=True, check=True).stdout.strip())


def run(wanted, folder):
    lab = Lab(folder, programs())
    lanes = []
    try:
        lab.build_shim()
        lab.up()
        points = failpoints(lab)
        schedule = plan.make(wanted.seed, wanted.kills, points, [static for static, _ in LANES])
        (lab.folder / "schedule.json").write_text(json.dumps(schedule, indent=1))
        for number, ((static, workers), acts) in enumerate(zip(LANES, schedule), 1):
            lanes.append(Lane(lab, number, static, workers, wanted.seed, acts))
        suffer(lab, lanes, max(1, wanted.kills // 80))
        walked = [point for lane in lanes for point in lane.walked]
        walked += sign_at_failpoints(lab, [point for point in points if plan.is_of_sign(point)])
        return summary(lab, lanes, wanted, points, walked)
    finally:
        for lane in lanes:
            lane.abandon()
        lab.down()


def summary(lab, lanes, wanted, points, walked):
    print("  judging…", flush=True)
    for point in sorted(set(points) - set(walked)):
        lab.fault(f"nobody died at {point}")
    # What was not suffered was not survived.
    suffered = {"zombie": sum(len(lane.zombies) for lane in lanes), "storm": sum(lane.storms for lane in lanes), "kill": lab.kills,
                "restart of the broker": lab.restarts_of_broker}
    for name, count in suffered.items():
        if count == 0:
            lab.fault(f"there was no {name}")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        verdicts = pool.map(lambda lane: judge.judge(lab, lane), lanes)
        audits = pool.map(lambda lane: judge.audit(lab, lane.stream), lanes)
        verdicts, audits = list(verdicts), list(audits)
    total = {name: sum(getattr(verdict, name) for verdict in verdicts)
             for name in ("jobs", "lost", "doubled", "out_of_order", "wrong", "by_zombies", "signed", "refused", "duplicates")}
    for verdict in verdicts:
        for example in verdict.examples:
            lab.fault(example)
    if sum(found.get("signed", 0) for found in audits) != total["signed"]:
        lab.fault(f"the auditor counts {[found.get('signed') for found in audits]} signed, not {total['signed']} in all")
    operations, proofs = judge.key_operations(lab)
    surplus = operations - proofs - total["signed"]
    if surplus < 0:
        lab.fault(f"{total['signed']} are signed by {operations} key operations, of which {proofs} were proofs")
    return {
        "kills": lab.kills, "failpoints": len(set(walked)), "jobs": total["jobs"], "lost": total["lost"], "doubled": total["doubled"],
        "outOfOrder": total["out_of_order"], "surplusKeyOperations": surplus, "seed": wanted.seed, "signed": total["signed"],
        "refused": total["refused"], "duplicates": total["duplicates"], "wrongResults": total["wrong"],
        "zombies": sum(len(lane.zombies) for lane in lanes), "publishedByZombies": total["by_zombies"],
        "brokerRestarts": lab.restarts_of_broker, "storms": sum(lane.storms for lane in lanes),
        "endedByThemselves": sum(lane.ended_by_themselves for lane in lanes), "keyOperations": operations, "keyProofs": proofs,
        "workers": sum(workers for _, workers in LANES), "streams": len(lanes), "seconds": round(time.monotonic() - lab.begun),
        "versions": judge.versions(lab), "faults": lab.faults}


def without_kafka():
    """What keeps the run from beginning; empty when nothing does."""
    home = os.environ.get("KAFKA_HOME")
    if not home:
        return "KAFKA_HOME is not set; set it to an unpacked Kafka (and install Java 17)"
    if not os.access(f"{home}/bin/kafka-server-start.sh", os.X_OK):
        return f"KAFKA_HOME={home} has no bin/kafka-server-start.sh; name an unpacked Kafka"
    return ""


def obey_signals():
    """What was started is ended when this is told to end, or when Deploy/test, which waits for it, is gone."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, ending.told)
    if os.environ.get("TANBA_TEST_PROCESS") == str(os.getppid()):
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def main():
    wanted = arguments()
    if not os.environ.get("KAFKA_HOME") and len(sys.argv) == 1:
        print("SKIPPED: the crash matrix, kills of workers at a real broker; set KAFKA_HOME to an unpacked Kafka (and install Java 17)")
        return 0
    if reason := without_kafka():
        print(f"Deploy/test crash: {reason}", file=sys.stderr)
        return 3
    print(f"Crash matrix: seed {wanted.seed}, {wanted.kills} random kills and one at each failpoint", flush=True)
    obey_signals()
    folder = tempfile.mkdtemp(prefix="tanba-crash.")
    try:
        judge.check_itself()
        found = run(wanted, folder)
    except SystemExit as end:
        shutil.rmtree(folder, ignore_errors=True)
        print(f"Deploy/test crash: told to end (signal {end.code - 128}); nothing is left of it. Seed {wanted.seed}", file=sys.stderr)
        return end.code
    except CannotStart as error:
        print(f"Deploy/test crash: {error}\nWhat there is: {folder}", file=sys.stderr)
        return 3
    except Exception:
        traceback.print_exc()
        print(f"✘ the run broke off. Seed {wanted.seed}; what there is: {folder}")
        return 1
    if wanted.summary:
        wanted.summary.write_text(json.dumps(found, indent=1) + "\n")
    print(page.sentence(found))
    if wanted.write:
        page.add(found)
    is_clean = not (found["faults"] or found["lost"] or found["doubled"] or found["outOfOrder"])
    if not is_clean:
        (pathlib.Path(folder) / "summary.json").write_text(json.dumps(found, indent=1) + "\n")
        print(f"✘ not clean. Seed {wanted.seed}; logs, schedule and what was in the topics: {folder}")
        return 1
    if "TANBA_CRASH_KEEP" in os.environ:
        print(f"  kept: {folder}")
    else:
        shutil.rmtree(folder)
    print("✔ nothing is lost, doubled or out of order")
    return 0


sys.exit(main())
