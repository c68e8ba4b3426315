"""docs/crash-matrix.md: a row for each run, and the sum of all in its last line."""
import datetime
import fcntl
import pathlib
import re
import subprocess

root = pathlib.Path(__file__).resolve().parent.parent.parent
BEGIN, END = "<!-- runs: Deploy/test crash --write -->\n", "<!-- end -->\n"
COLUMNS = ["kills", "failpoints", "jobs", "lost", "doubled", "outOfOrder", "surplusKeyOperations", "zombies", "brokerRestarts", "storms", "faults", "seconds"]


def sentence(found):
    return (
        f"{found['kills']} kills, {found['failpoints']} failpoints, {found['zombies']} zombies, {found['brokerRestarts']} restarts of the broker,"
        f" {found['storms']} storms in {found['seconds']} s\n"
        f"{found['jobs']} jobs: {found['signed']} signed, {found['duplicates']} duplicates, {found['refused']} refused; {found['lost']} lost,"
        f" {found['doubled']} doubled, {found['outOfOrder']} out of order, {found['wrongResults']} wrong, {found['publishedByZombies']} by zombies\n"
        f"{found['surplusKeyOperations']} surplus key operations: {found['keyOperations']} made, {found['keyProofs']} to prove keys at"
        f" starts, {found['signed']} published")


def add(found):
    """Adds the run, and writes the last line anew from all rows."""
    path = root / "docs" / "crash-matrix.md"
    lock = open(path)
    fcntl.flock(lock, fcntl.LOCK_EX)  # of two runs at once
    text = path.read_text()
    head, rest = text.split(BEGIN)
    table, _ = rest.split(END)
    commit = git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain", "--", ":!docs") else "")
    versions = found["versions"]
    cells = [
        datetime.date.today().isoformat(), found["seed"], commit, versions["tanba"], versions["kafka"], versions["librdkafka"],
        *(len(found[name]) if name == "faults" else found[name] for name in COLUMNS)]
    table += "| " + " | ".join(str(cell) for cell in cells) + " |\n"
    path.write_text(head + BEGIN + table + END + "\n" + closing(table) + "\n")


def git(*command):
    """What git says, "unknown" where there is no repository; an empty answer is one."""
    said = subprocess.run(["git", "-C", root, *command], capture_output=True, text=True)
    return said.stdout.strip() if said.returncode == 0 else "unknown"


def closing(table):
    rows = [[cell.strip() for cell in line.strip("|\n ").split("|")] for line in table.splitlines()[2:]]
    total = {name: sum(int(row[6 + place]) for row in rows) for place, name in enumerate(COLUMNS)}
    return (
        f"kills {total['kills']}, jobs {total['jobs']}, lost {total['lost']}, doubled {total['doubled']},"
        f" out of order {total['outOfOrder']}")
