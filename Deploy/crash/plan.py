"""What a run does, settled by its seed before anything is started: which stream suffers what, in which order, with which numbers.

The seed does not settle where the machine is when a blow falls; so the same seed again is the same schedule, not the same run.
"""
import random

# What has to be done so that a worker passes the point. All others are passed by a worker that has jobs.
RECIPES = {
    "kafka-before-abort": "takeback", "kafka-after-abort": "takeback", "kafka-before-seek": "takeback", "kafka-after-seek": "takeback",
    "kafka-before-pause": "flood", "kafka-after-pause": "flood", "kafka-before-resume": "flood", "kafka-after-resume": "flood",
    "kafka-before-unassign": "join", "kafka-after-unassign": "join",
    "kafka-before-unsubscribe": "no-key", "kafka-after-unsubscribe": "no-key",
    "kafka-before-close": "drain", "kafka-after-close": "drain",
}
# Passed once in a worker's life, or once for each time that it is given partitions.
ONCE = {
    f"kafka-{when}-{call}" for when in ("before", "after")
    for call in ("init-transactions", "subscribe", "committed", "read-ledger", "assign")
}
# Where a worker stops for longer than its session and goes on: with a signature in hand, and in each state of a transaction.
ZOMBIE_POINTS = [
    "kafka-before-send-offsets", "kafka-before-commit", "kafka-after-begin", "sign-after", "kafka-after-produce-ledger", "kafka-after-commit",
    "publish-before", "kafka-after-poll",
]


def is_of_sign(point):
    """Points of `tanba sign`, which has another log and writes files."""
    return point.startswith(("embedded-", "output-"))


def recipe(point):
    return "sign" if is_of_sign(point) else RECIPES.get(point, "usual")


def make(seed, kills, points, lanes):
    """A list of acts for each lane (a stream with its workers); `lanes` says of each whether its members are static."""
    dice = random.Random(seed)
    acts = [kill_act(dice, count, points) for count in kill_counts(dice, kills)]
    acts += failpoint_acts(dice, points)
    acts += zombie_acts(dice, max(4, kills // 25))
    acts += [
        {"act": "storm", "seconds": 9, "rounds": [[round(dice.uniform(0.2, 1.5), 2), dice.random() < 0.3] for _ in range(dice.randint(3, 5))]}
        for _ in range(max(2, kills // 50))
    ]
    dice.shuffle(acts)
    # The longest first would put all of a kind at the beginning; as they come is even enough.
    shares, loads = [[] for _ in lanes], [0.0 for _ in lanes]
    for act in acts:
        lane = loads.index(min(loads))
        shares[lane].append({"pause": round(dice.uniform(0, 0.8), 2), **{key: value for key, value in act.items() if key != "seconds"}})
        # A member that is not static is waited for as long as its session lasts.
        loads[lane] += act["seconds"] * (1 if lanes[lane] else 1.8)
    return shares


def kill_counts(dice, kills):
    """Most kills are of one worker, some of two at a time."""
    while kills > 0:
        count = 2 if kills > 1 and dice.random() < 0.15 else 1
        kills -= count
        yield count


def kill_act(dice, count, points):
    """`at` is a moment, or a failpoint that the worker may or may not come to before its time is over."""
    usual = [point for point in points if recipe(point) == "usual"]
    at = f"{dice.choice(usual)}:{dice.randint(1, 12)}" if dice.random() < 0.3 else round(dice.uniform(0, 1.5), 2)
    return {"act": "kill", "workers": count, "at": at, "settles": dice.random() < 0.6, "seconds": 2 * count + (1 if isinstance(at, str) else 0)}


def failpoint_acts(dice, points):
    by_recipe = {}
    for point in points:
        by_recipe.setdefault(recipe(point), []).append(point)
    for name, some in sorted(by_recipe.items()):
        if name == "sign":
            continue
        dice.shuffle(some)
        size = len(some) if name == "takeback" else 3
        for start in range(0, len(some), size):
            walk = [point if name != "usual" or point in ONCE else f"{point}:{dice.randint(1, 4)}" for point in some[start:start + size]]
            yield {"act": "failpoints", "recipe": name, "walk": walk, "drains": dice.random() < 0.5, "seconds": (8 if name == "flood" else 2.5) * len(walk) + 2}


def zombie_acts(dice, count):
    for number in range(count):
        point = ZOMBIE_POINTS[number % len(ZOMBIE_POINTS)] if number % 4 != 3 else None
        yield {
            "act": "zombie", "at": f"stop:{point}:{dice.randint(2, 5)}" if point else round(dice.uniform(0, 1), 2),
            "longer": round(dice.uniform(0, 1.5), 2), "seconds": 9,
        }
