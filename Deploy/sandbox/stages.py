"""Adds up the time that jobs spent in each stage, over all workers: stages.py METRICS_URL...

Prints JSON: {"stages": {"sign": {"jobs": 10, "seconds": 0.5}, ...}}. A worker that does not answer is left out; what a killed worker had
counted is gone.
"""
import json
import re
import sys
import urllib.request

stages = {}
for url in sys.argv[1:]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            text = answer.read().decode()
    except OSError as error:
        print(f"{url}: {error}", file=sys.stderr)
        continue
    for line in re.finditer(r'^tanba_stage_seconds_(sum|count)\{([^}]*)\} (\S+)$', text, re.MULTILINE):
        stage = re.search(r'stage="([^"]*)"', line[2])[1]
        entry = stages.setdefault(stage, {"jobs": 0, "seconds": 0})
        if line[1] == "sum":
            entry["seconds"] += float(line[3])
        else:
            entry["jobs"] += int(float(line[3]))
print(json.dumps({"stages": stages}))
