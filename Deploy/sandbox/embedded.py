"""Waits until an embedded log holds so many results: embedded.py LOG.SQLITE COUNT PROCESS

Prints the number seen. Exit status 1 when the process (that of `tanba sign`) ended before.
"""
import sqlite3
import sys
import time


connection = None


def results(path):
    global connection
    try:
        connection = connection or sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
        # the sources of the results are 0, 1, 2, ...
        return connection.execute("SELECT coalesce(max(source) + 1, 0) FROM results").fetchone()[0]
    except sqlite3.OperationalError:  # not there yet
        return 0


def ended(process):
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


path, count, process = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
while True:
    seen = results(path)
    if seen >= count:
        print(seen)
        break
    if ended(process):
        sys.exit(1)
    time.sleep(0.001)
